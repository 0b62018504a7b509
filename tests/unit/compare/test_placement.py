# SPDX-License-Identifier: GPL-2.0-only
"""Nodes of a plan: what is not there is refused, and what is there is told to the guest."""

import pytest

from harness.compare import plan as plans
from harness.compare.plan import PATCHED
from harness.compare.plan_text import parse_plan, with_number
from harness.errors import UserError
from harness.guest_memory import MemoryLayout
from harness.pipeline import KernelRequest
from harness.texts.guest.on_node import listed, only_nodes
from harness.texts.guest.plug_memory import plugged_pages

TEXT = """
name = "nodes"
why = "a trial"
memory_mib = 1024
nodes = 2
seeds = [1]
baseline = "off"
[[states]]
name = "one"
make = "movable_8"
[[bursts]]
name = "ten"
order = 10
node = 1
[[arms]]
name = "off"
"""


def command(text: str) -> str:
    plan = parse_plan(text, "a plan")
    return plans.arm_command(plan, plan.arms[0], plan.bursts[0])


def test_a_plan_of_nodes_asks_for_a_kernel_with_them() -> None:
    plan = parse_plan(TEXT, "a plan")
    request = KernelRequest(kernel="5.15.180")
    assert request.flavour == "guest"
    assert request.of_arm(plan, PATCHED).flavour == "nodes"
    lean = KernelRequest(flavours=("lean", "nodes")).of_arm(plan, PATCHED)
    assert lean.flavour == "lean-nodes"
    assert plan.layout == MemoryLayout(nodes=2)
    assert plan.guests == "guests of 1024 MiB (2 nodes) and one CPU"


def test_what_is_said_of_one_node_changes_nothing() -> None:
    plain = TEXT.replace("nodes = 2\n", "").replace("node = 1\n", "")
    plan = parse_plan(plain, "a plan")
    assert plan.layout.is_plain
    assert KernelRequest().of_arm(plan, PATCHED) == KernelRequest()
    assert command(plain).startswith("bash scripts/run_arm.sh ")


def test_a_burst_on_a_node_is_put_there() -> None:
    told = command(TEXT)
    assert told.startswith("bash scripts/on_node.sh --node 1 bash scripts/run_arm.sh ")
    assert only_nodes(told, is_kernels=True) == frozenset({1})


def test_a_cpuset_binds_programs_and_not_the_kernel() -> None:
    told = command(TEXT.replace("node = 1", 'cpuset_mems = "0"'))
    assert told.startswith("bash scripts/on_node.sh --cpuset-mems 0 bash scripts/run_arm.sh ")
    assert only_nodes(told, is_kernels=True) is None
    assert only_nodes(told, is_kernels=False) == frozenset({0})


def test_blocks_may_be_of_any_node_where_none_is_said() -> None:
    assert only_nodes(command(TEXT.replace("node = 1\n", "")), is_kernels=False) is None


@pytest.mark.parametrize(
    ("text", "nodes"),
    [("0", {0}), ("0-2", {0, 1, 2}), ("0,2", {0, 2}), ("1-2,5", {1, 2, 5})],
)
def test_a_list_of_nodes_is_read_as_the_kernel_reads_it(text: str, nodes: set[int]) -> None:
    assert listed(text) == frozenset(nodes)


@pytest.mark.parametrize("text", ["", "a", "0-", "-1", "0;1", "0 1"])
def test_what_is_no_list_of_nodes_is_none(text: str) -> None:
    assert listed(text) is None


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("node = 1", "node = 2", "node = 2 is not there; its guests have nodes 0 to 1"),
        ("node = 1", "node = -1", "node = -1 is not there"),
        ("node = 1", 'cpuset_mems = "0-2"', "node 2 is not there; its guests have nodes 0 to 1"),
        ("node = 1", 'cpuset_mems = "x"', "'x' is no list of nodes"),
        ("order = 10", 'order = 9\nkind = "thp"', "node says nothing to kind thp"),
        (
            "order = 10\nnode = 1",
            'order = 9\nkind = "hugetlb"\ncpuset_mems = "0"',
            "says nothing to kind hugetlb, whose pool is of all nodes",
        ),
        ("nodes = 2\n", "", "node = 1 is not there; its guests have node 0 alone"),
        ("nodes = 2", "nodes = 3", "nodes = 3: 1024 MiB of memory cannot be split evenly"),
        ("nodes = 2", "nodes = 16", "nodes = 16 is outside 1..8"),
        ('"movable_8"', '"deferred_8"', "deferred_8 is not made in guests with 2 nodes"),
    ],
)
def test_what_is_not_there_is_refused(old: str, new: str, fact: str) -> None:
    assert old in TEXT
    with pytest.raises(UserError, match=fact):
        parse_plan(TEXT.replace(old, new, 1), "a plan")


def test_a_state_of_lists_is_refused_beside_an_area() -> None:
    text = TEXT.replace("movable_8", "hopeless_3").replace("nodes = 2", "nodes = 2\ncma_mib = 4")
    with pytest.raises(UserError, match="hopeless_3 is not made in guests with 2 nodes, 4 MiB of"):
        parse_plan(text, "a plan")


def test_lists_of_other_nodes_are_empty_before_a_state_is_made_of_lists() -> None:
    def told(text: str) -> str:
        plan = parse_plan(text, "a plan")
        return plans.state_stage(plan, plans.groups(plan)[0]).command

    hopeless = TEXT.replace("movable_8", "hopeless_3")
    made = "bash scripts/make_state.sh hopeless_3 seed=1 start"
    assert told(hopeless) == f"bash scripts/empty_lists.sh 60 && {made}"
    assert told(hopeless.replace("nodes = 2\n", "").replace("node = 1\n", "")) == made
    assert not told(TEXT).startswith("bash scripts/empty_lists.sh")


def test_a_node_says_nothing_to_guests_of_one() -> None:
    text = TEXT.replace("nodes = 2\n", "").replace("node = 1", "node = 0")
    with pytest.raises(UserError, match="node says nothing to guests of one node"):
        parse_plan(text, "a plan")


PLUGGING = TEXT.replace("nodes = 2", "hotplug_mib = 256").replace("node = 1\n", "")


def test_an_arm_says_what_becomes_of_plugged_memory() -> None:
    told = command(f'{PLUGGING}plugged = "movable"\n')
    assert told.startswith("bash scripts/plug_memory.sh movable 256 && bash scripts/run_arm.sh ")
    assert plugged_pages(told, can_move=False) == 0
    assert plugged_pages(told, can_move=True) == 256 * 256
    assert plugged_pages(told.replace("movable", "kernel"), can_move=False) == 256 * 256
    assert plugged_pages(told.replace("movable", "taken"), can_move=True) == 0


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (PLUGGING, "hotplug_mib = 256 says nothing where no arm has plugged"),
        (
            f'{PLUGGING}plugged = "kernel"\n'.replace("hotplug_mib = 256\n", ""),
            "arm off: plugged says nothing where hotplug_mib is not given",
        ),
        (f'{PLUGGING}plugged = "later"\n', "Invalid enum value 'later'"),
        (
            f'{PLUGGING}plugged = "kernel"\n'.replace("256", "200"),
            "hotplug_mib = 200 is no multiple of 128",
        ),
    ],
)
def test_plugged_memory_that_nobody_uses_or_has_is_refused(text: str, fact: str) -> None:
    with pytest.raises(UserError, match=fact):
        parse_plan(text, "a plan")


def test_a_plan_is_given_other_nodes() -> None:
    text = with_number(TEXT.replace("node = 1\n", ""), "nodes", 4)
    assert parse_plan(text, "a plan").nodes == 4

# SPDX-License-Identifier: GPL-2.0-only
"""What a plan says of nodes and zones that its guests do not have, or that nothing listens to."""

from collections.abc import Iterator

from harness.compare.kinds.base import RequestKind
from harness.compare.plan import Burst, Plan
from harness.guest_memory import MemoryLayout, layout_faults
from harness.texts.guest.empty_lists import MADE_OF_LISTS
from harness.texts.guest.on_node import listed

# States of which kmod/unmovable_comb.c takes what is on the CPUs' lists (plug=1): it asks for pages
# of ordinary zones, and of the CPU's own node. Before this one, no list has others.
_OF_LISTS = (MADE_OF_LISTS, "deferred")


def faults(plan: Plan) -> Iterator[str]:
    """Say what is wrong, as facts."""
    yield from layout_faults(plan.layout, plan.memory_mib)
    for burst in plan.bursts:
        yield from _node_faults(plan, burst)
        yield from _cpuset_faults(plan, burst)
    yield from _plugged_faults(plan)
    for state in plan.states:
        family = state.make.partition("_")[0]
        is_of_nodes_alone = plan.layout == MemoryLayout(nodes=plan.nodes)
        if plan.layout.is_plain or (family == MADE_OF_LISTS and is_of_nodes_alone):
            continue
        if family in _OF_LISTS:
            yield (
                f"state {state.name}: {state.make} is not made in guests with {plan.layout}, "
                "see docs/comparisons.md"
            )


def _node_faults(plan: Plan, burst: Burst) -> Iterator[str]:
    if burst.node is None:
        return
    if not 0 <= burst.node < plan.nodes:
        yield f"burst {burst.name}: node = {burst.node} is not there; {_there(plan)}"
    elif plan.layout.is_plain:
        yield f"burst {burst.name}: node says nothing to guests of one node"
    elif burst.kind is not RequestKind.MODULE:
        yield (
            f"burst {burst.name}: node says nothing to kind {burst.kind}, whose requests a program "
            "makes; say cpuset_mems"
        )


def _cpuset_faults(plan: Plan, burst: Burst) -> Iterator[str]:
    if not burst.cpuset_mems:
        return
    nodes = listed(burst.cpuset_mems)
    what = f"burst {burst.name}: cpuset_mems = {burst.cpuset_mems!r}"
    if not nodes:
        yield f"{what} is no list of nodes like '0', '0-1' or '0,2'"
    elif absent := sorted(node for node in nodes if node >= plan.nodes):
        yield f"{what}: node {absent[0]} is not there; {_there(plan)}"
    elif plan.layout.is_plain:
        yield f"{what} says nothing to guests of one node"
    elif burst.kind is RequestKind.HUGETLB:
        yield f"{what} says nothing to kind {burst.kind}, whose pool is of all nodes"


def _there(plan: Plan) -> str:
    last = plan.nodes - 1
    return f"its guests have nodes 0 to {last}" if last else "its guests have node 0 alone"


def _plugged_faults(plan: Plan) -> Iterator[str]:
    using = [arm.name for arm in plan.arms if arm.plugged]
    if using and not plan.hotplug_mib:
        yield f"arm {using[0]}: plugged says nothing where hotplug_mib is not given"
    elif plan.hotplug_mib and not using:
        yield f"hotplug_mib = {plan.hotplug_mib} says nothing where no arm has plugged"

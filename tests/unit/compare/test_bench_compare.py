# SPDX-License-Identifier: GPL-2.0-only
"""What bench compares, and how it counts arms."""

from pathlib import Path

import msgspec
import pytest
from made_up import outcome, plan_of, results_of

from harness.compare import plan as plans
from harness.compare.plan import Plan
from harness.compare.plan_text import parse_plan
from harness.errors import UserError
from harness.jobs.bench_compare import (
    ARMS_PLAN,
    EDIT_PLAN,
    VERDICT_GOALS_S,
    against_one_cpu,
    arms_rate,
    with_memory,
)

PLANS = Path("vm/plans")
EDIT_TEXT = (PLANS / EDIT_PLAN).read_text()


def _runs(plan: Plan) -> int:
    return sum(len(plans.runs(plan, group)) for group in plans.groups(plan))


def test_the_plans_are_what_the_figures_are_named_after() -> None:
    edit = parse_plan(EDIT_TEXT, EDIT_PLAN)
    arms = parse_plan((PLANS / ARMS_PLAN).read_text(), ARMS_PLAN)

    assert (len(edit.states), len(edit.bursts), len(edit.arms), len(edit.seeds)) == (1, 1, 2, 10)
    assert arms.memory_mib == 1024
    assert set(VERDICT_GOALS_S) == {1024, 512}


def test_a_plan_with_another_memory_differs_in_nothing_else() -> None:
    plan = parse_plan(EDIT_TEXT, EDIT_PLAN)
    small = parse_plan(with_memory(EDIT_TEXT, 512), "small")

    assert small == msgspec.structs.replace(plan, memory_mib=512)
    assert with_memory(EDIT_TEXT, plan.memory_mib) == EDIT_TEXT


@pytest.mark.parametrize("lines", ["", "memory_mib = 512\nmemory_mib = 512\n"])
def test_a_plan_without_one_line_of_memory_is_refused(lines: str) -> None:
    with pytest.raises(UserError, match=f"{lines.count('512')} lines"):
        with_memory(lines, 512)


def test_only_arms_that_ended_are_counted() -> None:
    cells = {"one": {"off": [outcome(blocks=1)] * 4, "new": [outcome(blocks=2)] * 2}}
    results = results_of(plan_of(), cells)
    figure = arms_rate(results, 36.0, 2)

    assert figure.value == pytest.approx(6 / 36 * 3600)
    assert not figure.met
    assert figure.note == "6 arms, 8 boots, 2 at a time, 36 s"
    assert arms_rate(results, 7.2, 2).met


def test_an_arm_of_several_cpus_is_held_against_one_of_one() -> None:
    cells = {"one": {"off": [outcome(blocks=1)] * 4}}
    one = arms_rate(results_of(plan_of(), cells), 10.0, 2)
    plan = msgspec.structs.replace(plan_of(), cpus=4)
    slow = arms_rate(results_of(plan, cells), 13.0, 2)

    figure = against_one_cpu(one, slow, 4)
    assert str(figure).startswith("an arm with 4 CPUs, against one")
    assert " 1.3 times   goal 1.2 times  MISSED" in str(figure)
    assert "4 CPUs" in slow.what
    assert against_one_cpu(one, arms_rate(results_of(plan, cells), 11.5, 2), 4).met

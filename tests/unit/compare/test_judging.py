# SPDX-License-Identifier: GPL-2.0-only
"""The plan of a judgement, and what its results say: by seeds, against the A/A control."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import BASE as OUTCOME
from made_up import results_of

from harness.compare.judging import AGAIN, BASE, CHANGE, Subject, judged_plan, judged_text
from harness.compare.outcome import Outcome
from harness.compare.plan import Plan
from harness.compare.plan_text import parse_plan
from harness.compare.results import Results
from harness.compare.state_differences import promises, state_table
from harness.compare.state_invariants import StateResult
from harness.compare.states import Quantity
from harness.compare.verdict import Answer, Verdict, verdicts
from harness.compare.verdict_page import Asked, verdict_line, verdict_page
from harness.errors import UserError

PLAN = """
name = "trial"
why = 'a "trial"'
memory_mib = 512
seeds = [1, 2, 3, 4, 5, 6, 7, 8]
baseline = "stock"
[[states]]
name = "one"
prepare = "make {seed}"
[[states]]
name = "two"
make = "movable_8"
[[bursts]]
name = "ten"
order = 10
[[arms]]
name = "stock"
sysctls = { "vm.compaction_proactiveness" = 0 }
"""
ASKED = Asked(change="fix.patch", kernel="debian:6.1", command="buddylab judge fix.patch")
STEADY = (100, 101, 99, 100, 102, 98, 100, 100)


def subject(*changes: str, each: bool = False) -> Subject:
    return Subject(
        source="debian:6.1", before=("base.patch",), changes=changes, config="", each=each
    )


def plan_of(*changes: str, each: bool = False) -> Plan:
    return judged_plan(parse_plan(PLAN, "trial"), subject(*changes or ("fix.patch",), each=each))


def outcomes(blocks: Sequence[int], work: int = 1000) -> list[Outcome]:
    return [
        replace(
            OUTCOME,
            blocks=count,
            work=replace(OUTCOME.work, migrate_scanned=work, free_scanned=0, reclaim_scanned=0),
        )
        for count in blocks
    ]


def results(changed: Sequence[int], *, again: Sequence[int] = STEADY, work: int = 1000) -> Results:
    cell: dict[str, list[Outcome]] = {
        BASE: outcomes(STEADY),
        AGAIN: outcomes(again),
        CHANGE: outcomes(changed, work),
    }
    return results_of(plan_of(), {"one": cell})


def verdict(found: Results) -> Verdict:
    (one,) = verdicts(found)
    return one


def answers(one: Verdict) -> dict[str, Answer]:
    return {each.question.name: each.answer for each in one.answered}


def test_each_arm_runs_on_the_base_again_and_changed() -> None:
    plan = plan_of()

    assert [(arm.name, arm.kernel) for arm in plan.arms] == [
        ("base", "base"),
        ("again", "again"),
        ("change", "change"),
    ]
    assert plan.baseline == "base"
    assert [kernel.changes for kernel in plan.kernels] == [
        ("base.patch",),
        ("base.patch", "patches/again.toml"),
        ("base.patch", "fix.patch"),
    ]
    assert plan.arms[2].sysctls == {"vm.compaction_proactiveness": 0}
    assert plan.states == parse_plan(PLAN, "trial").states


def test_every_prefix_is_a_kernel() -> None:
    plan = plan_of("a", "b", "c", each=True)

    assert [kernel.name for kernel in plan.kernels][2:] == ["change-1", "change-2", "change"]
    assert plan.kernels[3].changes == ("base.patch", "a", "b")


def test_several_arms_are_named_by_kernel_and_setting() -> None:
    more = PLAN + '[[arms]]\nname = "clear"\npolicy = { mode = "clear", cutoff = 4 }\n'
    plan = judged_plan(parse_plan(more, "trial"), subject("x"))

    assert [arm.name for arm in plan.arms[:3]] == ["base-stock", "base-clear", "again-stock"]
    assert plan.arms[1].settings == {
        "vm.adaptive_compaction_mode": 5,
        "vm.adaptive_compaction_cutoff": 4,
    }


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('[[arms]]\nname = "x"\nkernel = "unpatched"\n', "arm x names the kernel 'unpatched'"),
        (
            '[[claims]]\nsays="x"\narm="stock"\nmeasure="blocks"\nrelation="equal"\nvalue=1\n',
            "has claims about its own arms",
        ),
    ],
)
def test_a_plan_that_is_about_other_kernels_is_refused(more: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        judged_text(parse_plan(PLAN + more, "trial"), subject("x"))


@pytest.mark.parametrize("path", sorted(Path("vm/plans").glob("*.toml")), ids=lambda one: one.stem)
def test_plans_survive_being_written_down(path: Path) -> None:
    plan = parse_plan(path.read_text(), path.name)
    try:
        text = judged_text(plan, subject("fix.patch"))
    except UserError:
        return
    again = parse_plan(text, "again")
    assert (again.states, again.bursts, again.seeds) == (plan.states, plan.bursts, plan.seeds)
    assert len(again.arms) == 3 * len(plan.arms)


def test_more_blocks_for_every_seed_are_better() -> None:
    one = verdict(results([value + 10 for value in STEADY]))

    assert one.answer is Answer.BETTER
    assert answers(one) == {
        "got": Answer.BETTER,
        "latency": Answer.SAME,
        "work": Answer.SAME,
        "harm to others": Answer.SAME,
    }
    assert one.seeds == 8


def test_more_blocks_for_more_work_are_mixed() -> None:
    one = verdict(results([value + 10 for value in STEADY], work=3000))

    assert one.answer is Answer.MIXED
    assert answers(one)["work"] is Answer.WORSE


def test_what_the_control_shows_as_well_is_no_difference() -> None:
    noisy = [112, 90, 111, 92, 113, 91, 112, 115]
    one = verdict(results([value + 3 for value in STEADY], again=noisy))
    (found,) = [each for each in one.differences if each.measure == "blocks"]

    assert found.difference.excludes_zero
    assert found.floor is not None
    assert found.floor > found.difference.mean
    assert one.answer is Answer.SAME


def test_less_than_one_percent_is_real_and_no_difference() -> None:
    cell: dict[str, list[Outcome]] = {
        BASE: outcomes([1000] * 8),
        AGAIN: outcomes([1000] * 8),
        CHANGE: outcomes([1005] * 8),
    }
    one = verdict(results_of(plan_of(), {"one": cell}))
    (found,) = [each for each in one.differences if each.measure == "blocks"]

    assert found.is_real
    assert one.answer is Answer.SAME


def test_one_lucky_seed_is_no_difference() -> None:
    assert verdict(results([*STEADY[:-1], 160])).answer is Answer.SAME


def test_without_a_control_nothing_is_called_a_difference() -> None:
    found = results([value + 10 for value in STEADY])
    alone = replace(found, arms=tuple(one for one in found.arms if one.arm != AGAIN))

    assert verdict(alone).answer is Answer.SAME


def test_chance_is_corrected_for_the_number_of_places() -> None:
    """A p of 2 % is a difference where it is asked for once, and none among many."""
    changed = [104, 101, 105, 101, 110, 98, 99, 108]
    quiet: dict[str, list[Outcome]] = {
        BASE: outcomes(STEADY),
        AGAIN: outcomes(STEADY),
        CHANGE: outcomes(changed),
    }
    other: dict[str, list[Outcome]] = {
        **quiet,
        CHANGE: outcomes([101, 99, 100, 100, 103, 97, 100, 99]),
    }
    alone = verdict(results_of(plan_of(), {"one": quiet}))
    among = verdict(results_of(plan_of(), {"one": quiet, "two": other}))

    chances = [
        next(each.chance for each in one.differences if each.measure == "blocks")
        for one in (alone, among)
    ]
    assert chances[1] == pytest.approx(2 * chances[0])


def test_the_line_says_all_of_it() -> None:
    found = results([value + 10 for value in STEADY])
    line = verdict_line(verdict(found), found, ASKED)

    assert "\n" not in line
    assert line.startswith(
        "BETTER (change): got better in 1 of 1, most blocks +10 % +10 [+10, +10] (one ten; A/A "
    )
    assert "latency no difference" in line
    assert "N = 8 seeds" in line
    assert "not the same memory" in line
    assert line.endswith("again: buddylab judge fix.patch")


def test_the_page_shows_the_control_beside_each_difference() -> None:
    found = results([value + 10 for value in STEADY], again=[101, *STEADY[1:]])
    page = verdict_page(found, verdicts(found), ASKED)
    (table,) = page.sections[1].tables
    (row,) = [row for row in table.rows if row[1] == "blocks"]

    assert table.title == "change against base: better"
    assert row[5].startswith("+10 [+10, +10] (+10.0 %)")
    assert row[6].startswith("+0.125 [")
    assert row[-1] == "better"
    assert page.verdict.startswith("BETTER")


def boot(variant: str, seed: int, seen: int, tolerance: int = 5) -> StateResult:
    quantity = Quantity(name="free blocks", expected=10, seen=seen, tolerance=tolerance)
    same = Quantity(name="ranges", expected=3, seen=3, tolerance=0)
    return StateResult(state="two", seed=seed, variant=variant, quantities=(quantity, same))  # type: ignore[arg-type]


def test_states_are_told_with_how_far_they_are_apart() -> None:
    found = replace(
        results(STEADY),
        states=(boot(BASE, 1, 10), boot(AGAIN, 1, 11), boot(CHANGE, 1, 13), boot(CHANGE, 2, 40)),
    )
    table = state_table(found)

    assert table.rows == (
        ("two", "free blocks", "10 [10, 10]", "+1.0, at most 1", "+3.0, at most 3"),
    )
    assert "1 quantities more are equal" in table.notes[-1]
    assert str(promises(found)) == "states as promised in 3 of 4 boots"
    assert "states as promised in 3 of 4" in verdict_page(found, verdicts(found), ASKED).warnings[0]

# SPDX-License-Identifier: GPL-2.0-only
"""The plan of a judgement, and what its results say: by seeds, against the A/A control."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import BASE as OUTCOME
from made_up import results_of

from harness.compare.expectation import Expected, expected, parse_expectation
from harness.compare.judging import AGAIN, BASE, CHANGE, Subject, judged_plan, judged_text
from harness.compare.mail import mail_text
from harness.compare.outcome import Outcome
from harness.compare.plan import Plan
from harness.compare.plan_text import parse_plan
from harness.compare.results import Results
from harness.compare.state_differences import promises, state_table
from harness.compare.state_invariants import StateResult
from harness.compare.states import Quantity
from harness.compare.verdict import Answer, Verdict, verdicts
from harness.compare.verdict_page import Asked, verdict_line, verdict_page
from harness.errors import RecordError, UserError

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


def wanted(text: str, found: Results) -> Expected:
    return expected(parse_expectation(text, found.plan), found)


@pytest.mark.parametrize(
    ("text", "changed", "holds"),
    [
        ("blocks not_less base", 0, True),
        ("blocks not_less base", 10, True),
        ("blocks not_less base", -10, False),
        ("blocks more base", 10, True),
        ("blocks more base", 0, False),
        ("blocks less base", -10, True),
        ("blocks interval_contains_0 base", 0, True),
        ("blocks interval_contains_0 base", 10, False),
        ("blocks equal base", 0, True),
        ("blocks equal base", 1, False),
        ("blocks at_least 1.05*base", 10, True),
        ("blocks at_least 1.2*base", 10, False),
        ("blocks at_most 105", 0, True),
        ("blocks at_least 105", 0, False),
        ("blocks at_least base in one at ten", 1, True),
    ],
)
def test_an_expectation_holds_or_is_missed(text: str, changed: int, *, holds: bool) -> None:
    fared = wanted(text, results([value + changed for value in STEADY]))

    assert fared.holds == holds
    assert str(fared).startswith(f"EXPECTED {text}: {'holds' if holds else 'missed'} in 1 of 1")
    assert holds or "one ten" in str(fared)


def test_less_than_the_control_shows_is_not_less() -> None:
    noisy = [112, 90, 111, 92, 113, 91, 112, 115]
    fewer = [value - 3 for value in STEADY]

    assert wanted("blocks not_less base", results(fewer, again=noisy)).holds
    assert not wanted("blocks not_less base", results(fewer)).holds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("blocks not_less", 'give it as "MEASURE RELATION base"'),
        ("blocks not_less base in", 'give it as "MEASURE RELATION base"'),
        ("pages not_less base", "'pages' is no measure; there are huge_pages, blocks"),
        ("blocks fewer base", "'fewer' is no relation; there are equal"),
        ("blocks less bass", "'bass' is neither base nor a number"),
        ("blocks less -3", "'-3' is no number of at least 0"),
        ("blocks less nan*base", "no number of at least 0"),
        ("blocks less base in three", "'three' is no state that it can be about; there are one"),
        ("blocks less base on ten", "'on' is neither `in` nor `at`"),
        ("huge_pages less base", "no burst of plan trial is of huge pages"),
        ("thp_fault_alloc less base", "no burst of plan trial is of kind thp, mthp, hugetlb"),
        ("background_failures less base", "no burst of plan trial has a background_load"),
    ],
)
def test_an_expectation_that_says_nothing_is_refused(text: str, told: str) -> None:
    with pytest.raises(UserError, match=re.escape(told)):
        parse_expectation(text, plan_of())


def test_huge_pages_are_blocks_of_their_order() -> None:
    more = PLAN.replace("[[arms]]", '[[bursts]]\nname = "nine"\norder = 9\n[[arms]]')
    plan = judged_plan(parse_plan(more, "trial"), subject("x"))

    assert parse_expectation("huge_pages not_less base", plan).bursts == ("nine",)
    assert parse_expectation("blocks not_less base", plan).bursts == ("ten", "nine")


def test_what_was_not_measured_is_no_answer() -> None:
    with pytest.raises(RecordError, match="none of the arms has such a number"):
        wanted("later_failures not_more base", results(STEADY))


def test_a_mail_has_72_columns_and_costs_beside_gains() -> None:
    found = results([value + 10 for value in STEADY], again=[101, *STEADY[1:]], work=3000)
    text = mail_text(found, verdict(found), ASKED)
    lines = text.splitlines()

    assert max(map(len, lines)) <= 72
    assert lines[0] == "fix.patch: mixed (change)"
    assert "Gains                                 Costs" in text
    assert "blocks +10%, one ten                  work +200%, one ten" in text
    (row,) = [line for line in lines if line.startswith("allocated")]
    assert row == f"{'allocated':<24}{'100 ±1%':>14}{'110 ±1%':>14}{'+10% [+10,+10]':>18}+"
    (row,) = [line for line in lines if line.startswith("compact_migrate_scanned")]
    assert row.endswith("+200% [+200,+200]-")
    assert "8 seeds; the unit is the seed" in text
    assert "Again    buddylab judge fix.patch" in text
    assert "mixed pageblocks: n/a" in " ".join(text.split())
    assert not [line for line in lines if line.startswith("mixed pageblocks  ")]


def with_mixed(found: Results, *, changed: int) -> Results:
    """Let each arm of the changed kernel end with so many mixed pageblocks more than others."""
    arms = (
        replace(
            one,
            outcome=replace(
                one.outcome,
                mixed_before=40,
                mixed_after=50 + one.seed % 2 + (changed if one.arm == CHANGE else 0),
            ),
        )
        for one in found.arms
    )
    return replace(found, arms=tuple(arms))


@pytest.mark.parametrize(
    ("changed", "answer", "mark"),
    [(5, Answer.WORSE, "-"), (-5, Answer.BETTER, "+"), (0, Answer.SAME, "0")],
)
def test_more_mixed_pageblocks_are_harm(changed: int, answer: Answer, mark: str) -> None:
    found = with_mixed(results(STEADY), changed=changed)
    one = verdict(found)
    text = mail_text(found, one, ASKED)
    rows = {line[:24].strip(): line for line in text.splitlines()}

    assert answers(one)["harm to others"] is answer
    assert rows["mixed pageblocks"].split()[2:5:2] == ["50.5", f"{50.5 + changed:.1f}"]
    assert rows["mixed pageblocks made"].endswith(mark)
    assert "by what their pages are" in " ".join(text.split())


def test_a_mail_of_no_difference_says_so() -> None:
    found = results(STEADY)
    text = mail_text(found, verdict(found), ASKED)

    assert text.startswith("fix.patch: no difference (change)\n")
    assert "none: no difference in any state and burst" in text
    assert not [line for line in text.splitlines() if line.endswith((" 0+", " 0-"))]


def test_what_chance_may_do_is_no_difference() -> None:
    """The interval excludes 0 and the control shows nothing, and yet three seeds of eight moved."""
    moved = [*STEADY[:5], *(value + 3 for value in STEADY[5:])]
    one = verdict(results(moved))
    (found,) = [each for each in one.differences if each.measure == "blocks"]

    assert found.difference.excludes_zero
    assert found.floor == 0
    assert found.share is not None
    assert found.share > 0.01
    assert one.answer is Answer.SAME

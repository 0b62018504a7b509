# SPDX-License-Identifier: GPL-2.0-only
"""Indicators as classifiers: areas and thresholds known by hand, or by SciPy."""

import random

import pytest
from made_up import outcome, plan_of, results_of
from scipy import stats

from harness.compare.classifiers import (
    Case,
    area_under_curve,
    best_threshold,
    classifiers,
    helped,
)
from harness.compare.finding_tables import indicator_table


def cases(values: list[float], answers: str) -> list[Case]:
    return [
        Case(seed=at % 3, value=value, helped=answer == "+")
        for at, (value, answer) in enumerate(zip(values, answers, strict=True))
    ]


@pytest.mark.parametrize(
    ("answers", "area"),
    [("---+++", 1.0), ("+++---", 0.0), ("-+-+-+", 6 / 9), ("+-+-+-", 3 / 9)],
)
def test_areas_by_hand(answers: str, area: float) -> None:
    found = area_under_curve(cases([1, 2, 3, 4, 5, 6], answers))
    assert found
    assert found.area == pytest.approx(area)
    assert found.low <= found.area <= found.high


def test_ranks_count_what_pairs_do() -> None:
    chance = random.Random(3)  # noqa: S311
    found = cases([chance.randrange(9) for _ in range(60)], "+-" * 30)
    helped_of, others = (
        [case.value for case in found if case.helped is which] for which in (True, False)
    )
    won = [(ours > theirs) + 0.5 * (ours == theirs) for ours in helped_of for theirs in others]
    area = area_under_curve(found)
    assert area
    assert area.area == sum(won) / len(won)


def test_what_is_the_same_everywhere_tells_nothing() -> None:
    found = area_under_curve(cases([7] * 6, "-+-++-"))
    assert found
    assert (found.area, found.low, found.high) == (0.5, 0.5, 0.5)


def test_without_both_kinds_there_is_no_area() -> None:
    assert area_under_curve(cases([1, 2], "++")) is None
    assert area_under_curve([]) is None


def test_the_area_is_mann_whitneys() -> None:
    dice = random.Random(7)  # noqa: S311 - a fixed sequence is wanted
    made = [
        Case(seed=dice.randrange(20), value=dice.randrange(10), helped=dice.random() < 0.4)
        for _ in range(300)
    ]
    ours = [case.value for case in made if case.helped]
    theirs = [case.value for case in made if not case.helped]
    found = area_under_curve(made)
    assert found
    u = stats.mannwhitneyu(ours, theirs).statistic
    assert found.area == pytest.approx(u / len(ours) / len(theirs))
    assert 0 < found.high - found.low < 0.25


def test_an_interval_over_seeds_is_wider_where_seeds_differ() -> None:
    # Of each seed all ten cases are alike, so there are four observations, not forty.
    alike = [
        Case(seed=seed, value=value, helped=answer)
        for seed, value, answer in ((1, 1, False), (2, 3, False), (3, 2, True), (4, 4, True))
        for _ in range(10)
    ]
    apart = [Case(seed=at, value=one.value, helped=one.helped) for at, one in enumerate(alike)]
    whole, single = area_under_curve(alike), area_under_curve(apart)
    assert whole
    assert single
    assert whole.area == single.area == 0.75
    assert whole.high - whole.low > 1.5 * (single.high - single.low)


def test_whole_seeds_of_either_kind_may_be_left_out() -> None:
    made = [
        *(Case(seed=1, value=1, helped=False) for _ in range(5)),
        *(Case(seed=2, value=3, helped=False) for _ in range(5)),
        *(Case(seed=3, value=2, helped=True) for _ in range(5)),
    ]
    found = area_under_curve(made)
    assert found
    assert (found.area, found.low, found.high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize(
    ("answers", "value", "at_least", "accuracy"),
    [
        ("---+++", 4, True, 1.0),
        ("+++---", 4, False, 1.0),
        ("++++++", 1, True, 1.0),
        ("------", 1, False, 1.0),
        ("-+-+++", 2, True, 5 / 6),
    ],
)
def test_the_best_rule(answers: str, value: float, at_least: bool, accuracy: float) -> None:  # noqa: FBT001 - a parameter of cases
    found = best_threshold(cases([1, 2, 3, 4, 5, 6], answers))
    assert found
    assert (found.value, found.at_least) == (value, at_least)
    assert found.accuracy == pytest.approx(accuracy)


def test_the_best_rule_is_as_good_as_any_that_is_tried() -> None:
    dice = random.Random(3)  # noqa: S311 - a fixed sequence is wanted
    made = [Case(seed=1, value=dice.randrange(8), helped=dice.random() < 0.5) for _ in range(60)]
    tried = [
        sum((case.value >= value) == (case.helped == at_least) for case in made) / len(made)
        for value in range(8)
        for at_least in (True, False)
    ]
    found = best_threshold(made)
    assert found
    assert found.accuracy == pytest.approx(max(tried))
    assert best_threshold([]) is None


@pytest.mark.parametrize(
    ("arm", "baseline", "answer"),
    [(1, 0, True), (0, 0, False), (101, 100, False), (102, 100, True), (99, 100, False)],
)
def test_help_is_a_block_and_more_than_one_in_a_hundred(
    arm: int,
    baseline: int,
    answer: bool,  # noqa: FBT001 - a parameter of cases
) -> None:
    assert helped(outcome(blocks=arm), outcome(blocks=baseline)) is answer


def test_cases_come_from_all_states_that_both_arms_have() -> None:
    results = results_of(
        plan_of(),
        {
            "one": {
                "off": [outcome(blocks=10, frag_pct=20) for _ in range(3)],
                "new": [outcome(blocks=20, frag_pct=20) for _ in range(2)],
            },
            "two": {
                "off": [outcome(blocks=10, frag_pct=90) for _ in range(3)],
                "new": [outcome(blocks=10, frag_pct=90) for _ in range(3)],
            },
        },
    )
    found = {one.indicator: one for one in classifiers(results)}
    by_frag = found["frag_pct (cutoff 3)"]
    assert (by_frag.cases, by_frag.helped) == (5, 2)
    assert by_frag.area
    assert by_frag.area.area == 0.0
    assert by_frag.usual == pytest.approx(3 / 5)
    table = indicator_table(results)
    assert table
    row = next(row for row in table.rows if row[1].startswith("frag_pct"))
    assert row == (
        "new",
        "frag_pct (cutoff 3)",
        "2 of 5",
        "0.000 [0.000, 0.000]",
        "< 90",
        "100.0 %",
        "60.0 %",
    )
    by_index = next(row for row in table.rows if row[1] == "extfrag_index")
    assert by_index[3:] == ("0.500 [0.500, 0.500]", "never", "60.0 %", "60.0 %")
    assert indicator_table(results_of(plan_of(), {})) is None

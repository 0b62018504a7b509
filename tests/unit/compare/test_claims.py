# SPDX-License-Identifier: GPL-2.0-only
"""What a plan predicts: read strictly, and held to the paired numbers."""

from dataclasses import fields

import msgspec
import pytest
from made_up import BASE, TEXT, outcome, plan_of, results_of

from harness.compare.claims import Relation
from harness.compare.finding_tables import claim_table
from harness.compare.judged_claims import Fate, judged_claims
from harness.compare.kinds.base import HugePages
from harness.compare.measures import Measure, measured
from harness.compare.plan_text import parse_plan
from harness.errors import UserError

ONE = """
[[claims]]
says = "more work for nothing"
states = ["one"]
arm = "new"
measure = "scanned"
relation = "at_least"
factor = 17
"""


def fate(relation: str, differences: list[int], extra: str = "") -> Fate:
    plan = plan_of(
        f'[[claims]]\nsays = "it"\narm = "new"\nmeasure = "blocks"\n'
        f'relation = "{relation}"\n{extra}'
    )
    ours = [outcome(blocks=100 + difference) for difference in differences]
    theirs = [outcome(blocks=100) for _ in differences]
    (found,) = judged_claims(results_of(plan, {"one": {"off": theirs, "new": ours}}))
    return found.fate


@pytest.mark.parametrize(
    ("differences", "hits"),
    [
        ([0, 0, 0, 0], "equal interval_contains_0 not_less not_more at_least at_most"),
        ([0, 0, 0, 1], "interval_contains_0 not_less not_more at_least at_most"),
        ([3, 4, 5, 4], "more not_less at_least"),
        ([-3, -4, -5, -4], "less not_more at_most"),
        ([-9, 1, 1, 1], "interval_contains_0 not_less not_more at_least"),
        ([-1, 1, 0, 0], "interval_contains_0 not_less not_more at_least at_most"),
    ],
)
def test_each_relation_hits_and_misses(differences: list[int], hits: str) -> None:
    found = {relation for relation in Relation if fate(relation, differences) is Fate.HIT}
    assert found == set(hits.split())


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("value = 110", Fate.HIT),
        ("value = 110.5", Fate.MISS),
        ("factor = 1.1", Fate.HIT),
        ("factor = 1.2", Fate.MISS),
        ('against = "off"', Fate.HIT),
    ],
)
def test_the_reference_is_a_value_or_a_multiple(extra: str, expected: Fate) -> None:
    assert fate("at_least", [8, 12, 10, 10], extra) is expected


def test_a_prediction_is_judged_where_it_is_about_and_with_its_numbers() -> None:
    plan = plan_of(ONE)
    both = {
        "off": [outcome(blocks=1, scanned=scanned) for scanned in (100, 200, 300)],
        "new": [outcome(blocks=1, scanned=scanned) for scanned in (1800, 3400, 5000)],
    }
    results = results_of(plan, {"one": both, "two": both})
    (found,) = judged_claims(results)
    assert (found.cell.state, found.fate) == ("one", Fate.HIT)
    table = claim_table(results)
    assert table
    assert table.notes[0] == "1 of 1 hold; 0 without data"
    (row,) = table.rows
    assert row[1:8] == (
        "HIT",
        "one",
        "ten",
        "new: scanned at_least 17 x off",
        "3,400 [1,800, 5,000]",
        "3,400 [1,700, 5,100]",
        "0",
    )


def test_shares_are_printed_with_their_digits() -> None:
    plan = plan_of(
        '[[claims]]\nsays = "it"\narm = "new"\nmeasure = "bound_share"\n'
        'relation = "at_least"\nvalue = 0.99\n'
    )
    ours = [outcome(blocks=blocks) for blocks in (195, 196, 198)]  # of 198
    table = claim_table(results_of(plan, {"one": {"new": ours}}))
    assert table
    (row,) = table.rows
    assert row[1] == "MISS"
    assert row[5:] == (
        "0.9899 [0.9848, 1]",
        "0.99 [0.99, 0.99]",
        "-0.000101",
        "+0.001582 [-0.003468, +0.01]",
        "1:2",
    )


def test_what_has_no_pair_is_neither_hit_nor_miss() -> None:
    plan = plan_of(ONE.replace("scanned", "inspected"))
    results = results_of(plan, {"one": {"off": [outcome(blocks=1)], "new": [outcome(blocks=1)]}})
    (found,) = judged_claims(results)
    assert (found.fate, found.found) == (Fate.UNKNOWN, None)
    table = claim_table(results)
    assert table
    assert table.notes[0] == "0 of 0 hold; 1 without data"


def test_no_prediction_no_table() -> None:
    assert claim_table(results_of(plan_of(), {})) is None


def test_every_measure_can_be_read() -> None:
    values = {measure: measured(measure, BASE) for measure in Measure}
    assert {name for name, value in values.items() if value is None} == {
        Measure.INSPECTED,
        Measure.BACKGROUND_FAILURES,
        Measure.LATER_FAILURES,
        Measure.LATER_SMALL_FAILURES,
        Measure.MIXED_AFTER,
        Measure.MIXED_MADE,
        *(Measure(field.name) for field in fields(HugePages)),
    }
    assert values[Measure.BOUND_SHARE] == pytest.approx(193 / 198)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('states = ["one"]', 'states = ["three"]', "'three' is no state of the plan"),
        ('states = ["one"]', 'bursts = ["one"]', "'one' is no burst of the plan"),
        ('arm = "new"', 'arm = "nwe"', "'nwe' is no arm of the plan"),
        ('arm = "new"', 'arm = "new"\nagainst = "of"', "'of' is no arm of the plan"),
        ('arm = "new"', 'arm = "off"', "'off' is compared with itself"),
        ('measure = "scanned"', 'measure = "scand"', "scand"),
        ('relation = "at_least"', 'relation = "least"', "least"),
        ("factor = 17", "factor = 17\nvalue = 3", "value stands for itself"),
        ("factor = 17", "factor = nan", "nan is no number"),
        ("factor = 17", "factr = 17", "factr"),
        ('says = "more work for nothing"', 'says = " "', "says nothing"),
    ],
)
def test_a_wrong_prediction_is_refused(old: str, new: str, said: str) -> None:
    assert old in ONE
    with pytest.raises(UserError, match="made-up: .*; correct the plan") as error:
        parse_plan(TEXT + ONE.replace(old, new, 1), "made-up")
    assert said in str(error.value)


def test_what_is_only_said_is_no_part_of_the_experiment() -> None:
    plain, predicted = plan_of(), parse_plan((TEXT + ONE).replace("a trial", "why not"), "it")
    assert plain != predicted
    assert plain.experiment == predicted.experiment
    other = msgspec.structs.replace(plain, seeds=(1,))
    assert other.experiment != plain.experiment

# SPDX-License-Identifier: GPL-2.0-only
"""Paired statistics: values known by hand, and an interval that covers as often as it says."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compare.statistics import number, paired, spread


def test_differences_all_alike_need_no_resampling() -> None:
    found = paired([5, 6, 7], [3, 4, 5])
    assert (found.mean, found.low, found.high) == (2, 2, 2)
    assert found.effect is None
    assert found.excludes_zero
    assert str(found) == "+2.0 [+2.0, +2.0]"


def test_no_difference_excludes_nothing() -> None:
    found = paired([4, 4], [4, 4])
    assert (found.above, found.below, found.sign_p) == (0, 0, 1.0)
    assert not found.excludes_zero


@pytest.mark.parametrize(
    ("differences", "p"),
    [([1, 2, 3, 4, 5], 0.0625), ([1, 2, 3, 4, -5], 0.375), ([1, 2, 0, 0], 0.5), ([-1], 1.0)],
)
def test_sign_test_is_the_exact_binomial(differences: list[int], p: float) -> None:
    assert paired(differences, [0] * len(differences)).sign_p == pytest.approx(p)


def test_effect_is_mean_over_deviation() -> None:
    assert paired([1, 3], [0, 0]).effect == pytest.approx(2 / 2**0.5)


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired([1, 2], [1])


def test_the_same_samples_give_the_same_interval() -> None:
    sample = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0]
    assert paired(sample, [0.0] * 6) == paired(sample, [0.0] * 6)


def test_the_interval_covers_the_true_mean() -> None:
    dice = random.Random(1)  # noqa: S311 - a fixed sequence is wanted
    trials, covered = 150, 0
    for _ in range(trials):
        found = paired([dice.gauss(3, 2) for _ in range(20)], [0.0] * 20)
        covered += found.low <= 3 <= found.high
    assert 0.88 <= covered / trials < 1


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=20))
def test_the_interval_lies_within_the_sample_and_around_no_nonsense(values: list[int]) -> None:
    found = paired(values, [0] * len(values))
    assert min(values) <= found.low <= found.high <= max(values)
    assert found.above + found.below <= found.count


def test_spread_and_numbers() -> None:
    assert str(spread([3, 1, 2, 10])) == "2.5 [1, 10]"
    assert number(1234567.0) == "1,234,567"
    assert [number(value) for value in (2.5, 9999.5, 10000.5)] == ["2.5", "9,999.5", "10,000"]
    assert str(paired([2, 2], [1, 1])) == "+1.0 [+1.0, +1.0]"
    assert str(paired([12345, 12345], [0, 0])) == "+12,345 [+12,345, +12,345]"

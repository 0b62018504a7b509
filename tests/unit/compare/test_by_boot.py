# SPDX-License-Identifier: GPL-2.0-only
"""Statistics of boots: exact intervals, no sign invented, and the boots that it takes."""

import random
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest

from harness.compare import by_boot
from harness.compare.by_boot import (
    BOOTS_MAX,
    CHANCE,
    POWER,
    boots_least,
    boots_needed,
    shift,
    spread,
)

Draw = Callable[[], float]


def share_of_signs(draw: Draw, difference: float, boots: int, *, asked: int, trials: int) -> float:
    """Return how often so many boots of each arm show that the one lies above the other."""
    found = 0
    for _ in range(trials):
        ours = [draw() + difference for _ in range(boots)]
        one = shift(ours, [draw() for _ in range(boots)], asked=asked)
        found += one is not None and one.low > 0
    return found / trials


def orders(ours: int, theirs: int) -> Iterator[tuple[set[int], set[int]]]:
    """Yield all ways in which boots of two arms, none equal to another, can lie."""
    places = range(ours + theirs)
    for chosen in combinations(places, ours):
        yield set(chosen), set(places) - set(chosen)


@pytest.mark.parametrize(("ours", "theirs"), [(3, 3), (4, 4), (5, 5), (4, 6), (7, 3)])
@pytest.mark.parametrize("asked", [1, 3, 6])
def test_no_more_signs_are_called_by_chance_than_is_said(
    ours: int, theirs: int, asked: int
) -> None:
    """Of all orders of boots, each as likely as the others where there is no difference."""
    found = [shift(sorted(one), sorted(other), asked=asked) for one, other in orders(ours, theirs)]

    above = sum(one is not None and one.low > 0 for one in found)
    below = sum(one is not None and one.high < 0 for one in found)
    assert above == below
    assert above / len(found) <= CHANCE / asked
    if ours == theirs:
        assert (above > 0) == (ours >= boots_least(asked))
        assert (found[0] is not None) == (ours >= boots_least(asked))


def test_the_interval_is_as_narrow_as_the_chance_allows() -> None:
    """One difference less at an end would be passed more often than is said."""
    ways = by_boot._ways(5, 5)
    outside = by_boot._outside(5, 5, CHANCE)

    assert sum(ways) == 252
    assert sum(ways[: outside + 1]) / 252 <= CHANCE < sum(ways[: outside + 2]) / 252


def test_a_planted_difference_is_found_with_its_size() -> None:
    theirs = [100.0, 103.0, 98.0, 101.0, 99.0]
    one = shift([value + 20 for value in theirs], theirs)

    assert one is not None
    assert (one.difference, one.low > 0) == (20.0, True)
    assert one.low <= 20 <= one.high
    other = shift(theirs, [value + 20 for value in theirs])
    assert other is not None
    assert (other.difference, other.high < 0) == (-20.0, True)


def test_boots_that_are_all_alike_show_no_difference() -> None:
    one = shift([7.0] * 5, [7.0] * 5)

    assert one is not None
    assert (one.difference, one.low, one.high) == (0.0, 0.0, 0.0)


def test_ties_only_widen() -> None:
    """Of two values alone, most boots alike: no sign."""
    one = shift([1.0, 1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0])

    assert one is not None
    assert one.low == 0.0


def test_too_few_boots_tell_nothing() -> None:
    assert shift([9.0, 9.0], [1.0, 1.0]) is None
    assert shift([], [1.0]) is None
    assert shift([9.0] * 3, [1.0] * 3) is not None
    assert [boots_least(asked) for asked in (1, 2, 6)] == [3, 4, 5]


def normal(seed: int) -> Draw:
    source = random.Random(seed)  # noqa: S311
    return lambda: source.gauss(0, 1)


def skewed(seed: int) -> Draw:
    """Draw as latencies lie: most are near, some are far."""
    source = random.Random(seed)  # noqa: S311
    return lambda: source.lognormvariate(0, 1)


@pytest.mark.parametrize("draw", [normal(1), skewed(2)])
def test_none_is_invented(draw: Draw) -> None:
    share = share_of_signs(draw, 0.0, 6, asked=1, trials=2000)

    assert share < CHANCE + 0.015  # three times what chance adds to 2000 trials


@pytest.mark.parametrize("asked", [1, 6])
@pytest.mark.parametrize("difference", [3.0, 2.0, 1.5, 1.0])
def test_the_boots_that_it_takes_see_it(difference: float, asked: int) -> None:
    """By simulation: with so many boots the power is there, with half of them it is not."""
    boots = boots_needed(difference, 1.0, asked=asked)
    assert boots is not None

    def power(count: int) -> float:
        return share_of_signs(normal(count), difference, count, asked=asked, trials=400)

    assert power(boots) > POWER - 0.05
    if boots > 2 * boots_least(asked):
        assert power(boots // 2) < POWER - 0.1


def test_boots_that_it_takes_at_the_ends() -> None:
    assert boots_needed(0.0, 1.0) is None
    assert boots_needed(5.0, 0.0, asked=6) == boots_least(6)
    small = boots_needed(0.01, 1.0)
    assert small is not None
    assert small > BOOTS_MAX


def test_the_spread_is_that_between_boots_of_an_arm() -> None:
    assert spread([1.0, 3.0], [101.0, 103.0]) == pytest.approx(2**0.5)
    assert spread([1.0], [5.0]) == 0.0

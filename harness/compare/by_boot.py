# SPDX-License-Identifier: GPL-2.0-only
"""Statistics of boots that are not repeatable: two arms, a number for each boot. Pure.

The difference is Hodges and Lehmann's (1963): the median of all differences between a boot of
the one and a boot of the other. Its interval comes of the rank test of Mann and Whitney (1947),
exact for any number of boots and any distribution: it lies above 0 where the one-sided test says
so. Ties only widen it. Nothing is resampled.
"""

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CHANCE = 0.05  # of calling a sign that is none, for all that is asked together
POWER = 0.8  # chance to see a difference that is there
BOOTS_MAX = 100
# The rank test needs pi/3 times the boots of a t-test where noise is normal (Lehmann 1975).
_RANKS = math.pi / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """By how much the boots of one arm lie above those of another."""

    difference: float
    low: float  # ends of the interval, each passed with a chance of at most CHANCE / asked
    high: float


def shift(ours: Sequence[float], theirs: Sequence[float], *, asked: int = 1) -> Shift | None:
    """Compare boots; None where there are too few to tell any sign at all.

    `asked` is how many such comparisons are made together (Bonferroni).
    """
    if not ours or not theirs:
        return None
    outside = _outside(len(ours), len(theirs), CHANCE / asked)
    if outside < 0:
        return None
    all_pairs = sorted(mine - other for mine in ours for other in theirs)
    return Shift(
        difference=statistics.median(all_pairs),
        low=all_pairs[outside],
        high=all_pairs[-1 - outside],
    )


def spread(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the standard deviation between the boots of an arm, of both arms together."""
    found = [statistics.variance(each) for each in (ours, theirs) if len(each) > 1]
    return math.sqrt(statistics.fmean(found)) if found else 0.0


def boots_least(asked: int = 1) -> int:
    """Return how many boots of each arm can tell a sign, if all of one lie above the other."""
    return next(n for n in range(1, BOOTS_MAX) if 1 / math.comb(2 * n, n) <= CHANCE / asked)


def boots_needed(difference: float, deviation: float, *, asked: int = 1) -> int | None:
    """Return how many boots of each arm see a difference with a chance of POWER; None: none do.

    n = pi/3 * 2 * ((z(1 - CHANCE / asked) + z(POWER)) * deviation / difference)^2 + 2, rounded up,
    and at least boots_least: a t-test's number for normal noise, made the rank test's, and two more
    for its steps, which are coarse where boots are few.
    """
    if not difference:
        return None
    least = boots_least(asked)
    if not deviation:
        return least
    normal = statistics.NormalDist()
    reach = normal.inv_cdf(1 - CHANCE / asked) + normal.inv_cdf(POWER)
    needed = _RANKS * 2 * (reach * deviation / difference) ** 2 + 2
    return max(least, math.ceil(needed))


@functools.lru_cache(maxsize=1024)
def _outside(ours: int, theirs: int, chance: float) -> int:
    """Return how many differences lie outside at each end of the interval; below 0: none can.

    P(U <= outside) is at most `chance`, where U counts the pairs in which the one is larger.
    """
    ways = _ways(ours, theirs)
    limit = chance * math.comb(ours + theirs, ours)
    passed, at = 0, 0
    while passed + ways[at] <= limit:
        passed += ways[at]
        at += 1
    return at - 1


def _ways(ours: int, theirs: int) -> list[int]:
    """Return how many of all orders of the boots give each U (a Gaussian binomial)."""
    found = [1] + [0] * (ours * theirs)
    for at in range(1, ours + 1):
        for u in range(len(found) - 1, theirs + at - 1, -1):
            found[u] -= found[u - theirs - at]
        for u in range(at, len(found)):
            found[u] += found[u - at]
    return found

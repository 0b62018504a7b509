# SPDX-License-Identifier: GPL-2.0-only
"""Paired statistics over seeds: what one knob changed, and how sure that is.

The interval (BCa bootstrap) and the test (exact binomial) are SciPy's: resampling with bias
correction has edge cases that are not ours to get right. Differences that are all alike have
no spread to resample; their interval is that one value.
"""

import functools
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

_CONFIDENCE = 0.95
_RESAMPLES = 9999
# Fixed: a table must be the same whenever it is made.
_BOOTSTRAP_SEED = 20260101
# From here on a fraction is noise to a reader.
_WHOLE_FROM = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A sample's middle and ends."""

    count: int
    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{number(self.median)} [{number(self.least)}, {number(self.most)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Differences arm - baseline, one for each seed."""

    count: int
    mean: float
    low: float  # ends of the 95 % interval of the mean
    high: float
    above: int  # seeds with a difference above 0
    below: int
    sign_p: float  # two-sided sign test, ties left out; 1 where all are ties
    effect: float | None  # mean / standard deviation of the differences; None: no spread

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{_signed(self.mean)} [{_signed(self.low)}, {_signed(self.high)}]"


def number(value: float) -> str:
    """Print a count or a median of counts; a half only where it is worth reading."""
    return f"{value:,.{_decimals(value) if value != int(value) else 0}f}"


def _signed(value: float) -> str:
    return f"{value:+,.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    return 1 if abs(value) < _WHOLE_FROM else 0


def spread(values: Sequence[float]) -> Spread:
    """Describe a sample that is not empty."""
    return Spread(
        count=len(values),
        median=statistics.median(values),
        least=min(values),
        most=max(values),
    )


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample; 0 of a single value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def paired(arm: Sequence[float], baseline: Sequence[float]) -> Paired:
    """Compare two samples, the same seeds in the same order."""
    differences = [ours - theirs for ours, theirs in zip(arm, baseline, strict=True)]
    mean = statistics.fmean(differences)
    low, high = _interval(tuple(differences))
    above = sum(difference > 0 for difference in differences)
    below = sum(difference < 0 for difference in differences)
    width = deviation(differences)
    return Paired(
        count=len(differences),
        mean=mean,
        low=low,
        high=high,
        above=above,
        below=below,
        sign_p=_sign_test(above, below),
        effect=mean / width if width else None,
    )


def t_test(arm: Sequence[float], baseline: Sequence[float]) -> float:
    """Return the two-sided p of the paired t-test; without any spread 1 if equal, else 0."""
    differences = [ours - theirs for ours, theirs in zip(arm, baseline, strict=True)]
    if min(differences) == max(differences):
        return 0.0 if differences[0] and len(differences) > 1 else 1.0
    from scipy import stats  # noqa: PLC0415

    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def holm(chances: Sequence[float]) -> list[float]:
    """Return p values corrected for their number (Holm 1979), in the order given."""
    order = sorted(range(len(chances)), key=lambda at: chances[at])
    corrected = [1.0] * len(chances)
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, chances[at] * (len(chances) - rank)))
        corrected[at] = highest
    return corrected


# The same differences are asked for in several tables and pictures.
@functools.lru_cache(maxsize=1 << 14)
def _interval(differences: tuple[float, ...]) -> tuple[float, float]:
    if min(differences) == max(differences):
        return differences[0], differences[0]
    # Loaded here: half a second that only a comparison needs.
    import numpy as np  # noqa: PLC0415
    from scipy import stats  # noqa: PLC0415

    with warnings.catch_warnings():
        # BCa has no acceleration where all but one differences are alike; percentiles do.
        warnings.simplefilter("ignore")
        for method in ("BCa", "percentile"):
            found = stats.bootstrap(
                (np.array(differences),),
                np.mean,
                confidence_level=_CONFIDENCE,
                n_resamples=_RESAMPLES,
                method=method,
                rng=np.random.default_rng(_BOOTSTRAP_SEED),
            ).confidence_interval
            if found.low == found.low and found.high == found.high:
                break
    return float(found.low), float(found.high)


# Of as many seeds as a plan has there are few outcomes.
@functools.lru_cache(maxsize=1 << 14)
def _sign_test(above: int, below: int) -> float:
    if above + below == 0:
        return 1.0
    from scipy import stats  # noqa: PLC0415

    return float(stats.binomtest(above, above + below).pvalue)

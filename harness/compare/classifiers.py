# SPDX-License-Identifier: GPL-2.0-only
"""Indicators as classifiers: how well a threshold on one tells where an arm helps.

The area under the ROC curve is the share of pairs of a case that the arm helped and one that
it did not, in which the helped one has the higher value (ties are half; Mann-Whitney's U over
the number of pairs). Seeds are resampled whole for its interval: cases of one seed share their
boot's chance and are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.cells import cells, pairs
from harness.compare.indicators import by_name
from harness.compare.outcome import Outcome
from harness.compare.results import Results

_RESAMPLES = 9999
_BOOTSTRAP_SEED = 20260101
_PERCENTILES = (2.5, 97.5)
# An arm helped where it got a block more than the baseline, and more than one in a hundred.
_LEAST_BLOCKS = 1
_LEAST_SHARE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One arm run: what was seen before, and whether the arm helped."""

    seed: int
    value: float
    helped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Under the ROC curve, with its 95 % interval over seeds: 0.5 tells nothing, 1 all."""

    area: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The rule that is right most often: it helps where the value is at least (or below) it."""

    value: float
    at_least: bool
    accuracy: float
    trivial: bool  # the value is the lowest seen: it always says the same

    def __str__(self) -> str:
        if self.trivial:
            return "always" if self.at_least else "never"
        return f"{'>=' if self.at_least else '<'} {self.value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """One indicator for one arm, over all states, bursts and seeds."""

    arm: str
    indicator: str
    cases: int
    helped: int
    area: Area | None  # None: it helped everywhere or nowhere
    best: Threshold | None  # None: no case

    @property
    def usual(self) -> float:
        """How often one is right who always says what is more often so."""
        return max(self.helped, self.cases - self.helped) / self.cases if self.cases else 0.0


def classifiers(results: Results) -> tuple[Classifier, ...]:
    """Judge every indicator for every arm but the baseline."""
    plan = results.plan
    found = []
    for arm in plan.arms:
        if arm.name == plan.baseline:
            continue
        by_indicator: dict[str, list[Case]] = {}
        for cell in cells(results):
            for one, other in pairs(cell.of(arm.name), cell.of(plan.baseline)):
                better = helped(one.outcome, other.outcome)
                for name, value in by_name(one.outcome.indicators).items():
                    cases = by_indicator.setdefault(name, [])
                    if value is not None:
                        cases.append(Case(seed=one.seed, value=value, helped=better))
        found += [classifier(arm.name, name, cases) for name, cases in by_indicator.items()]
    return tuple(found)


def helped(arm: Outcome, baseline: Outcome) -> bool:
    """Say whether an arm got so many more blocks that escalation was worth deciding for."""
    more = arm.blocks - baseline.blocks
    return more >= _LEAST_BLOCKS and more > _LEAST_SHARE * baseline.blocks


def classifier(arm: str, indicator: str, cases: Sequence[Case]) -> Classifier:
    """Judge one indicator by its cases."""
    return Classifier(
        arm=arm,
        indicator=indicator,
        cases=len(cases),
        helped=sum(case.helped for case in cases),
        area=area_under_curve(cases),
        best=best_threshold(cases),
    )


def area_under_curve(cases: Sequence[Case]) -> Area | None:
    """Compute the area and its percentile interval; None unless there are both kinds."""
    positive = [case for case in cases if case.helped]
    negative = [case for case in cases if not case.helped]
    if not positive or not negative:
        return None
    import numpy as np  # noqa: PLC0415 - a tenth of a second that only a comparison needs

    seeds = sorted({case.seed for case in cases})
    place = {seed: number for number, seed in enumerate(seeds)}
    rows = np.array([place[case.seed] for case in positive])
    columns = np.array([place[case.seed] for case in negative])
    # Ranks, not pairs: of 5,000 cases of each kind there are 25 million of those.
    ranks, rank_of = np.unique([case.value for case in (*positive, *negative)], return_inverse=True)
    at = np.zeros((len(ranks), len(seeds)))
    np.add.at(at, (rank_of[len(positive) :], columns), 1.0)
    # beaten[r, t]: others of seed t that a case of rank r wins against; of equals, half.
    beaten = np.cumsum(at, axis=0) - 0.5 * at
    # won[s, t]: pairs that the helped cases of seed s win against the others of seed t.
    won = np.zeros((len(seeds), len(seeds)))
    np.add.at(won, rows, beaten[rank_of[: len(positive)]])
    helped_of = np.bincount(rows, minlength=len(seeds))
    others_of = np.bincount(columns, minlength=len(seeds))
    area = float(won.sum() / (helped_of.sum() * others_of.sum()))
    chosen = np.random.default_rng(_BOOTSTRAP_SEED).multinomial(
        len(seeds), [1 / len(seeds)] * len(seeds), size=_RESAMPLES
    )
    possible = (chosen @ helped_of) * (chosen @ others_of)
    areas = ((chosen @ won) * chosen).sum(axis=1)[possible > 0] / possible[possible > 0]
    low, high = np.percentile(areas, _PERCENTILES)
    return Area(area=area, low=float(low), high=float(high))


def best_threshold(cases: Sequence[Case]) -> Threshold | None:
    """Find the rule that is right most often in these very cases; None where there are none.

    Among equals the lowest threshold, and "at least" before "below".
    """
    candidates = sorted({case.value for case in cases})
    ordered = sorted(cases, key=lambda case: case.value)
    # As the threshold rises past a value, its cases are no longer said to be helped.
    right = sum(case.helped for case in cases)
    best: Threshold | None = None
    at = 0
    for value in candidates:
        while ordered[at].value < value:
            right += -1 if ordered[at].helped else 1
            at += 1
        for at_least, hits in ((True, right), (False, len(cases) - right)):
            accuracy = hits / len(cases)
            if best is None or accuracy > best.accuracy:
                best = Threshold(
                    value=value,
                    at_least=at_least,
                    accuracy=accuracy,
                    trivial=value == candidates[0],
                )
    return best

# SPDX-License-Identifier: GPL-2.0-only
"""Each state and burst with what every arm is there, and how far that is above its noise. Pure.

A plan need not have an A/A control. Its noise is then what the seeds show: the half of the 95 %
interval of the mean difference, but at least half a block: where all seeds differ by the same, one
block is not infinitely much.
"""

from dataclasses import dataclass

from harness.compare.cells import Cell, cells
from harness.compare.effects import Compared, Effect, compared
from harness.compare.results import Results
from harness.compare.statistics import Paired

_LEAST_NOISE = 0.5  # blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A state and burst; `arms` has each arm but the baseline that shares a seed with it."""

    cell: Cell
    link: str  # names its part of a page
    arms: dict[str, Compared]

    @property
    def name(self) -> str:
        """Name it in a sentence."""
        return f"{self.cell.state} {self.cell.burst}"

    @property
    def is_above_noise(self) -> bool:
        """Whether any arm is something else here than the baseline."""
        return any(one.effect is not Effect.NOTHING for one in self.arms.values())

    @property
    def rank(self) -> tuple[bool, float, float]:
        """What places are sorted by, the largest first."""
        over = max((over_noise(one.blocks) for one in self.arms.values()), default=0.0)
        most = max((abs(one.blocks.mean) for one in self.arms.values()), default=0.0)
        return self.is_above_noise, over, most


def over_noise(found: Paired) -> float:
    """Return a mean difference of blocks over its noise."""
    return abs(found.mean) / max(found.mean - found.low, found.high - found.mean, _LEAST_NOISE)


def places(results: Results) -> tuple[Place, ...]:
    """Return all places, the largest change over its noise first."""
    found = []
    for at, cell in enumerate(cells(results), 1):
        names = [arm.name for arm in cell.plan.arms if arm.name != cell.plan.baseline]
        arms = {name: one for name in names if (one := compared(cell, name))}
        found.append(Place(cell=cell, link=f"place-{at}", arms=arms))
    return tuple(sorted(found, key=lambda one: one.rank, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one arm is over all places."""

    arm: str
    helps: int
    hurts: int
    costs: int
    nothing: int
    gained: float  # blocks, sum of the mean differences of all places
    best: Place | None  # where it gains most blocks
    worst: Place | None

    @property
    def all(self) -> int:
        """In how many places it was compared."""
        return self.helps + self.hurts + self.costs + self.nothing


def tallies(found: tuple[Place, ...]) -> tuple[Tally, ...]:
    """Count each arm's effects, in the plan's order."""
    arms = [arm.name for arm in found[0].cell.plan.arms] if found else []
    return tuple(
        _tally(arm, tuple(one for one in found if arm in one.arms))
        for arm in arms
        if any(arm in one.arms for one in found)
    )


def _tally(arm: str, found: tuple[Place, ...]) -> Tally:
    effects = [one.arms[arm].effect for one in found]

    def largest(effect: Effect) -> Place | None:
        ours = [one for one in found if one.arms[arm].effect is effect]
        return max(ours, key=lambda one: abs(one.arms[arm].blocks.mean), default=None)

    return Tally(
        arm=arm,
        helps=effects.count(Effect.HELPS),
        hurts=effects.count(Effect.HURTS),
        costs=effects.count(Effect.COSTS),
        nothing=effects.count(Effect.NOTHING),
        gained=sum(one.arms[arm].blocks.mean for one in found),
        best=largest(Effect.HELPS),
        worst=largest(Effect.HURTS),
    )

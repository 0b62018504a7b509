# SPDX-License-Identifier: GPL-2.0-only
"""Results by cell: all arms of one state and burst, which is what figures are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.compare.measures import Measure, measured
from harness.compare.plan import Plan
from harness.compare.results import ArmResult, Results
from harness.compare.statistics import spread

# Stands beside figures of memory that was not what its state must be.
BROKEN_MARK = " (!)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One state and burst that has an arm."""

    plan: Plan
    state: str
    burst: str
    arms: tuple[ArmResult, ...]
    broken: tuple[str, ...]  # boots whose memory was not as expected
    _by_arm: Mapping[str, tuple[ArmResult, ...]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        by_arm: dict[str, list[ArmResult]] = {}
        for one in self.arms:
            by_arm.setdefault(one.arm, []).append(one)
        found = {name: tuple(each) for name, each in by_arm.items()}
        object.__setattr__(self, "_by_arm", found)

    @property
    def marked_state(self) -> str:
        """Name the state, with a mark if an invariant was broken."""
        return self.state + (BROKEN_MARK if self.broken else "")

    @property
    def title(self) -> str:
        """Name the cell."""
        return f"{self.marked_state}, {self.burst}"

    def of(self, arm: str) -> tuple[ArmResult, ...]:
        """Return one arm's results."""
        return self._by_arm.get(arm, ())


def cells(results: Results) -> tuple[Cell, ...]:
    """Return every state and burst that has an arm, in the plan's order."""
    plan = results.plan
    # In one pass each: a map has hundreds of cells and a hundred thousand arms.
    by_cell: dict[tuple[str, str], list[ArmResult]] = {}
    for arm in results.arms:
        by_cell.setdefault((arm.state, arm.burst), []).append(arm)
    broken: dict[str, list[str]] = {}
    for boot in results.states:
        if boot.broken:
            broken.setdefault(boot.state, []).append(f"seed {boot.seed} {boot.variant}")
    return tuple(
        Cell(
            plan=plan,
            state=state.name,
            burst=burst.name,
            arms=tuple(by_cell[state.name, burst.name]),
            broken=tuple(broken.get(state.name, ())),
        )
        for state in plan.states
        for burst in plan.bursts
        if (state.name, burst.name) in by_cell
    )


def pairs(
    ours: Sequence[ArmResult], theirs: Sequence[ArmResult]
) -> tuple[tuple[ArmResult, ArmResult], ...]:
    """Pair two arms' results by seed, leaving out seeds that only one of them has."""
    by_seed = {one.seed: one for one in theirs}
    return tuple((one, by_seed[one.seed]) for one in ours if one.seed in by_seed)


def values(measure: Measure, ours: Sequence[ArmResult]) -> list[float]:
    """Return an arm's numbers of a measure, of those seeds that have one."""
    found = (measured(measure, one.outcome) for one in ours)
    return [value for value in found if value is not None]


def spread_of(measure: Measure, ours: Sequence[ArmResult]) -> str:
    """Print an arm's median and ends; - where no guest of it tells."""
    found = values(measure, ours)
    return str(spread(found)) if found else "-"


def value_pairs(
    measure: Measure, ours: Sequence[ArmResult], theirs: Sequence[ArmResult]
) -> list[tuple[float, float]]:
    """Pair two arms' numbers of a measure by seed, of those seeds where both have one."""
    return [
        (mine, other)
        for one, another in pairs(ours, theirs)
        if (mine := measured(measure, one.outcome)) is not None
        and (other := measured(measure, another.outcome)) is not None
    ]

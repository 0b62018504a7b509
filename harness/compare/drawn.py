# SPDX-License-Identifier: GPL-2.0-only
"""Which seed of a place is drawn: one guest's memory, not a mean of many. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from harness.compare.cells import Cell, cells
from harness.compare.results import ArmResult, Results


def typical_seed(cell: Cell) -> int | None:
    """Return the seed whose differences to the baseline are nearest to every arm's median.

    Of those that most arms have; None where no arm shares a seed with the baseline.
    """
    base = {one.seed: one.outcome.blocks for one in cell.of(cell.plan.baseline)}
    arms = [
        {one.seed: one.outcome.blocks - base[one.seed] for one in cell.of(arm.name)
         if one.seed in base}
        for arm in cell.plan.arms if arm.name != cell.plan.baseline
    ]  # fmt: skip
    found = [differences for differences in arms if differences]
    counts = {seed: sum(seed in one for one in found) for seed in base}
    most = max(counts.values(), default=0)
    if not most:
        return None
    distances = [_distances(one) for one in found]
    return min(
        sorted(seed for seed, count in counts.items() if count == most),
        key=lambda seed: sum(one.get(seed, 0.0) for one in distances),
    )


def _distances(differences: Mapping[int, int]) -> dict[int, float]:
    """Say how far each seed is from the median, 1 being the seed that is farthest."""
    middle = median(differences.values())
    away = {seed: abs(one - middle) for seed, one in differences.items()}
    farthest = max(away.values())
    return {seed: one / farthest if farthest else 0.0 for seed, one in away.items()}


def drawn_arms(cell: Cell) -> dict[str, ArmResult]:
    """Return the results that are drawn, by arm in the plan's order; without those that cannot."""
    seed = typical_seed(cell)
    ours = {one.arm: one for one in cell.arms if one.seed == seed and one.outcome.seen}
    return {arm.name: ours[arm.name] for arm in cell.plan.arms if arm.name in ours}


def without_undrawn(results: Results) -> Results:
    """Leave out what no picture shows: it would be most of a large comparison's one file."""
    drawn = {id(one) for cell in cells(results) for one in drawn_arms(cell).values()}
    return replace(
        results,
        arms=tuple(
            one if id(one) in drawn or one.outcome.seen is None
            else replace(one, outcome=replace(one.outcome, seen=None))
            for one in results.arms
        ),
    )  # fmt: skip

# SPDX-License-Identifier: GPL-2.0-only
"""The map: in which states an arm helps, does nothing, costs or hurts."""

from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from harness.compare.cells import Cell, pairs
from harness.compare.statistics import Paired, paired

# Scanning that differs by no more than this share of the baseline's is the same.
SAME_WORK = 0.05


class Effect(StrEnum):
    """What an arm is to the baseline, by the interval of its blocks."""

    HELPS = "HELPS"  # more blocks
    NOTHING = "NOTHING"  # the interval contains 0, and no more is scanned
    COSTS = "COSTS"  # it contains 0, and more is scanned
    HURTS = "HURTS"  # fewer blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One arm against the baseline in one state and burst."""

    effect: Effect
    blocks: Paired
    baseline_blocks: float  # means over the seeds that both have
    scanned: float
    baseline_scanned: float
    inspected: float | None
    p99: float  # of the latency of single requests, guest instructions
    baseline_p99: float


def compared(cell: Cell, arm: str) -> Compared | None:
    """Compare; None where no seed has both."""
    both = pairs(cell.of(arm), cell.of(cell.plan.baseline))
    if not both:
        return None
    ours, theirs = ([one.outcome for one in side] for side in zip(*both, strict=True))
    blocks = paired([one.blocks for one in ours], [other.blocks for other in theirs])
    scanned = fmean(one.work.migrate_scanned for one in ours)
    baseline_scanned = fmean(other.work.migrate_scanned for other in theirs)
    inspected = [one.inspected for one in ours if one.inspected is not None]
    return Compared(
        effect=_effect(blocks, scanned, baseline_scanned),
        blocks=blocks,
        baseline_blocks=fmean(other.blocks for other in theirs),
        scanned=scanned,
        baseline_scanned=baseline_scanned,
        inspected=fmean(inspected) if inspected else None,
        p99=fmean(one.latency.p99 for one in ours),
        baseline_p99=fmean(other.latency.p99 for other in theirs),
    )


def _effect(blocks: Paired, scanned: float, baseline_scanned: float) -> Effect:
    if blocks.excludes_zero:
        return Effect.HELPS if blocks.low > 0 else Effect.HURTS
    return Effect.COSTS if scanned > (1 + SAME_WORK) * baseline_scanned else Effect.NOTHING

# SPDX-License-Identifier: GPL-2.0-only
"""Whether compaction is begun: deferred, skipped, or run. What a run finds is beyond a model.

mm/compaction.c of 5.15.180; the free pages that count for its watermark are those of
NR_FREE_PAGES, and frag is judged from the free lists.
"""

from dataclasses import dataclass
from enum import IntEnum

from harness.model.request import AllocFlags, Request
from harness.model.state import DeferState
from harness.model.zone import Zone
from harness.texts.metrics import fragmentation_index
from harness.texts.pages import COSTLY_ORDER, MAX_ORDER, Order
from harness.texts.proc.buddyinfo import FreeArea

_MAX_DEFER_SHIFT = 6  # COMPACT_MAX_DEFER_SHIFT


class Suitable(IntEnum):
    """What compaction_suitable says of a zone, by the values of enum compact_result."""

    SKIPPED = 1
    CONTINUE = 4
    SUCCESS = 8


@dataclass(slots=True)
class Deferral:
    """A zone's memory of failed compactions; `known` is False once a run's result is unknown."""

    shift: int = 0
    considered: int = 0
    order_failed: int = MAX_ORDER
    known: bool = True

    def defer(self, order: Order) -> None:
        """Remember a synchronous run that failed (defer_compaction)."""
        self.considered = 0
        self.order_failed = min(self.order_failed, order)
        self.shift = min(self.shift + 1, _MAX_DEFER_SHIFT)

    def deferred(self, order: Order) -> bool:
        """Whether this attempt is left out, which counts as one (compaction_deferred)."""
        limit = 1 << self.shift
        if order < self.order_failed:
            return False
        self.considered += 1
        if self.considered >= limit:
            self.considered = limit
            return False
        return True

    def reset(self, order: Order, *, served: bool) -> None:
        """After a run that made, or seems to have made, a block (compaction_defer_reset)."""
        if served:
            self.considered = 0
            self.shift = 0
        if order >= self.order_failed:
            self.order_failed = order + 1

    def restarting(self, order: Order) -> bool:
        """Whether a run forgets all skip hints (compaction_restarting)."""
        if order < self.order_failed:
            return False
        return self.shift == _MAX_DEFER_SHIFT and self.considered >= 1 << self.shift


def deferral_of(state: DeferState | None) -> Deferral:
    """Return a zone's deferral from a snapshot."""
    if state is None:
        return Deferral(known=False)
    return Deferral(shift=state.shift, considered=state.considered, order_failed=state.order_failed)


def suitable(
    zone: Zone, area: FreeArea, request: Request, flags: AllocFlags, extfrag_threshold: int
) -> Suitable:
    """Whether compaction would run in a zone, and if not, why (compaction_suitable).

    `area` is what is free in the zone; `flags` those of the look that failed.
    """
    order = request.order
    unusable = (1 << order) - 1 + (0 if flags.reserves else zone.highatomic)
    if zone.watermark_ok(
        order,
        flags.level(zone),
        request.highest_index,
        unusable=unusable,
        highatomic=flags.highatomic,
    ):
        return Suitable.SUCCESS
    marks = zone.shape.marks
    level = (marks.low if order > COSTLY_ORDER else marks.min) + zone.boost
    if not zone.watermark_ok(
        0, level + compact_gap(order), request.highest_index, unusable=zone.highatomic
    ):
        return Suitable.SKIPPED
    if order > COSTLY_ORDER:
        index = fragmentation_index(area, order)
        if 0 <= index <= extfrag_threshold:
            return Suitable.SKIPPED
    return Suitable.CONTINUE


def compact_gap(order: Order) -> int:
    """Pages compaction wants to have free beside what it makes (compact_gap)."""
    return 2 << order

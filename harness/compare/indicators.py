# SPDX-License-Identifier: GPL-2.0-only
"""What a guest showed before its burst that might predict whether escalation would help.

All are read of the moment that arms begin with, before an arm's own settings and actions.
Figures of one zone are those of the largest: the smallest zones lack memory for large orders
in every state, and a maximum over zones would say nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.texts.guest.free_dump import FreeDump, Ranges, ZoneDump
from harness.texts.metrics import frag_pct, fragmentation_index
from harness.texts.pages import Order
from harness.texts.proc.buddyinfo import BuddyInfo
from harness.texts.text import damaged

# The sysctl's default.
CUTOFF = Order(3)
_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicators:
    """Each may be None where its guest does not tell."""

    frag_pct: int  # the policy's own, cutoff 3, all zones
    extfrag_index: int  # per mille, of the burst's order; -1000 where a block is free
    defer_shift: int  # compact_defer_shift, 0 where it does not concern the order
    deferred: int | None  # attempts of the order that were deferred since boot
    clear_ranges_pct: float | None  # aligned ranges of the order without a page that is pinned
    clear_pageblocks_pct: float | None  # the same of ranges as large as a pageblock
    to_clear_ranges_pct: float | None  # ranges of the order that are clearable, but not free yet


def indicators(
    free: BuddyInfo, dump: FreeDump, *, order: Order, pageblock_order: int, deferred: int | None
) -> Indicators:
    """Read them off; RecordError if the dump and buddyinfo are of different zones."""
    largest = max(dump.zones, key=lambda zone: zone.managed)
    areas = {(area.node, area.zone): area for area in free.zones}
    area = areas.get((largest.node, largest.name))
    if area is None:
        raise damaged("buddyinfo", f"zone {largest.name} of the dump is absent")
    of_order = _ranges(dump, order)
    return Indicators(
        frag_pct=frag_pct(free.zones, CUTOFF),
        extfrag_index=fragmentation_index(area, order),
        defer_shift=_defer_shift(largest, order),
        deferred=deferred,
        clear_ranges_pct=_share(of_order, lambda one: one.clearable),
        clear_pageblocks_pct=_share(_ranges(dump, pageblock_order), lambda one: one.clearable),
        to_clear_ranges_pct=_share(of_order, lambda one: one.clearable - one.free),
    )


def by_name(found: Indicators) -> Mapping[str, float | None]:
    """Return all values by the names that the report has for them."""
    return {
        f"frag_pct (cutoff {CUTOFF})": found.frag_pct,
        "extfrag_index": found.extfrag_index,
        "compact_defer_shift": found.defer_shift,
        "deferred": found.deferred,
        "clear ranges %": found.clear_ranges_pct,
        "clear pageblocks %": found.clear_pageblocks_pct,
        "clear, not free ranges %": found.to_clear_ranges_pct,
    }


def _defer_shift(zone: ZoneDump, order: Order) -> int:
    """mm/compaction.c compaction_deferred lets orders below compact_order_failed pass."""
    return zone.defer_shift if order >= zone.order_failed else 0


def _ranges(dump: FreeDump, order: int) -> tuple[Ranges, ...]:
    return tuple(one for zone in dump.zones for one in zone.ranges if one.order == order)


def _share(ranges: Sequence[Ranges], count: Callable[[Ranges], int]) -> float | None:
    total = sum(one.total for one in ranges)
    return _PERCENT * sum(count(one) for one in ranges) / total if total else None

# SPDX-License-Identifier: GPL-2.0-only
"""The bound: how many blocks no way of compacting could exceed, from the stopped guest's dump."""

from dataclasses import dataclass

from harness.compare.zones_seen import MOVABLE
from harness.texts.guest.free_dump import FreeDump, ZoneDump
from harness.texts.pages import Order, PageCount
from harness.texts.proc.vmstat import VmStat

_NONE = PageCount(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperBound:
    """Blocks of one order: the lesser of two bounds, each valid by itself."""

    by_pages: int  # pages that may be given away, whatever their places
    by_ranges: int | None  # aligned ranges without a pinned page; None: not known below order 4
    withheld: int  # blocks that the min watermark and the reserves keep back

    @property
    def blocks(self) -> int:
        """The bound."""
        return self.with_ranges(0)

    def with_ranges(self, more: int) -> int:
        """Return the bound with so many ranges more than could be cleared as the guest stopped."""
        return (
            self.by_pages if self.by_ranges is None else min(self.by_pages, self.by_ranges + more)
        )


def upper_bound(
    dump: FreeDump,
    vmstat: VmStat,
    order: Order,
    *,
    nodes: frozenset[int] | None = None,
    can_move: bool = False,
    plugged: PageCount = _NONE,
) -> UpperBound:
    """Bound what a burst of `order` can get, of GFP_KERNEL that may go down to min.

    mm/page_alloc.c __zone_watermark_ok asks for free - (2^order - 1) > min + lowmem_reserve
    before each block, so n blocks need free >= min + reserve + n * 2^order. Pages on the CPUs'
    own lists are drained, and clean page cache reclaimed, on the way: both count as free. A
    boost of the watermark is left out, it would only lower the bound.

    `plugged` are pages that came since, all of them free. With `nodes`, blocks are of these alone.
    Of ZONE_MOVABLE only requests get any that `can_move`. In an area of contiguous memory the
    kernel's own get none either, but its ranges are not told apart: there the bound is looser.
    """
    zones = [
        zone
        for zone in dump.zones
        if (nodes is None or zone.node in nodes) and (can_move or zone.name != MOVABLE)
    ]
    highest = _MOVABLE if any(zone.name == MOVABLE for zone in zones) else _NORMAL
    pages = plugged + sum(_above_min(zone, highest) for zone in zones) + _reclaimable(vmstat)
    kept = sum(zone.min + _reserve(zone, highest) for zone in zones)
    ranges = [one.clearable for zone in zones for one in zone.ranges if one.order == order]
    return UpperBound(
        by_pages=pages >> order,
        by_ranges=sum(ranges) + (plugged >> order) if ranges else None,
        withheld=kept >> order,
    )


def _above_min(zone: ZoneDump, highest: int) -> int:
    return max(0, zone.nr_free + zone.pcp - zone.min - _reserve(zone, highest))


def _reserve(zone: ZoneDump, highest: int) -> int:
    """Return what the zone keeps from a request whose highest zone is `highest`.

    A kernel request's is ZONE_NORMAL, the last zone but MOVABLE and DEVICE. A zone's reserve
    against a zone that is empty equals that against the one below: where no zone above DMA32 has
    pages it is small.
    """
    return zone.reserve[highest] if len(zone.reserve) > highest else 0


# enum zone_type with ZONE_DMA and ZONE_DMA32, include/linux/mmzone.h
_NORMAL = 2
_MOVABLE = 3


def _reclaimable(vmstat: VmStat) -> int:
    """Return the pages of files; without swap nothing else on the lists is reclaimed."""
    return sum(
        vmstat.counters.get(name, 0) for name in ("nr_zone_active_file", "nr_zone_inactive_file")
    )

# SPDX-License-Identifier: GPL-2.0-only
"""The bound: how many blocks no way of compacting could exceed, from the stopped guest's dump."""

from dataclasses import dataclass

from harness.texts.guest.free_dump import FreeDump, ZoneDump
from harness.texts.pages import Order
from harness.texts.proc.vmstat import VmStat


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperBound:
    """Blocks of one order: the lesser of two bounds, each valid by itself."""

    by_pages: int  # pages that may be given away, whatever their places
    by_ranges: int | None  # aligned ranges without a pinned page; None: not known below order 4
    withheld: int  # blocks that the min watermark and the reserves keep back

    @property
    def blocks(self) -> int:
        """The bound."""
        return self.by_pages if self.by_ranges is None else min(self.by_pages, self.by_ranges)


def upper_bound(dump: FreeDump, vmstat: VmStat, order: Order) -> UpperBound:
    """Bound what a burst of `order` can get, of GFP_KERNEL that may go down to min.

    mm/page_alloc.c __zone_watermark_ok asks for free - (2^order - 1) > min + lowmem_reserve
    before each block, so n blocks need free >= min + reserve + n * 2^order. Pages on the CPUs'
    own lists are drained, and clean page cache reclaimed, on the way: both count as free. A
    boost of the watermark is left out, it would only lower the bound.
    """
    pages = sum(_above_min(zone) for zone in dump.zones) + _reclaimable(vmstat)
    kept = sum(zone.min + _reserve(zone) for zone in dump.zones)
    ranges = [one.clearable for zone in dump.zones for one in zone.ranges if one.order == order]
    return UpperBound(
        by_pages=pages >> order,
        by_ranges=sum(ranges) if ranges else None,
        withheld=kept >> order,
    )


def _above_min(zone: ZoneDump) -> int:
    return max(0, zone.nr_free + zone.pcp - zone.min - _reserve(zone))


def _reserve(zone: ZoneDump) -> int:
    """Return what the zone keeps from a kernel request, whose highest zone is ZONE_NORMAL.

    That is the last zone but MOVABLE and DEVICE, and a zone's reserve against a zone that is
    empty equals that against the one below: where no zone above DMA32 has pages it is small.
    """
    return zone.reserve[_NORMAL] if len(zone.reserve) > _NORMAL else 0


_NORMAL = 2  # enum zone_type with ZONE_DMA and ZONE_DMA32, include/linux/mmzone.h


def _reclaimable(vmstat: VmStat) -> int:
    """Return the pages of files; without swap nothing else on the lists is reclaimed."""
    return sum(
        vmstat.counters.get(name, 0) for name in ("nr_zone_active_file", "nr_zone_inactive_file")
    )

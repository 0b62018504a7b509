# SPDX-License-Identifier: GPL-2.0-only
"""Zones in the order a request visits them, and the look through their free lists.

mm/page_alloc.c get_page_from_freelist, gfp_to_alloc_flags, alloc_flags_nofragment of 5.15.180.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.pcp import PerCpuLists
from harness.model.request import AllocFlags, Mark, Request
from harness.model.shape import HIGHATOMIC
from harness.model.zone import Zone

__all__ = ["Allocator", "Block"]

_ZONE_NORMAL = "Normal"


@dataclass(frozen=True, slots=True)
class Block:
    """A block that was handed out."""

    zone: int  # its place in the zonelist
    pfn: int
    order: int


class Allocator:
    """A node's zones: Normal, DMA32, DMA, and their per-CPU lists if there are any."""

    __slots__ = ("_fast_flags", "_pcps", "zones")

    def __init__(self, zones: Sequence[Zone], pcps: Sequence[PerCpuLists] = ()) -> None:
        """`pcps` holds one CPU's lists for each zone, or nothing: then all is unbuffered."""
        self.zones = tuple(zones)
        self._pcps = tuple(pcps)
        self._fast_flags = AllocFlags(
            mark=Mark.LOW, nofragment=self.zones[0].shape.name == _ZONE_NORMAL
        )

    def pcp(self, zone: int) -> PerCpuLists | None:
        """Return the per-CPU lists of a zone by its place."""
        return self._pcps[zone] if self._pcps else None

    def fast_path(self, request: Request) -> Block | None:
        """Make the first attempt, at the low watermark (__alloc_pages)."""
        return self.from_freelist(request, self._fast_flags)

    def from_freelist(self, request: Request, flags: AllocFlags) -> Block | None:
        """One look through the zones, and one more without NOFRAGMENT if the first had it."""
        for nofragment in (True, False) if flags.nofragment else (False,):
            for place, zone in enumerate(self.zones):
                if not self.watermark_ok(zone, request, flags):
                    continue
                pfn = self._rmqueue(place, request, flags, nofragment=nofragment)
                if pfn >= 0:
                    if flags.highatomic:
                        zone.reserve_highatomic(pfn)
                    return Block(place, pfn, request.order)
        return None

    def watermark_ok(self, zone: Zone, request: Request, flags: AllocFlags) -> bool:
        """mm/page_alloc.c zone_watermark_fast; for order > 0 the same as zone_watermark_ok."""
        mark = flags.level(zone)
        unusable = (1 << request.order) - 1
        if not flags.reserves:
            unusable += zone.highatomic
        return zone.watermark_ok(
            request.order,
            mark,
            request.highest_index,
            unusable=unusable,
            highatomic=flags.highatomic,
        )

    def free(self, block: Block) -> None:
        """Give a block back (__free_pages: per-CPU list or zone)."""
        pcp = self.pcp(block.zone)
        if pcp is not None and pcp.allows(block.order):
            pcp.free(block.pfn, block.order)
        else:
            self.zones[block.zone].free(block.pfn, block.order)

    def blocks(self) -> tuple[int, ...]:
        """Return free blocks by order over all zones."""
        return tuple(map(sum, zip(*(zone.blocks() for zone in self.zones), strict=True)))

    def unreserve_highatomic(self, request: Request, *, force: bool) -> bool:
        """mm/page_alloc.c unreserve_highatomic_pageblock: over the zones, the first that yields."""
        return any(
            zone.unreserve_highatomic(request.migratetype, force=force) for zone in self.zones
        )

    def drain(self) -> None:
        """mm/page_alloc.c drain_all_pages."""
        for pcp in self._pcps:
            pcp.drain()

    def _rmqueue(self, place: int, request: Request, flags: AllocFlags, *, nofragment: bool) -> int:
        """mm/page_alloc.c rmqueue and rmqueue_buddy."""
        pcp = self.pcp(place)
        order, kind = request.order, request.migratetype
        if pcp is not None and pcp.allows(order):
            return pcp.take(order, kind, nofragment=nofragment)
        zone = self.zones[place]
        pfn = zone.rmqueue_smallest(order, HIGHATOMIC) if flags.highatomic else -1
        if pfn < 0:
            pfn = zone.rmqueue(order, kind, nofragment=nofragment, movable=request.movable)
        if pfn < 0 and flags.non_block:
            pfn = zone.rmqueue_smallest(order, HIGHATOMIC)
        return pfn

# SPDX-License-Identifier: GPL-2.0-only
"""Of which node and zone a burst's blocks were, where memory is more than one ordinary node. Pure.

What was free is of the moment that all arms begin with, what is left of the burst's end, all
that was got still held; both are the cross-check's counts, to the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.compare.kinds.base import Requests
from harness.texts.guest.burst_view import WHAT, Frames, ZoneFrames, parse_burst_view
from harness.texts.guest.free_dump import FreeDump, ZoneDump
from harness.texts.pages import ORDERS, Order, blocks_within

MOVABLE = "Movable"
CMA = "CMA"  # as /proc/pagetypeinfo calls its pageblocks


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSeen:
    """A zone, by node and name: pages but for `whole_before` and `got`, blocks of the order."""

    node: int
    zone: str
    managed: int
    cma: int  # free pages of the area of contiguous memory, before
    low: int  # the zone's low watermark
    free_before: int
    free_after: int
    whole_before: int
    got: int  # of the burst's blocks, as far as their places are known

    @property
    def title(self) -> str:
        """Name it."""
        return f"node {self.node} {self.zone}"


def zones_seen(
    dump: FreeDump, files: Mapping[str, bytes], requests: Requests
) -> tuple[ZoneSeen, ...] | None:
    """Count by zone; None where memory is one node of ordinary zones, or no frames were saved."""
    if WHAT not in files or not _is_laid_out(dump):
        return None
    frames = parse_burst_view(files[WHAT].decode("ascii", errors="replace"))
    after = frames.burst or ()
    return tuple(
        _seen(zone, _of(after, zone), requests, frames.pageblock_order) for zone in dump.zones
    )


def _is_laid_out(dump: FreeDump) -> bool:
    return len({zone.node for zone in dump.zones}) > 1 or any(
        zone.name == MOVABLE or zone.cma for zone in dump.zones
    )


def _of(frames: Frames, zone: ZoneDump) -> ZoneFrames | None:
    return next((one for one in frames if (one.node, one.name) == (zone.node, zone.name)), None)


def _seen(
    zone: ZoneDump, frames: ZoneFrames | None, requests: Requests, pageblock_order: int
) -> ZoneSeen:
    return ZoneSeen(
        node=zone.node,
        zone=zone.name,
        managed=zone.managed,
        cma=zone.cma,
        low=zone.low,
        free_before=zone.nr_free,
        free_after=frames.free if frames else 0,
        whole_before=_whole(zone, requests.order),
        got=_got(frames, requests.pfns, pageblock_order) if frames else 0,
    )


def _whole(zone: ZoneDump, order: Order) -> int:
    return sum(
        blocks_within(free.blocks[larger], larger, order) for free in zone.free for larger in ORDERS
    )


def _got(frames: ZoneFrames, pfns: Sequence[int], order: int) -> int:
    first = (frames.first_pfn >> order) << order
    end = first + (len(frames.pageblocks) << order)
    return sum(first <= pfn < end for pfn in pfns if pfn)

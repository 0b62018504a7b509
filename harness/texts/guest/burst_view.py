# SPDX-License-Identifier: GPL-2.0-only
"""What the cross-check saw of a burst: its time line, and by what pageblocks were taken.

kmod/cross_check_burst.c writes the text. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.texts.text import damaged, key_values, natural, naturals, required, shown, whole_lines

WHAT = "burst"
FORMAT_LINE = "cross_check burst 1"
# Of the time line: a counter of the kernel never falls, free pages do.
TIME, REQUESTS, FREE = "time_ns", "requests", "nr_free_pages"
COUNTERS = (
    "compact_stall",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "pgmigrate_success",
    "pgscan_kswapd",
    "pgscan_direct",
)
_NAMES = (TIME, REQUESTS, *COUNTERS, FREE)
_HEAD_LINES = 4
_ORDER_MAX = 15
STOPPED, BURST = "stopped", "burst"
_TYPES = "UMRHCI"  # Unmovable, Movable, Reclaimable, HighAtomic, CMA, Isolate


@dataclass(frozen=True, slots=True)
class Pageblock:
    """How many pages of a pageblock are what."""

    type: str  # the first letter of its migratetype
    free: int
    cached: int  # on the list of a CPU
    movable: int
    pinned: int
    reserved: int  # never the page allocator's

    @property
    def pages(self) -> int:
        """All pages that the zone has of it."""
        return self.free + self.cached + self.movable + self.pinned + self.reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneFrames:
    """The pageblocks of a zone, and the kernel's own counts of the same instant, in pages."""

    node: int
    name: str
    first_pfn: int
    free: int
    cached: int
    pageblocks: tuple[Pageblock, ...]


Frames = tuple[ZoneFrames, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstView:
    """A burst as it went; `samples` has a row for each moment, a column for each of `names`."""

    pageblock_order: int
    names: tuple[str, ...]
    samples: tuple[tuple[int, ...], ...]
    stopped: Frames | None  # as the machine stopped; None: it never did
    burst: Frames | None  # what the burst got still held; None: there was none


def parse_burst_view(text: str) -> BurstView:
    """Parse the whole text; RecordError if it is cut, or its sums are not the kernel's counts."""
    lines = whole_lines(text, WHAT)
    if lines[0] != FORMAT_LINE or lines[-1] != "end" or len(lines) <= _HEAD_LINES:
        raise damaged(WHAT, f"it begins {shown(lines[0])} and ends {shown(lines[-1])}")
    head = key_values([*lines[1].split(), *lines[2].split()], WHAT)
    order = _number(head, "pageblock_order")
    if order > _ORDER_MAX:
        raise damaged(WHAT, f"pageblocks of order {order} are none of a kernel's")
    names = tuple(lines[3].split())
    if names != _NAMES:
        raise damaged(WHAT, f"{shown(lines[3])} are not the counters {' '.join(_NAMES)}")
    end = _HEAD_LINES + _number(head, "samples")
    captures = _captures(lines[end:-1], 1 << order)
    return BurstView(
        pageblock_order=order,
        names=names,
        samples=_samples(lines[_HEAD_LINES:end], names),
        stopped=captures.get(STOPPED),
        burst=captures.get(BURST),
    )


def _number(values: dict[str, str], key: str) -> int:
    return natural(required(values, key, WHAT), WHAT)


def _samples(lines: Sequence[str], names: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    samples = tuple(naturals(line, len(names), WHAT) for line in lines)
    for name, column in zip(names, zip(*samples, strict=True), strict=False):
        if name != FREE and any(later < earlier for earlier, later in pairwise(column)):
            raise damaged(WHAT, f"{name} falls from one sample to the next")
    return samples


def _captures(lines: Sequence[str], most: int) -> dict[str, Frames]:
    found: dict[str, Frames] = {}
    at = 0
    while at < len(lines):
        word, _, when = lines[at].partition(" ")
        if word != "frames" or when not in {STOPPED, BURST} or when in found:
            raise damaged(WHAT, f"{shown(lines[at])} where frames stopped or burst belongs")
        at += 1
        zones = []
        while at < len(lines) and lines[at].startswith("zone "):
            zone, at = _zone(lines, at, most)
            zones.append(zone)
        if not zones:
            raise damaged(WHAT, f"frames {when} of no zone")
        found[when] = tuple(zones)
    return found


def _zone(lines: Sequence[str], at: int, most: int) -> tuple[ZoneFrames, int]:
    values = key_values(lines[at].split()[1:], WHAT)
    end = at + 1 + _number(values, "pageblocks")
    if end > len(lines):
        raise damaged(WHAT, f"{len(lines) - at - 1} pageblocks after {shown(lines[at])}")
    zone = ZoneFrames(
        node=_number(values, "node"),
        name=required(values, "name", WHAT),
        first_pfn=_number(values, "first_pfn"),
        free=_number(values, "free"),
        cached=_number(values, "cached"),
        pageblocks=tuple(_pageblock(line, most) for line in lines[at + 1 : end]),
    )
    for name, told in (("free", zone.free), ("cached", zone.cached)):
        seen = sum(getattr(block, name) for block in zone.pageblocks)
        if seen != told:
            raise damaged(
                WHAT,
                f"pageblocks of zone {zone.name} have {seen} pages that are {name}, "
                f"the kernel counted {told}",
            )
    return zone, end


def _pageblock(line: str, most: int) -> Pageblock:
    kind, _, numbers = line.partition(" ")
    if len(kind) != 1 or kind not in _TYPES:
        raise damaged(WHAT, f"{shown(line)} is no line of a pageblock")
    block = Pageblock(kind, *naturals(numbers, 5, WHAT))
    if block.pages > most:
        raise damaged(WHAT, f"{block.pages} pages in a pageblock of {most}: {shown(line)}")
    return block

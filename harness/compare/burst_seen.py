# SPDX-License-Identifier: GPL-2.0-only
"""What a burst is drawn of: memory by pageblocks before and after it, and its time line. Pure.

The guest's text counts every page (harness/texts/guest/burst_view.py). Kept is what a picture shows
of it: a pageblock is a character for each kind of page, and totals are exact.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from harness.compare.kinds.base import Requests
from harness.errors import RecordError
from harness.texts.guest.burst_view import (
    COUNTERS,
    FREE,
    REQUESTS,
    TIME,
    WHAT,
    BurstView,
    Frames,
    Pageblock,
    parse_burst_view,
)
from harness.texts.text import damaged

# A share of a pageblock: none is 0 and all is w, whatever else it is rounded to.
DIGITS = "0123456789abcdefghijklmnopqrstuvw"
UNITS = len(DIGITS) - 1
# More moments than a small picture shows are not kept.
_MOMENTS_MAX = 33


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFrames:
    """All pageblocks, by address: `types` and shares have a character for each.

    Pages of the burst's own blocks, as far as it tells where they are, count as `held` alone.
    """

    pageblock_order: int
    types: str  # first letters of migratetypes
    free_shares: str  # with what CPUs have on their lists
    movable_shares: str
    held_shares: str
    pinned_shares: str  # with what was never the page allocator's
    free: int  # pages, on the free lists
    cached: int
    movable: int
    held: int
    pinned: int
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLine:
    """Moments of a burst, between requests: each tuple has a number for each, risen since the 1st.

    `counters` are by /proc/vmstat's names; nr_free_pages is as it was, in pages.
    """

    requests: tuple[int, ...]  # made so far
    got: tuple[int, ...]  # blocks so far
    time_us: tuple[int, ...]  # of the guest's clock
    counters: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstSeen:
    """What is drawn of an arm."""

    before: MemoryFrames  # at the moment that all arms of a boot begin with
    after: MemoryFrames  # after the last request, all that was got still held
    time_line: TimeLine


def opened_pageblocks(seen: BurstSeen | None) -> int:
    """Count pageblocks that the burst got whole, where a page was pinned as the guest stopped.

    The kernel gave that page back since: a range more than could be counted when all stood still.
    """
    if seen is None:
        return 0
    # Pageblocks that were plugged in since come last.
    pinned, held = seen.before.pinned_shares, seen.after.held_shares
    return sum(
        was != DIGITS[0] and is_now == DIGITS[UNITS]
        for was, is_now in zip(pinned, held, strict=False)
    )


def burst_seen(files: Mapping[str, bytes], requests: Requests) -> BurstSeen | None:
    """Read an arm's text; None where its guest saved none. RecordError if it is damaged."""
    if WHAT not in files:
        return None
    view = parse_burst_view(files[WHAT].decode("ascii", errors="replace"))
    if view.stopped is None or view.burst is None or not view.samples:
        raise damaged(WHAT, "it lacks the frames before or after the burst, or its time line")
    made = view.samples[-1][view.names.index(REQUESTS)]
    if made != requests.attempted:
        raise RecordError(
            f"{WHAT}: the cross-check was told of {made} requests, {requests.attempted} were made"
        )
    held = _held(requests, view.pageblock_order)
    return BurstSeen(
        before=_frames(view.stopped, view.pageblock_order, {}, can_move=False),
        after=_frames(
            view.burst, view.pageblock_order, held, can_move=requests.huge_pages is not None
        ),
        time_line=_time_line(view, requests),
    )


def _held(requests: Requests, pageblock_order: int) -> dict[int, int]:
    """Return how many pages of which pageblock the burst's own blocks take."""
    size = 1 << requests.order
    whole = 1 << pageblock_order
    found: Counter[int] = Counter()
    for pfn in requests.pfns:
        for first in range(pfn, pfn + size if pfn else 0, whole):
            found[first >> pageblock_order] += min(size, whole)
    return found


def _frames(zones: Frames, order: int, held: Mapping[int, int], *, can_move: bool) -> MemoryFrames:
    blocks = [
        (block, held.get((zone.first_pfn >> order) + at, 0))
        for zone in zones
        for at, block in enumerate(zone.pageblocks)
    ]
    whole = 1 << order

    def total(of: Callable[[Pageblock], int]) -> int:
        return sum(of(block) for block, _ in blocks)

    def shares(of: Callable[[Pageblock], int]) -> str:
        return "".join(_digit(of(block), whole) for block, _ in blocks)

    split = [_without(block, ours, can_move=can_move) for block, ours in blocks]
    return MemoryFrames(
        pageblock_order=order,
        types="".join(block.type for block, _ in blocks),
        free_shares=shares(lambda block: block.free + block.cached),
        movable_shares="".join(_digit(movable, whole) for movable, _, _ in split),
        held_shares="".join(_digit(ours, whole) for _, _, ours in split),
        pinned_shares="".join(
            _digit(pinned + block.reserved, whole)
            for (_, pinned, _), (block, _) in zip(split, blocks, strict=True)
        ),
        free=total(lambda block: block.free),
        cached=total(lambda block: block.cached),
        movable=sum(movable for movable, _, _ in split),
        held=sum(ours for _, _, ours in split),
        pinned=sum(pinned for _, pinned, _ in split),
        reserved=total(lambda block: block.reserved),
    )


def _without(block: Pageblock, held: int, *, can_move: bool) -> tuple[int, int, int]:
    """Take what a burst holds out of a pageblock's pages: movable, pinned, held.

    A module's blocks are pinned; a process's can move, and some may have moved since.
    """
    if can_move:
        ours = min(held, block.movable)
        return block.movable - ours, block.pinned, ours
    ours = min(held, block.pinned)
    return block.movable, block.pinned - ours, ours


def _digit(pages: int, whole: int) -> str:
    if not pages or pages == whole:
        return DIGITS[UNITS if pages else 0]
    return DIGITS[min(max(round(pages * UNITS / whole), 1), UNITS - 1)]


def _time_line(view: BurstView, requests: Requests) -> TimeLine:
    columns = dict(zip(view.names, zip(*view.samples, strict=True), strict=True))
    kept = _kept(len(view.samples))
    got = [0, *accumulate(map(int, requests.got))]

    def rise(name: str) -> tuple[int, ...]:
        return tuple(columns[name][at] - columns[name][0] for at in kept)

    return TimeLine(
        requests=rise(REQUESTS),
        got=tuple(got[columns[REQUESTS][at]] for at in kept),
        time_us=tuple(ns // 1000 for ns in rise(TIME)),
        counters={
            **{name: rise(name) for name in COUNTERS},
            FREE: tuple(columns[FREE][at] for at in kept),
        },
    )


def _kept(count: int) -> list[int]:
    """Return which samples are kept: the first, the last, and every so many between."""
    step = -(-(count - 1) // (_MOMENTS_MAX - 1)) or 1
    return [*range(0, count - 1, step), count - 1]

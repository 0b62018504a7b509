# SPDX-License-Identifier: GPL-2.0-only
"""Hold memory to the invariants of its state.

A state is made by scripts/make_state.sh, whose report says what was taken and given back.
From that alone the free blocks of each order follow, and are compared with /proc/buddyinfo:

- A whole unit of a comb (vm/guest/comb.h) adds the same free blocks wherever it lies: none
  of them can merge with a block outside, for the page that stays is in the way.
- A segment of the pins (kmod/unmovable_comb.c) of 2^d pages leaves one free block of each
  order below d.
- Where a comb keeps all (one in 1), it has no free blocks: what was given back was pinned.
- What was free before the pages were given back is still there, but for blocks larger than
  a segment where pins were made: those were all taken.

Free blocks do not tell what lies between them, so the pages that stay are looked for among
the anonymous and the reclaimable ones, and pins among the pageblocks.

The tolerance is in blocks, and derived from pages whose place the report does not tell: those
given back in units that are not whole, those that wait on a CPU's own list and are in no
block, and OTHERS_PAGES. One page more or less changes the count of each order by at most one.
Above the largest block that the combs leave it must be large blocks that change, and other
programs take the smallest first: there m pages are allowed to change m / 2^k blocks, and two.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.errors import RecordError
from harness.texts.guest.state_report import Blocks, Comb, Pins, StateReport
from harness.texts.pages import MAX_ORDER, ORDERS, Order, PageCount, order_of
from harness.texts.proc.buddyinfo import BuddyInfo
from harness.texts.proc.pagetypeinfo import PageTypeInfo
from harness.texts.proc.vmstat import VmStat
from harness.texts.proc.zoneinfo import ZoneInfo

# What others take and give between the report's figures and the reading of buddyinfo: the
# reader (vm/guest/snapshot.c) locks its buffers, and some programs come and go. 640 to 1143
# pages were seen, all of them of order 0.
OTHERS_PAGES = PageCount(1536)
# Anonymous and page-cache pages of all other programs, the comb's own tables among them.
OTHERS_MEMORY = PageCount(3072)
# Pageblocks that the kernel itself has made its own beside those of the pins.
OTHERS_PAGEBLOCKS = 12
_LARGE_BLOCKS = 2
# What scripts/make_state.sh holds beside the pins in these states (victims, cached_mib).
HELD = {
    "tight": (PageCount(16 << 10), PageCount(0)),
    "cached": (PageCount(16 << 10), PageCount(8 << 10)),
}
# The names that scripts/make_state.sh knows, whose header says what each is: a family and the
# numbers it takes, or EASY. A test holds the two lists together.
_COMBS = (2, 3, 4, 8, 16, 32, 64)
_SHIFTS = range(1, 10)
STATE_NUMBERS: Mapping[str, Collection[int]] = {
    "movable": _COMBS,
    "cache": _COMBS,
    "hopeless": _SHIFTS,
    "mixed": range(101),
    "deferred": _COMBS,
    "room": range(1, 91),
    "tight": _SHIFTS,
    "cached": _SHIFTS,
}
EASY = "easy"
_DEFERRED = "deferred_"  # requests of order 9 were made in it (scripts/make_state.sh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One number expected and seen, `tolerance` in the same unit as both."""

    name: str
    expected: int
    seen: int
    tolerance: int

    @property
    def holds(self) -> bool:
        """Whether what was seen is as near as it must be."""
        return abs(self.seen - self.expected) <= self.tolerance

    def __str__(self) -> str:
        return f"{self.name}: {self.seen}, expected {self.expected} ± {self.tolerance}"


def is_state(name: str) -> bool:
    """Whether scripts/make_state.sh makes a state of that name."""
    family, _, number = name.partition("_")
    numbers = STATE_NUMBERS.get(family, ())
    return name == EASY or any(number == str(each) for each in numbers)


def broken(quantities: Iterable[Quantity]) -> tuple[Quantity, ...]:
    """Return those that are not as expected."""
    return tuple(one for one in quantities if not one.holds)


def unit_blocks(keep_one_in: int, block_order: Order, residue: int = 0) -> Blocks:
    """Return the free blocks by order of one whole unit.

    Of every `keep_one_in` blocks of `block_order` the one at `residue` stays. Where
    `keep_one_in` is a power of two its place does not matter: RecordError below 2.
    """
    if keep_one_in <= 1 or not 0 <= residue < keep_one_in:
        raise RecordError(f"a comb that keeps block {residue} of {keep_one_in} leaves nothing free")
    blocks = [0] * MAX_ORDER
    free = {at for at in range(_unit_length(keep_one_in)) if at % keep_one_in != residue}
    for order in range(block_order, MAX_ORDER):
        pairs = {at // 2 for at in free if at % 2 == 0 and at + 1 in free}
        if order == MAX_ORDER - 1:
            pairs = set()  # the largest block there is
        blocks[order] = len(free) - 2 * len(pairs)
        free = pairs
    return tuple(blocks)


def segment_order(pins: Pins) -> Order:
    """Return the order of the pins' segments, of which one page each was kept.

    Of what the CPUs had on their own lists a page in each range was kept as well, and the
    others are not counted as freed (comb_give_cached): kept may exceed the segments.
    """
    order = (-(-(pins.kept + pins.freed) // max(pins.kept, 1)) - 1).bit_length()
    if not pins.freed or pins.freed % ((1 << order) - 1):
        raise RecordError(
            f"pins: {pins.kept} of {pins.kept + pins.freed} pages kept is not one in a power of two"
        )
    return Order(order)


def segments(pins: Pins) -> int:
    """Return how many segments were cut, each leaving a free block of each smaller order."""
    return pins.freed // ((1 << segment_order(pins)) - 1)


def expected_blocks(report: StateReport) -> Blocks:
    """Return the free blocks by order, all zones, that must be there."""
    base = report.comb.rest if report.comb else report.free_before
    combs = _of_comb(report.comb) if report.comb else (0,) * MAX_ORDER
    segment = segment_order(report.pins) if report.pins else Order(MAX_ORDER)
    cut = segments(report.pins) if report.pins else 0
    return tuple(
        combs[order] + (base[order] if order <= segment else 0) + (cut if order < segment else 0)
        for order in ORDERS
    )


def check_state(
    report: StateReport, free: BuddyInfo, types: PageTypeInfo, zones: ZoneInfo, stat: VmStat
) -> tuple[Quantity, ...]:
    """Compare what was expected with texts read before the burst; RecordError if they misfit."""
    waiting = sum(pageset.count for zone in zones.zones for pageset in zone.pagesets)
    return (
        *_free_blocks(report, free, PageCount(waiting)),
        *(_pins(report.pins) if report.pins and report.comb is None else ()),
        *_between(report, stat),
        _unmovable_pageblocks(report, types),
    )


def _unit_length(keep_one_in: int) -> int:
    """Blocks in a unit (comb.h, comb_unit_blocks): a multiple of N and of a power of two >= N."""
    power = 1 << (keep_one_in - 1).bit_length()
    odd = keep_one_in // (keep_one_in & -keep_one_in)
    return power * odd


def _of_comb(comb: Comb) -> Blocks:
    if comb.keep_one_in == 1:
        return (0,) * MAX_ORDER  # all stays: only what was given back before, for pins, has room
    power = comb.keep_one_in.bit_count() == 1
    residue = 0 if power else comb.seed % max(comb.keep_one_in, 1)
    unit = unit_blocks(comb.keep_one_in, order_of(comb.block_order, "comb"), residue)
    blocks = [comb.units * blocks for blocks in unit]
    if comb.block_order == MAX_ORDER - 1:
        # Blocks of the largest order merge with nothing, in a whole unit or not.
        blocks[-1] = comb.given_back >> comb.block_order
    return tuple(blocks)


def _free_blocks(report: StateReport, free: BuddyInfo, waiting: PageCount) -> Iterator[Quantity]:
    # Page cache lies in the pins' free pages, nobody tells in which.
    astray = waiting + OTHERS_PAGES + _held(report)[1]
    largest = 0
    if report.comb:
        astray += report.comb.partial_given_back >> report.comb.block_order
        largest = max(order for order in ORDERS if _of_comb(report.comb)[order] or not order)
    if report.pins:
        largest = max(largest, segment_order(report.pins) - 1)
    expected = expected_blocks(report)
    for order in ORDERS:
        few = (astray >> order) + _LARGE_BLOCKS
        yield Quantity(
            name=f"free blocks of order {order}",
            expected=expected[order],
            seen=free.blocks(order),
            tolerance=astray if order <= largest and order < MAX_ORDER - 1 else few,
        )


def _held(report: StateReport) -> tuple[PageCount, PageCount]:
    """Return anonymous pages and page cache that the name of the state stands for."""
    return HELD.get(report.name.partition("_")[0], (PageCount(0), PageCount(0)))


def _between(report: StateReport, stat: VmStat) -> Iterator[Quantity]:
    comb = report.comb
    anonymous, cache = _held(report)
    if comb:
        chosen = report.share.chosen << report.share.order if report.share else 0
        kept = PageCount(comb.pages - chosen - comb.given_back)
        nothing = PageCount(0)
        anonymous, cache = (nothing, kept) if comb.reclaimable else (kept, nothing)
    # Whoever reads the state asks for blocks of order 3, and kswapd takes cache for them.
    reclaimed = _held(report)[1] // 2
    for name, expected, lost, counters in (
        ("anonymous pages", anonymous, 0, ("nr_anon_pages",)),
        ("reclaimable pages", cache, reclaimed, ("nr_inactive_file", "nr_active_file")),
    ):
        seen = sum(stat.counter(counter) for counter in counters)
        yield Quantity(name=name, expected=expected, seen=seen, tolerance=OTHERS_MEMORY + lost)


def _pins(pins: Pins) -> Iterator[Quantity]:
    yield Quantity(
        name="ranges that compaction could clear", expected=0, seen=pins.open, tolerance=0
    )
    yield Quantity(
        name="ranges", expected=pins.own + pins.foreign + pins.plugged, seen=pins.ranges,
        tolerance=0,
    )  # fmt: skip


def _unmovable_pageblocks(report: StateReport, types: PageTypeInfo) -> Quantity:
    """Pins take whole pageblocks and make them their own; a comb that moves makes none so.

    What was whole beside the comb of a deferred state was taken, and given back, by requests.
    """
    seen = sum(zone.count("Unmovable") for zone in types.pageblocks)
    taken = 0
    if report.share and report.share.percent:
        taken = report.share.free + report.share.chosen
    elif report.comb and report.name.startswith(_DEFERRED):
        rest = report.comb.rest
        taken = sum((rest[order] << order) // types.pageblock_pages for order in ORDERS)
    elif report.pins:
        taken = -(-(report.pins.kept + report.pins.freed) // types.pageblock_pages)
    return Quantity(
        name="unmovable pageblocks", expected=taken, seen=seen, tolerance=OTHERS_PAGEBLOCKS
    )

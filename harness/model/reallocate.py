# SPDX-License-Identifier: GPL-2.0-only
"""Foretell what kmod/reallocate.c will count: the buddy allocator under a churn of single pages.

The experiment is LLFree's (Wrenger et al., USENIX ATC 2023), by share. Pages come and go through
the per-CPU lists and the zones of the model, one by one, chosen by the module's own generator.
Where free blocks lie is not in a snapshot, so each is put into a range of the largest order of its
own (harness.model.world): none of them can merge with another, only what was cut from one can
become whole again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import RecordError
from harness.model.allocator import Allocator, Block
from harness.model.pcp import PerCpuLists
from harness.model.request import Request
from harness.model.shape import MOVABLE, UNMOVABLE, Watermarks, ZoneShape
from harness.model.state import AllocatorState, Migratetype, ZoneState
from harness.model.zone import Zone
from harness.texts.build.rules import Rule
from harness.texts.guest.reallocate import HUGE_ORDER, Row
from harness.texts.pages import MAX_ORDER, ORDERS, Order, PageCount

_SLOT = MAX_ORDER - 1
_LOWEST_ZONE = "DMA"
_TYPE_NUMBERS = {name: number for number, name in enumerate(Migratetype)}
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_POINTERS_PER_PAGE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """The module's parameters, by its names; the defaults are the shares that were published."""

    fill_permille: int = 918
    percent: int = 10
    rounds: int = 100
    seed: int = 42


def foretell(state: AllocatorState, churn: Churn) -> Iterator[Row]:
    """Yield the row of before the first round, and one after each.

    RecordError where the model runs out of memory: then the module will, too.
    """
    zones = [zone for zone in state.zones if zone.name != _LOWEST_ZONE]
    machine = _Machine(state, zones)
    taken = machine.free // 1000 * churn.fill_permille
    # The module's own array of pointers
    machine.take(-(-taken // _POINTERS_PER_PAGE), movable=False)
    held = machine.take(taken, movable=True)
    chance = _Chance(churn.seed)
    chance.choose(held, len(held))
    kept = taken - taken // 2
    machine.give(held[kept:])
    del held[kept:]
    yield machine.row()
    churned = kept * churn.percent // 100
    for _ in range(churn.rounds):
        chance.choose(held, churned)
        machine.give(held[:churned])
        held[:churned] = machine.take(churned, movable=True)
        yield machine.row()


class _Chance:
    """kmod/reallocate.c random_below and reallocate_choose."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed + 1) * _GOLDEN & _MASK

    def choose(self, held: list[Block], count: int) -> None:
        """Make the first `count` a random choice, in random order."""
        state, every = self._state, len(held)
        for at in range(count):
            state ^= state << 13 & _MASK
            state ^= state >> 7
            state ^= state << 17 & _MASK
            other = at + (state >> 16) % (every - at)
            held[at], held[other] = held[other], held[at]
        self._state = state


class _Machine:
    """The zones that serve such pages, and one CPU's lists of each."""

    __slots__ = ("_allocator", "_highest_index")

    def __init__(self, state: AllocatorState, zones: list[ZoneState]) -> None:
        made = [_zone(zone, state) for zone in zones]
        lists = [_lists(zone, one, state) for zone, one in zip(made, zones, strict=True)]
        self._allocator = Allocator(made, lists)
        self._highest_index = state.normal_index + 1

    @property
    def free(self) -> int:
        """NR_FREE_PAGES of all zones: without what is on per-CPU lists."""
        return sum(zone.free_pages for zone in self._allocator.zones)

    def row(self) -> Row:
        """Count as the module does."""
        blocks = self._allocator.blocks()
        huge = sum(blocks[order] << (order - HUGE_ORDER) for order in ORDERS[HUGE_ORDER:])
        return Row(free=PageCount(self.free), huge=huge)

    def take(self, count: int, *, movable: bool) -> list[Block]:
        """Take single pages."""
        request = Request(
            order=Order(0),
            migratetype=MOVABLE if movable else UNMOVABLE,
            highest_index=self._highest_index if movable else self._highest_index - 1,
            direct_reclaim=False,
            kswapd=False,
            compacts=False,
            noretry=False,
            retry_mayfail=False,
            high=False,
            movable=movable,
        )
        taken = []
        for number in range(count):
            block = self._allocator.fast_path(request) or self._allocator.from_freelist(
                request, request.slow_flags
            )
            if block is None:
                raise RecordError(
                    f"the model has memory for {number} of {count} pages; fill a smaller share"
                )
            taken.append(block)
        return taken

    def give(self, blocks: list[Block]) -> None:
        """Free them, in this order."""
        for block in blocks:
            self._allocator.free(block)


def _lists(made: Zone, zone: ZoneState, state: AllocatorState) -> PerCpuLists:
    """Make the CPU's lists with the pages on them; which is not in a dump: movable single ones.

    They lie behind the free blocks, every other page, so that none is the buddy of another.
    """
    lists = PerCpuLists(
        made,
        batch=max(1, zone.pcp_batch),
        high=max(1, zone.pcp_high),
        huge_order=state.pcp_order,
    )
    first = _blocks(zone) << _SLOT
    for number in range(zone.pcp):
        lists.put(first + 2 * number, 0, MOVABLE)
    return lists


def _blocks(zone: ZoneState) -> int:
    return sum(sum(one.blocks) for one in zone.lists)


def _zone(zone: ZoneState, state: AllocatorState) -> Zone:
    slots = _blocks(zone) + (2 * zone.pcp >> _SLOT) + 1
    made = Zone(
        ZoneShape(
            name=zone.name,
            index=zone.index,
            start_pfn=0,
            end_pfn=slots << _SLOT,
            pageblock_order=state.pageblock_order,
            managed=zone.managed,
            marks=Watermarks(min=zone.min, low=zone.low, high=zone.high, reserve=zone.reserve),
            boost_factor=state.watermark_boost_factor,
            claims=Rule.FALLBACK_CLAIMS in state.rules,
        )
    )
    pfn = 0
    for one in zone.lists:
        kind = _TYPE_NUMBERS[one.migratetype]
        for order, blocks in enumerate(one.blocks):
            for _ in range(blocks):
                made.set_pageblock_type(pfn, kind)
                made.set_pageblock_type(pfn + (1 << _SLOT) - 1, kind)
                made.add_free(pfn, order, kind)
                pfn += 1 << _SLOT
    return made

# SPDX-License-Identifier: GPL-2.0-only
"""A possible world: model zones built from a snapshot, best or worst in all it leaves open.

A snapshot says how many blocks are free, not where. That does not matter here: a block's buddy
is never free (they would be one block), so each is put into a pageblock of its own, and only
blocks that the burst itself split can merge again. Where the place does matter, when part of
a pageblock is stolen (how much moves along, and what type it becomes), the two worlds part: in
the worst each steal brings one block, so that there are as many steals as there can be, and as
much boost of the watermarks; in the best each brings a whole pageblock. Where a fallback claims
pageblocks (Rule.FALLBACK_CLAIMS), it may try one of each order in vain, and boost each time.
Blocks too small for the burst, or more of a kind than it can use, are counted but not placed.
"""

from dataclasses import dataclass

from harness.model.allocator import Allocator, Block
from harness.model.pcp import PerCpuLists
from harness.model.request import Request
from harness.model.shape import MIGRATE_TYPES, Watermarks, ZoneShape, mult_frac
from harness.model.state import AllocatorState, Migratetype, ZoneState
from harness.model.zone import Zone
from harness.texts.build.rules import Rule
from harness.texts.pages import MAX_ORDER, ORDERS, Order
from harness.texts.proc.buddyinfo import FreeArea

_SLOT = MAX_ORDER - 1  # every placed block has a range of the largest order to itself
_UNLIMITED = 1 << 60
_TYPE_NUMBERS = {name: number for number, name in enumerate(Migratetype)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far the two worlds lie apart, beyond what the snapshot itself leaves open."""

    best: bool
    most_blocks: int  # more blocks of one kind than these are never used
    pages_taken: int = 0
    pages_freed: int = 0
    blocks_lost: int = 0  # blocks that may be stuck on lists of other CPUs

    @property
    def noise(self) -> int:
        """Pages that others may take or free."""
        return self.pages_taken + self.pages_freed


class World:
    """The zones of a request while a burst runs."""

    __slots__ = (
        "_first_delta",
        "_held",
        "_inert",
        "_limits",
        "_made_of",
        "_request",
        "_since_steal",
        "_state",
        "_taken",
        "allocator",
    )

    def __init__(self, state: AllocatorState, request: Request, limits: Limits) -> None:
        """Place the blocks that matter; see the module's text."""
        self._state = state
        self._request = request
        self._limits = limits
        self._inert: list[list[int]] = []
        self._first_delta: list[int] = []
        self._held: list[range] = []  # by zone, first pages of blocks on per-CPU lists
        zones = [self._build(zone) for zone in state.zones]
        self.allocator = Allocator(zones, self._pcps(zones))
        self._since_steal = [0] * len(zones)  # blocks taken since the first steal, by zone
        self._taken = [0] * len(zones)
        self._made_of = tuple(zone.available(request.order) for zone in state.zones)

    @property
    def uncertain_lists(self) -> bool:
        """Whether part of a pageblock was stolen: which larger block is cut is then unknown."""
        return any(zone.steals for zone in self.allocator.zones) or not self._state.exact_lists

    def take(self) -> Block | None:
        """Try the fast path for one request."""
        block = self.allocator.fast_path(self._request)
        self.note(block)
        return block

    def note(self, block: Block | None) -> None:
        """After any look: settle the boost, and NR_FREE_PAGES if a zone was changed."""
        if block is None:
            return
        place = block.zone
        zone = self.allocator.zones[place]
        self._taken[place] += 1 << block.order
        zone.free_pages -= self._first_delta[place]
        self._first_delta[place] = 0
        if zone.steals:
            self._since_steal[place] += 1
            if self._limits.best:
                zone.boost = min(zone.boost, self._least_boost(place))
            elif zone.shape.claims:
                zone.boost = max(zone.boost, self._most_boost(place))

    def give(self, block: Block) -> None:
        """Free a block of the burst."""
        self._taken[block.zone] -= 1 << block.order
        self.allocator.free(block)
        if block.order < self._state.pageblock_order and not self._limits.best:
            # Its pageblock's type may differ from the list it came from: a steal may follow.
            self.allocator.zones[block.zone].boost = self._highest_boost(block.zone)

    def areas(self) -> tuple[FreeArea, ...]:
        """Return what is free, zone by zone."""
        return tuple(
            FreeArea(
                node=state.node,
                zone=state.name,
                blocks=tuple(map(sum, zip(inert, zone.blocks(), strict=True))),
            )
            for state, zone, inert in zip(
                self._state.zones, self.allocator.zones, self._inert, strict=True
            )
        )

    def dead(self) -> tuple[bool, ...]:
        """By zone: no block of the order can come from it, whatever is cleared or drained.

        Either no range could be made free beyond those that were free and are taken, or the
        zone would miss the min watermark even if all but the burst's blocks were free.
        """
        return tuple(self._exhausted(place) or short for place, short in enumerate(self.short()))

    def short(self) -> tuple[bool, ...]:
        """By zone: it would miss the min watermark even if all but the burst's were free."""
        return tuple(self._below_watermark(place) for place in range(len(self.allocator.zones)))

    def _exhausted(self, place: int) -> bool:
        order = self._request.order
        ranges = self._state.zones[place].range_of(order)
        pcp = self.allocator.pcp(place)
        return (
            ranges is not None
            and ranges.clearable <= self._made_of[place]
            and not self._limits.noise
            and not self.areas()[place].available(order)
            and (pcp is None or not pcp.count)
        )

    def _below_watermark(self, place: int) -> bool:
        zone = self.allocator.zones[place]
        boost, zone.boost = zone.boost, 0
        level = self._request.slow_flags.level(zone)
        zone.boost = boost
        most_free = zone.shape.managed - self._taken[place]
        order, index = self._request.order, self._request.highest_index
        return most_free - ((1 << order) - 1) <= level + zone.shape.marks.reserve[index]

    def _least_boost(self, place: int) -> int:
        """Return the boost if each steal had brought a whole pageblock."""
        initial = self._state.zones[place].boost
        if not self._state.exact_lists:
            return initial
        shift = self._state.pageblock_order
        blocks = 1 << (shift - self._request.order)
        steals = -(-self._since_steal[place] // blocks)
        return min(self._highest_boost(place), initial + (steals << shift))

    def _most_boost(self, place: int) -> int:
        """Return the boost if each fallback had tried to claim a block of every order in vain."""
        shift = self._state.pageblock_order
        tries = self._since_steal[place] * max(1, shift - self._request.order)
        initial = self._state.zones[place].boost
        return min(self._highest_boost(place), initial + (tries << shift))

    def _highest_boost(self, place: int) -> int:
        zone = self.allocator.zones[place]
        step = 1 << self._state.pageblock_order
        factor = self._state.watermark_boost_factor
        if not factor or 4 * step > zone.shape.managed:
            return self._state.zones[place].boost
        highest = mult_frac(zone.shape.marks.high, factor, 10000)
        return max(step, highest, self._state.zones[place].boost)

    def _build(self, state: ZoneState) -> Zone:
        order = self._request.order
        counts = [list(one.blocks) for one in state.lists]
        kinds = [_TYPE_NUMBERS[one.migratetype] for one in state.lists]
        pages = sum(count << size for row in counts for size, count in enumerate(row))
        delta = self._counter_delta(state, pages)
        if self._limits.best:
            counts[0][order] += min(self._limits.pages_freed, self._limits.most_blocks)
            pages += self._limits.pages_freed
        else:
            lost = self._limits.blocks_lost
            if self._limits.pages_taken:
                # Cut from a larger block by each type at least, if its small ones run out
                lost += (self._limits.pages_taken >> order) + MIGRATE_TYPES
            for row in counts:
                lost = _remove(row, order, lost)
            pages -= self._limits.pages_taken + (self._limits.blocks_lost << order)
        placed = [
            (size, kind, min(row[size], self._limits.most_blocks))
            for row, kind in zip(counts, kinds, strict=True)
            for size in ORDERS
            if size >= order and row[size]
        ]
        held = self._on_pcp(state)
        slots = sum(number for _size, _kind, number in placed)
        zone = Zone(self._shape(state, slots + held))
        self._held.append(range(slots << _SLOT, (slots + held) << _SLOT, 1 << _SLOT))
        for first in self._held[-1]:
            zone.set_pageblock_type(first, self._request.migratetype)
            zone.set_pageblock_type(first + (1 << _SLOT) - 1, self._request.migratetype)
        inert = [sum(row[size] for row in counts) for size in ORDERS]
        pfn = 0
        for size, kind, number in placed:
            inert[size] -= number
            for _ in range(number):
                zone.set_pageblock_type(pfn, kind)
                zone.set_pageblock_type(pfn + (1 << _SLOT) - 1, kind)
                zone.add_free(pfn, size, kind)
                pfn += 1 << _SLOT
        zone.free_pages = pages + delta
        zone.highatomic = state.highatomic
        zone.boost = state.boost
        self._inert.append(inert)
        return zone

    def _counter_delta(self, state: ZoneState, pages: int) -> int:
        """How far NR_FREE_PAGES is from the lists; folded by the first change on one CPU."""
        folds = self._state.cpus == 1 and state.drift < 1 << self._request.order
        sign = 1 if self._limits.best else -1
        if not folds:
            self._first_delta.append(0)
            return sign * state.drift
        delta = sign * state.drift if state.nr_free is None else state.nr_free - pages
        self._first_delta.append(delta)
        return delta

    def _shape(self, state: ZoneState, slots: int) -> ZoneShape:
        return ZoneShape(
            name=state.name,
            index=state.index,
            start_pfn=0,
            end_pfn=max(1, slots) << _SLOT,
            pageblock_order=self._state.pageblock_order,
            managed=state.managed,
            marks=Watermarks(min=state.min, low=state.low, high=state.high, reserve=state.reserve),
            boost_factor=self._state.watermark_boost_factor,
            claims=Rule.FALLBACK_CLAIMS in self._state.rules,
        )

    def _on_pcp(self, state: ZoneState) -> int:
        """Blocks of the burst's order that are on per-CPU lists already."""
        order = self._request.order
        if order != self._state.pcp_order or not self._limits.best:
            return 0
        return min(state.pcp >> order, self._limits.most_blocks)

    def _pcps(self, zones: list[Zone]) -> list[PerCpuLists]:
        """Per-CPU lists with blocks of the burst's order alone, if it has any.

        The best world has as many there as pages can be, and gives a freed block straight back
        to the zone; in the worst none is there, and freed ones stay.
        """
        order = self._request.order
        if order != self._state.pcp_order:
            return []
        lists = []
        for state, zone, held in zip(self._state.zones, zones, self._held, strict=True):
            pcp = PerCpuLists(
                zone,
                batch=max(1, state.pcp_batch),
                high=1 if self._limits.best else _UNLIMITED,
                huge_order=order,
            )
            for pfn in held:
                pcp.put(pfn, order, self._request.migratetype)
            lists.append(pcp)
        return lists


def _remove(row: list[int], order: Order, blocks: int) -> int:
    """Take `blocks` blocks of `order` out of a list, cutting larger ones; return the shortfall."""
    for size in range(order, MAX_ORDER):
        each = 1 << (size - order)
        whole = min(row[size], blocks // each)
        row[size] -= whole
        blocks -= whole * each
        if blocks and row[size]:
            row[size] -= 1
            row[order] += each - blocks
            return 0
    return blocks

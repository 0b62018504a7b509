# SPDX-License-Identifier: GPL-2.0-only
"""A buddy zone: its free lists, and what it takes from other types if those of one are empty.

The rules are those of mm/page_alloc.c of 5.15; `ZoneShape.claims` chooses those of 6.12 and later.
"""

from harness.model.free_lists import LARGEST, FreeLists
from harness.model.shape import (
    FALLBACKS,
    HIGHATOMIC,
    MIGRATE_TYPES,
    MOVABLE,
    RECLAIMABLE,
    UNMOVABLE,
    mult_frac,
)
from harness.texts.pages import MAX_ORDER

_ONES = tuple(b"\x01" * (1 << order) for order in range(MAX_ORDER))


class Zone(FreeLists):
    """One zone; every block belongs to its free lists or to a caller."""

    __slots__ = ()

    def rmqueue(
        self, order: int, migratetype: int, *, nofragment: bool = False, movable: bool = False
    ) -> int:
        """Take a block of `order`, from other types if need be; -1 if none (__rmqueue).

        `movable` says that compaction could move it: steal_suitable_fallback counts such pages.
        """
        pfn = self.rmqueue_smallest(order, migratetype)
        if pfn < 0 and self.shape.claims:
            pfn = self._claim(order, migratetype, nofragment=nofragment)
            if pfn < 0 and not nofragment:
                pfn = self._take_other(order, migratetype)
            if pfn < 0:
                return -1
        while pfn < 0:
            if not self._fallback(order, migratetype, nofragment=nofragment):
                return -1
            pfn = self.rmqueue_smallest(order, migratetype)
        if movable:
            self._movable[pfn : pfn + (1 << order)] = _ONES[order]
        return pfn

    # Fallback

    def _fallback(self, order: int, wanted: int, *, nofragment: bool) -> bool:
        """Move free memory of another type to the wanted one (__rmqueue_fallback)."""
        lowest = self._block_shift if nofragment else order
        for current in range(LARGEST, lowest - 1, -1):
            other = self._suitable_fallback(current, wanted)
            if other < 0:
                continue
            whole = self.can_steal(current, wanted)
            if not whole and wanted == MOVABLE and current > order:
                current, other = self._smallest_fallback(order, wanted)  # noqa: PLW2901
                whole = self.can_steal(current, wanted)
            self._steal(current, other, wanted, whole=whole)
            return True
        return False

    def _claim(self, order: int, wanted: int, *, nofragment: bool) -> int:
        """Make a pageblock one of the wanted type, if most of it suits, and take from it; else -1.

        mm/page_alloc.c __rmqueue_claim and try_to_claim_block (6.12: try_to_steal_block).
        """
        shift = self._block_shift
        lowest = max(order, shift) if nofragment else order
        for current in range(LARGEST, lowest - 1, -1):
            other = self._suitable_fallback(current, wanted)
            if other < 0:
                continue
            if not self.can_steal(current, wanted):
                break
            code = 1 + MIGRATE_TYPES * current + other
            first = next(reversed(self._lists[code]))
            old_type = self.pageblock_type(first)
            if old_type == HIGHATOMIC:
                continue
            if current >= shift:
                for block in range(1 << (current - shift)):
                    self._types[(first >> shift) + block] = wanted
                # The wanted type has no other block of the order, or it would have been taken.
                self._move(first, current, wanted)
                return self.rmqueue_smallest(order, wanted)
            self.steals += 1
            self._boost()
            if self._claims(first, old_type, wanted):
                return self.rmqueue_smallest(order, wanted)
        return -1

    def _claims(self, pfn: int, old_type: int, wanted: int) -> bool:
        """Whether enough of a pageblock is free or alike; then it is of the wanted type."""
        shift = self._block_shift
        first = pfn & -(1 << shift)
        if first < self.shape.start_pfn or first + (1 << shift) > self.shape.end_pfn:
            return False
        free = sum(1 << order for _, order in self._free_within(first))
        movable = self._movable.count(1, first, first + (1 << shift))
        if wanted == MOVABLE:
            alike = movable
        elif old_type == MOVABLE:
            alike = (1 << shift) - (free + movable)
        else:
            alike = 0
        if free + alike < 1 << (shift - 1):
            return False
        self._move_pageblock(pfn, wanted)
        self.set_pageblock_type(pfn, wanted)
        return True

    def _take_other(self, order: int, wanted: int) -> int:
        """Take the smallest block of another type; its rest stays on its list (__rmqueue_steal)."""
        for current in range(order, MAX_ORDER):
            other = self._suitable_fallback(current, wanted)
            if other >= 0:
                self.steals += 1
                return self._cut(1 + MIGRATE_TYPES * current + other, order)
        return -1

    def can_steal(self, order: int, wanted: int) -> bool:
        """Whether all that is free in the pageblock may be taken (can_steal_fallback)."""
        return order >= self._block_shift // 2 or wanted in (RECLAIMABLE, UNMOVABLE)

    def _suitable_fallback(self, order: int, wanted: int) -> int:
        """mm/page_alloc.c find_suitable_fallback: the type to take from, -1 if none has any."""
        for other in FALLBACKS[wanted]:
            if self._lists[1 + MIGRATE_TYPES * order + other]:
                return other
        return -1

    def _smallest_fallback(self, order: int, wanted: int) -> tuple[int, int]:
        for current in range(order, MAX_ORDER):
            other = self._suitable_fallback(current, wanted)
            if other >= 0:
                return current, other
        raise AssertionError("a larger block was there a moment ago")

    def _steal(self, order: int, other: int, wanted: int, *, whole: bool) -> None:
        """mm/page_alloc.c steal_suitable_fallback."""
        pfn = next(reversed(self._lists[1 + MIGRATE_TYPES * order + other]))
        old_type = self.pageblock_type(pfn)
        if old_type == HIGHATOMIC:
            self._move(pfn, order, wanted)
            return
        shift = self._block_shift
        if order >= shift:
            for block in range(1 << (order - shift)):
                self._types[(pfn >> shift) + block] = wanted
            self._move(pfn, order, wanted)
            return
        self.steals += 1
        self._boost()
        free, movable = self._move_pageblock(pfn, wanted) if whole else (0, 0)
        if not free:
            self._move(pfn, order, wanted)
            return
        if wanted == MOVABLE:
            alike = movable
        elif old_type == MOVABLE:
            alike = (1 << shift) - (free + movable)
        else:
            alike = 0
        if free + alike >= 1 << (shift - 1):
            self.set_pageblock_type(pfn, wanted)

    def _boost(self) -> None:
        """Raise the watermarks after a fallback (boost_watermark)."""
        shape = self.shape
        if not shape.boost_factor or 4 << self._block_shift > shape.managed:
            return
        highest = mult_frac(shape.marks.high, shape.boost_factor, 10000)
        if highest:
            highest = max(1 << self._block_shift, highest)
            self.boost = min(self.boost + (1 << self._block_shift), highest)

    # The reserve for high-order atomic requests

    def reserve_highatomic(self, pfn: int) -> None:
        """Keep the pageblock just served from for such requests (reserve_highatomic_pageblock)."""
        size = 1 << self._block_shift
        if self.highatomic >= self.shape.managed // 100 + size:
            return
        if self.pageblock_type(pfn) == HIGHATOMIC:
            return
        self.highatomic += size
        self.set_pageblock_type(pfn, HIGHATOMIC)
        self._move_pageblock(pfn, HIGHATOMIC)

    def unreserve_highatomic(self, wanted: int, *, force: bool) -> bool:
        """Give one reserved pageblock up; whether free pages moved (unreserve_highatomic_...)."""
        size = 1 << self._block_shift
        if not force and self.highatomic <= size:
            return False
        for order in range(MAX_ORDER):
            members = self._lists[1 + MIGRATE_TYPES * order + HIGHATOMIC]
            if not members:
                continue
            pfn = next(reversed(members))
            if self.pageblock_type(pfn) == HIGHATOMIC:
                self.highatomic -= min(size, self.highatomic)
            self.set_pageblock_type(pfn, wanted)
            if self._move_pageblock(pfn, wanted)[0]:
                return True
        return False

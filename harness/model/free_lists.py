# SPDX-License-Identifier: GPL-2.0-only
"""The free lists of a zone, with real page frame numbers, as mm/page_alloc.c keeps them.

A free block is one number in `_code_at` at its first page: 1 + 4 * order + migratetype, and
one entry of the list with that number; 0 means "no free block begins here". Lists keep the
kernel's order: their last entry is the list's head, the next to be handed out. All amounts
are pages. Nothing here allocates an object per page.
"""

from collections import OrderedDict
from collections.abc import Iterator

from harness.errors import RecordError
from harness.model.shape import MIGRATE_TYPES, MOVABLE, PCP_TYPES, ZoneShape
from harness.texts.pages import MAX_ORDER

LARGEST = MAX_ORDER - 1
_ZEROES = tuple(bytes(1 << order) for order in range(MAX_ORDER))


class FreeLists:
    """What is free in one zone, and of which type its pageblocks are."""

    __slots__ = (
        "_block_shift",
        "_code_at",
        "_lists",
        "_movable",
        "_types",
        "boost",
        "free_pages",
        "highatomic",
        "shape",
        "steals",
    )

    def __init__(self, shape: ZoneShape) -> None:
        """Make a zone of which no page is free; its pageblocks are movable, as at boot."""
        if not 0 <= shape.start_pfn < shape.end_pfn:
            raise RecordError(
                f"zone {shape.name}: pages {shape.start_pfn} to {shape.end_pfn} are none; "
                "give a first page below the end"
            )
        self.shape = shape
        self.free_pages = 0
        self.highatomic = 0  # nr_reserved_highatomic
        self.boost = 0  # watermark_boost
        self.steals = 0  # fallbacks that did not take whole pageblocks
        self._block_shift = shape.pageblock_order
        span = -(-shape.end_pfn >> LARGEST) << LARGEST
        self._code_at = bytearray(span)
        self._movable = bytearray(span)
        self._types = bytearray([MOVABLE]) * ((span >> self._block_shift) + 1)
        self._lists: tuple[OrderedDict[int, None], ...] = tuple(
            OrderedDict() for _ in range(1 + MIGRATE_TYPES * MAX_ORDER)
        )

    # What is free

    def count(self, order: int, migratetype: int) -> int:
        """Return the free blocks of one list."""
        return len(self._lists[1 + MIGRATE_TYPES * order + migratetype])

    def blocks(self) -> tuple[int, ...]:
        """Return free blocks by order: /proc/buddyinfo's line."""
        lists = self._lists
        return tuple(
            sum(len(lists[1 + MIGRATE_TYPES * order + kind]) for kind in range(MIGRATE_TYPES))
            for order in range(MAX_ORDER)
        )

    def free_blocks(self) -> Iterator[tuple[int, int, int]]:
        """Yield (first page, order, migratetype) of every free block, in no useful order."""
        for code, members in enumerate(self._lists):
            for pfn in members:
                yield pfn, (code - 1) // MIGRATE_TYPES, (code - 1) % MIGRATE_TYPES

    def pageblock_type(self, pfn: int) -> int:
        """mm/page_alloc.c get_pfnblock_migratetype."""
        return self._types[pfn >> self._block_shift]

    def set_pageblock_type(self, pfn: int, migratetype: int) -> None:
        """mm/page_alloc.c set_pageblock_migratetype: what is free in it stays on its list."""
        self._types[pfn >> self._block_shift] = migratetype

    def add_free(self, pfn: int, order: int, migratetype: int) -> None:
        """Put a block on a list as it is, without merging: to set up a zone."""
        self._add(pfn, order, migratetype)
        self.free_pages += 1 << order

    # Taking

    def rmqueue_smallest(self, order: int, migratetype: int) -> int:
        """Take from the smallest sufficient list of a type; -1 if none (__rmqueue_smallest)."""
        lists = self._lists
        for code in range(1 + MIGRATE_TYPES * order + migratetype, len(lists), MIGRATE_TYPES):
            if lists[code]:
                return self._cut(code, order)
        return -1

    def _cut(self, code: int, order: int) -> int:
        """Take the head of a list, of which the upper halves go back, largest first (expand)."""
        lists, code_at = self._lists, self._code_at
        pfn, _ = lists[code].popitem()
        code_at[pfn] = 0
        size = 1 << ((code - 1) >> 2)
        lowest = 1 << order
        while size > lowest:
            size >>= 1
            code -= MIGRATE_TYPES
            lists[code][pfn + size] = None
            code_at[pfn + size] = code
        self.free_pages -= lowest
        return pfn

    # Giving back

    def free(self, pfn: int, order: int) -> None:
        """Give a block back to the list of its pageblock's type (__free_pages_ok)."""
        self.free_to(pfn, order, self._types[pfn >> self._block_shift])

    def free_to(self, pfn: int, order: int, migratetype: int) -> None:
        """Give a block back to a type's list, merged as far as it goes (__free_one_page).

        RecordError if it lies outside the zone or begins a free block: the caller lost count.
        """
        code_at = self._code_at
        if not self.shape.start_pfn <= pfn <= self.shape.end_pfn - (1 << order) or code_at[pfn]:
            raise RecordError(
                f"zone {self.shape.name}: block {pfn} of order {order} is free already or not of "
                "the zone; free only what was handed out"
            )
        lists = self._lists
        self.free_pages += 1 << order
        self._movable[pfn : pfn + (1 << order)] = _ZEROES[order]
        while order < LARGEST:
            buddy = pfn ^ (1 << order)
            code = code_at[buddy]
            if not code or (code - 1) >> 2 != order:
                break
            del lists[code][buddy]
            code_at[buddy] = 0
            pfn &= buddy
            order += 1
        code = 1 + MIGRATE_TYPES * order + migratetype
        code_at[pfn] = code
        members = lists[code]
        members[pfn] = None
        if order < LARGEST - 1:
            # mm/page_alloc.c buddy_merge_likely: what may soon merge is handed out last
            higher = code_at[(pfn & ~(1 << order)) ^ (2 << order)]
            if higher and (higher - 1) >> 2 == order + 1:
                members.move_to_end(pfn, last=False)

    # Watermarks

    def watermark_ok(
        self,
        order: int,
        mark: int,
        highest_index: int,
        *,
        unusable: int,
        highatomic: bool = False,
    ) -> bool:
        """mm/page_alloc.c __zone_watermark_ok, without ALLOC_CMA.

        `mark` is what the flags have made of it; `unusable` is __zone_watermark_unusable_free
        for them: 2^order - 1, and the reserve for those who have no right to it.
        """
        if self.free_pages - unusable <= mark + self.shape.marks.reserve[highest_index]:
            return False
        if not order:
            return True
        lists = self._lists
        kinds = MIGRATE_TYPES if highatomic else PCP_TYPES
        for larger in range(order, MAX_ORDER):
            first = 1 + MIGRATE_TYPES * larger
            for code in range(first, first + kinds):
                if lists[code]:
                    return True
        return False

    def _move_pageblock(self, pfn: int, wanted: int) -> tuple[int, int]:
        """Move all that is free around `pfn` (move_freepages_block): pages free, pages movable."""
        size = 1 << self._block_shift
        first = pfn & -size
        end = first + size
        first = first if first >= self.shape.start_pfn else pfn
        if end > self.shape.end_pfn:
            return 0, 0
        moved = 0
        for at, order in self._free_within(first):
            self._move(at, order, wanted)
            moved += 1 << order
        return moved, self._movable.count(1, first, end)

    def _free_within(self, first: int) -> Iterator[tuple[int, int]]:
        """Yield the free blocks that begin in a pageblock, from `first` on: page, order."""
        code_at = self._code_at
        at, end = first, (first | ((1 << self._block_shift) - 1)) + 1
        while at < end:
            code = code_at[at]
            order = (code - 1) >> 2 if code else 0
            if code:
                yield at, order
            at += 1 << order

    def _move(self, pfn: int, order: int, wanted: int) -> None:
        """mm/page_alloc.c move_to_free_list: to the tail."""
        del self._lists[self._code_at[pfn]][pfn]
        self._add(pfn, order, wanted)
        self._lists[self._code_at[pfn]].move_to_end(pfn, last=False)

    def _add(self, pfn: int, order: int, migratetype: int) -> None:
        code = 1 + MIGRATE_TYPES * order + migratetype
        self._lists[code][pfn] = None
        self._code_at[pfn] = code

# SPDX-License-Identifier: GPL-2.0-only
"""A request as the allocator sees it, and the flags of one look through the free lists.

Classes by the names of kmod/high_order_test.c; include/linux/gfp.h, mm/internal.h of 5.15.180.
"""

from dataclasses import dataclass
from enum import IntEnum

from harness.model.shape import MOVABLE, UNMOVABLE
from harness.model.state import GfpClass
from harness.model.zone import Zone
from harness.texts.pages import COSTLY_ORDER, Order


class Mark(IntEnum):
    """Which watermark a look must leave untouched."""

    MIN = 0
    LOW = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocFlags:
    """ALLOC_* of mm/internal.h, as far as these requests can have them."""

    mark: Mark
    nofragment: bool = False
    min_reserve: bool = False  # __GFP_HIGH
    non_block: bool = False
    highatomic: bool = False

    @property
    def reserves(self) -> bool:
        """ALLOC_RESERVES: the high-atomic reserve is not subtracted."""
        return self.min_reserve or self.non_block or self.highatomic

    def level(self, zone: Zone) -> int:
        """Return the zone's watermark, boosted, as far as these flags must respect it."""
        marks = zone.shape.marks
        level = (marks.low if self.mark is Mark.LOW else marks.min) + zone.boost
        if self.min_reserve:
            level -= level // 2
            if self.non_block:
                level -= level // 4
        return level


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of alloc_pages()."""

    order: Order
    migratetype: int
    highest_index: int  # gfp_zone()
    direct_reclaim: bool
    kswapd: bool
    compacts: bool  # gfp_compaction_allowed: __GFP_IO
    noretry: bool
    retry_mayfail: bool
    high: bool  # __GFP_HIGH
    movable: bool = False  # whether compaction could move what it gets

    @property
    def costly(self) -> bool:
        """Whether the order is above PAGE_ALLOC_COSTLY_ORDER."""
        return self.order > COSTLY_ORDER

    @property
    def slow_flags(self) -> AllocFlags:
        """mm/page_alloc.c gfp_to_alloc_flags."""
        return AllocFlags(
            mark=Mark.MIN,
            min_reserve=self.high,
            non_block=not self.direct_reclaim,
            highatomic=not self.direct_reclaim and self.order > 0,
        )

    @property
    def compacts_first(self) -> bool:
        """Whether the slowpath compacts before it reclaims."""
        helped = self.costly or (self.order > 0 and self.migratetype != MOVABLE)
        return self.direct_reclaim and self.compacts and helped


def request_of(gfp: GfpClass, order: Order, normal_index: int) -> Request:
    """Return a request of a class; its blocks belong to a module, so they never move."""
    movable = gfp is GfpClass.MOVABLE
    waits = gfp not in {GfpClass.NOWAIT, GfpClass.ATOMIC}
    return Request(
        order=order,
        migratetype=MOVABLE if movable else UNMOVABLE,
        highest_index=normal_index + 1 if movable else normal_index,
        direct_reclaim=waits,
        kswapd=gfp is not GfpClass.KERNEL_NOKSWAPD,
        compacts=waits and gfp is not GfpClass.NOIO,
        noretry=gfp is GfpClass.NORETRY,
        retry_mayfail=gfp is GfpClass.RETRY_MAYFAIL,
        high=gfp is GfpClass.ATOMIC,
    )

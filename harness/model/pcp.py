# SPDX-License-Identifier: GPL-2.0-only
"""Per-CPU lists of a zone (5.15: struct per_cpu_pages with lists for orders 0 to 3 and one more).

The one more is pageblock_order where huge pages are built in (pcp_allowed_order).
"""

from collections import deque

from harness.model.shape import HIGHATOMIC, MOVABLE, PCP_TYPES
from harness.model.zone import Zone
from harness.texts.pages import COSTLY_ORDER


class PerCpuLists:
    """One CPU's lists of one zone; `count` is in pages."""

    __slots__ = ("_lists", "_orders", "batch", "count", "free_factor", "high", "zone")

    def __init__(self, zone: Zone, *, batch: int, high: int, huge_order: int | None) -> None:
        """`huge_order` is the order above 3 that has a list too; None: there is none."""
        self.zone = zone
        self.batch = batch
        self.high = high
        self.count = 0
        self.free_factor = 0
        orders = (*range(COSTLY_ORDER + 1), *(() if huge_order is None else (huge_order,)))
        self._orders = orders
        self._lists: tuple[deque[tuple[int, int]], ...] = tuple(
            deque() for _ in range(PCP_TYPES * len(orders))
        )

    def allows(self, order: int) -> bool:
        """mm/page_alloc.c pcp_allowed_order."""
        return order in self._orders

    def blocks(self, order: int, migratetype: int) -> int:
        """Return the blocks on one list."""
        return len(self._list(order, migratetype))

    def put(self, pfn: int, order: int, migratetype: int) -> None:
        """Add a block to a list, to set up a state."""
        self._list(order, migratetype).appendleft((pfn, migratetype))
        self.count += 1 << order

    def take(self, order: int, migratetype: int, *, nofragment: bool = False) -> int:
        """Take a block, after a refill if the list is empty; -1 if none (__rmqueue_pcplist)."""
        self.free_factor >>= 1
        members = self._list(order, migratetype)
        if not members:
            batch = max(self.batch >> order, 2) if self.batch > 1 else self.batch
            self._refill(members, order, migratetype, batch, nofragment=nofragment)
            if not members:
                return -1
        pfn, _kind = members.popleft()
        self.count -= 1 << order
        return pfn

    def free(self, pfn: int, order: int) -> None:
        """Give a block back; a full list is thinned out (free_unref_page_commit)."""
        kind = self.zone.pageblock_type(pfn)
        listed = MOVABLE if kind == HIGHATOMIC else kind
        self._list(order, listed).appendleft((pfn, kind))
        self.count += 1 << order
        if self.count >= self.high:
            self._free_bulk(self._pages_to_free())

    def drain(self) -> None:
        """Give everything back to the zone (drain_pages_zone)."""
        self._free_bulk(self.count)

    def _list(self, order: int, migratetype: int) -> deque[tuple[int, int]]:
        return self._lists[PCP_TYPES * self._orders.index(order) + migratetype]

    def _refill(
        self,
        members: deque[tuple[int, int]],
        order: int,
        migratetype: int,
        batch: int,
        *,
        nofragment: bool,
    ) -> None:
        """mm/page_alloc.c rmqueue_bulk."""
        for _ in range(batch):
            pfn = self.zone.rmqueue(order, migratetype, nofragment=nofragment)
            if pfn < 0:
                return
            members.append((pfn, migratetype))
            self.count += 1 << order

    def _pages_to_free(self) -> int:
        """mm/page_alloc.c nr_pcp_free."""
        if self.high < self.batch:
            return 1
        most = self.high - self.batch
        batch = self.batch << self.free_factor
        if batch < most:
            self.free_factor += 1
        # include/linux/minmax.h clamp: the upper limit first
        return max(self.batch, min(batch, most))

    def _free_bulk(self, pages: int) -> None:
        """Free about `pages` pages, lists in turn, the fuller ones more (free_pcppages_bulk)."""
        left = min(self.count, pages)
        index = 0
        batch_free = 0
        gone: list[tuple[int, int, int]] = []
        while left > 0:
            while True:
                batch_free += 1
                index = (index + 1) % len(self._lists)
                members = self._lists[index]
                if members:
                    break
            if batch_free == len(self._lists):
                batch_free = left
            order = self._orders[index // PCP_TYPES]
            while True:
                pfn, kind = members.pop()
                gone.append((pfn, order, kind))
                self.count -= 1 << order
                left -= 1 << order
                batch_free -= 1
                if left <= 0 or not batch_free or not members:
                    break
        for pfn, order, kind in gone:
            self.zone.free_to(pfn, order, kind)

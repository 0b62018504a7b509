# SPDX-License-Identifier: GPL-2.0-only
"""Orders, blocks, pages and bytes: the types and the only conversions between them.

A block of order k is 2^k pages; a page is 4096 bytes (x86-64, PAGE_SHIFT 12 in
arch/x86/include/asm/page_types.h). Block counts stay plain ints beside their order.
"""

from typing import NewType

from harness.errors import RecordError

Order = NewType("Order", int)
PageCount = NewType("PageCount", int)

# MAX_ORDER of include/linux/mmzone.h counts the orders themselves in 5.15 and 6.1.
MAX_ORDER = 11
ORDERS: tuple[Order, ...] = tuple(Order(order) for order in range(MAX_ORDER))
# PAGE_ALLOC_COSTLY_ORDER of include/linux/mmzone.h: costly are the orders above it.
COSTLY_ORDER = Order(3)
NOT_COSTLY = ORDERS[: COSTLY_ORDER + 1]
PAGE_BYTES = 4096
PAGES_PER_MIB = 256
_PAGE_KIB = 4


def order_of(value: int, what: str) -> Order:
    """Return `value` as an order; RecordError unless it is 0 to 10."""
    if not 0 <= value < MAX_ORDER:
        raise RecordError(f"{what}: order {value} is outside 0..{MAX_ORDER - 1}; repeat the run")
    return Order(value)


def block_pages(order: Order, blocks: int) -> PageCount:
    """Return the pages in `blocks` blocks of `order`."""
    return PageCount(blocks << order)


def blocks_within(blocks: int, block_order: Order, order: Order) -> int:
    """Return how many whole blocks of `order` can be cut from `blocks` of `block_order`."""
    if block_order < order:
        return 0
    return blocks << (block_order - order)


def pages_to_mib(pages: PageCount) -> int:
    """Return whole MiB in `pages`."""
    return pages // PAGES_PER_MIB


def pages_to_kib(pages: PageCount) -> int:
    """Return KiB in `pages`."""
    return pages * _PAGE_KIB

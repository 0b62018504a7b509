# SPDX-License-Identifier: GPL-2.0-only
"""How fragmented free memory is, in the kernel's integer arithmetic.

The first two say how large a share of the free pages is of no use to a request of some order;
floor(unusable_index(order) / 10) equals frag_pct with that order as cutoff, except
where nothing is free: 1000 there, 0 by frag_pct's rule. The third says whether a request
would fail for want of memory or for want of contiguity.
"""

from collections.abc import Sequence

from harness.texts.pages import ORDERS, Order, block_pages
from harness.texts.proc.buddyinfo import FreeArea


def frag_pct(zones: Sequence[FreeArea], cutoff: Order) -> int:
    """Per cent of free pages in orders below `cutoff`, rounded down; 0 where nothing is free.

    The policy's metric, over the zones of an allocation context taken together.
    """
    free = sum(area.free_pages for area in zones)
    if free == 0:
        return 0
    small = sum(
        block_pages(order, area.blocks[order])
        for area in zones
        for order in ORDERS
        if order < cutoff
    )
    return small * 100 // free


def unusable_index(area: FreeArea, order: Order) -> int:
    """Per mille of a zone's free pages in blocks too small for `order`; 1000 where nothing is free.

    mm/vmstat.c unusable_free_index, as in debugfs extfrag/unusable_index.
    """
    free = area.free_pages
    if free == 0:
        return 1000
    usable = block_pages(order, area.available(order))
    return (free - usable) * 1000 // free


def fragmentation_index(area: FreeArea, order: Order) -> int:
    """Per mille: towards 0 a zone lacks memory for `order`, towards 1000 contiguity.

    -1000 where a block is free, 0 where nothing is. mm/vmstat.c __fragmentation_index, with
    its two divisions rounded down one inside the other; debugfs extfrag/extfrag_index.
    """
    blocks = sum(area.blocks)
    if not blocks:
        return 0
    if area.available(order):
        return -1000
    return 1000 - (1000 + area.free_pages * 1000 // (1 << order)) // blocks

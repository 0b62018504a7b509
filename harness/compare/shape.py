# SPDX-License-Identifier: GPL-2.0-only
"""The shape of memory: what shares of it are free, in which blocks, in which pageblocks.

Shares, so that a machine of any size can be held against a guest. Places are no part of it:
no text of the kernel's tells which free blocks lie side by side, nor what lies between them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from harness.errors import RecordError
from harness.texts.pages import MAX_ORDER, ORDERS, PageCount
from harness.texts.proc.buddyinfo import BuddyInfo
from harness.texts.proc.pagetypeinfo import PageTypeInfo
from harness.texts.text import shown

# include/linux/mmzone.h enum migratetype, by the names of mm/page_alloc.c migratetype_names.
_MOVABLE = ("Movable", "CMA", "Isolate")
GUESTS_PAGEBLOCK_ORDER = 9  # x86-64 with huge pages of 2 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One node's memory, all zones together."""

    memory: PageCount  # of all pageblocks
    free: tuple[int, ...]  # blocks by order
    pageblocks: Mapping[str, int]  # by migratetype
    cache: PageCount | None  # pages of files; None: nobody told

    @property
    def free_pages(self) -> PageCount:
        """Pages in free blocks."""
        return PageCount(sum(self.free[order] << order for order in ORDERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far two shapes are apart, each part from 0 to 1."""

    free: float  # difference of the shares of memory that are free
    orders: float  # mean difference of the shares of free memory below order c, c from 1 to 10
    types: float  # difference of the shares of pageblocks that are not for movable memory
    cache: float | None  # difference of the shares that are page cache; None: one does not tell

    @property
    def total(self) -> float:
        """The mean of the parts that are known."""
        parts = [part for part in (self.free, self.orders, self.types, self.cache)
                 if part is not None]  # fmt: skip
        return sum(parts) / len(parts)


def shape_of(types: PageTypeInfo, free: BuddyInfo | None, cache: PageCount | None) -> Shape:
    """Make a shape of a machine's texts; RecordError says why that cannot be done.

    pagetypeinfo stops counting at 100,000 blocks of a list, buddyinfo does not.
    """
    _require_one_node(types)
    if types.pageblock_order != GUESTS_PAGEBLOCK_ORDER:
        raise RecordError(
            f"pagetypeinfo: pageblocks are of order {types.pageblock_order}, those of guests of "
            f"order {GUESTS_PAGEBLOCK_ORDER} (pages of 4 KiB, huge pages of 2 MiB); "
            "give the text of such a machine"
        )
    counts: dict[str, int] = {}
    for zone in types.pageblocks:
        for name, blocks in zone.counts:
            counts[name] = counts.get(name, 0) + blocks
    shape = Shape(
        memory=PageCount(sum(counts.values()) * types.pageblock_pages),
        free=_free_blocks(types, free),
        pageblocks=counts,
        cache=cache,
    )
    if not 0 < shape.free_pages <= shape.memory:
        raise RecordError(
            f"pagetypeinfo: {shape.free_pages} of {shape.memory} pages are free, which is no "
            "machine's memory; give the texts of one machine and one moment"
        )
    return shape


def distance(one: Shape, other: Shape) -> Distance:
    """Measure how far two shapes are apart."""
    return Distance(
        free=abs(_free_share(one) - _free_share(other)),
        orders=_mean(
            abs(mine - theirs)
            for mine, theirs in zip(below_cutoffs(one), below_cutoffs(other), strict=True)
        ),
        types=abs(unmovable_share(one) - unmovable_share(other)),
        cache=(
            None
            if one.cache is None or other.cache is None
            else abs(one.cache / one.memory - other.cache / other.memory)
        ),
    )


def below_cutoffs(shape: Shape) -> tuple[float, ...]:
    """Return the share of free memory below order c, for c from 1 to 10: frag_pct / 100."""
    pages = [shape.free[order] << order for order in ORDERS]
    return tuple(below / shape.free_pages for below in accumulate(pages[: MAX_ORDER - 1]))


def unmovable_share(shape: Shape) -> float:
    """Return the share of pageblocks of other migratetypes than those of movable memory."""
    others = sum(blocks for name, blocks in shape.pageblocks.items() if name not in _MOVABLE)
    return others / sum(shape.pageblocks.values())


def scaled(shape: Shape, memory: PageCount) -> tuple[int, ...]:
    """Return the free blocks that a memory of this shape and another size would have."""
    return tuple(round(blocks * memory / shape.memory) for blocks in shape.free)


def _free_blocks(types: PageTypeInfo, free: BuddyInfo | None) -> tuple[int, ...]:
    if free is not None:
        ours = {(zone.node, zone.zone) for zone in types.pageblocks}
        if {(area.node, area.zone) for area in free.zones} != ours:
            raise RecordError(
                "buddyinfo: its zones are not those of pagetypeinfo; give the texts of one machine"
            )
        return tuple(free.blocks(order) for order in ORDERS)
    for one in types.free:
        for order, count in enumerate(one.orders):
            if count.is_lower_bound:
                raise RecordError(
                    f"pagetypeinfo: zone {shown(one.zone)}, type {shown(one.migratetype)} has more "
                    f"than {count.blocks} blocks of order {order}, where the kernel stops to "
                    "count; give --buddyinfo too"
                )
    return tuple(sum(one.orders[order].blocks for one in types.free) for order in ORDERS)


def _require_one_node(types: PageTypeInfo) -> None:
    nodes = sorted({zone.node for zone in types.pageblocks})
    if len(nodes) != 1:
        raise RecordError(
            f"pagetypeinfo: it is of nodes {', '.join(map(str, nodes))}, a guest has one; "
            "give the lines of a single node"
        )


def _free_share(shape: Shape) -> float:
    return shape.free_pages / shape.memory


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)

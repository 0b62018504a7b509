# SPDX-License-Identifier: GPL-2.0-only
"""What a prediction starts from: frozen, typed, in pages and blocks, made by harness.model.load.

Zones stand in the order in which a request for ordinary kernel memory visits them
(Normal, DMA32, DMA: mm/page_alloc.c build_zonerefs_node). Watermarks are without boost.
"""

from dataclasses import dataclass
from enum import StrEnum

from harness.texts.build.rules import Rule
from harness.texts.pages import Order
from harness.texts.proc.sysctl import Policy


class Migratetype(StrEnum):
    """The lists a free block can be on (mm/page_alloc.c migratetype_names)."""

    UNMOVABLE = "Unmovable"
    MOVABLE = "Movable"
    RECLAIMABLE = "Reclaimable"
    HIGHATOMIC = "HighAtomic"


class GfpClass(StrEnum):
    """The request classes of kmod/high_order_test.c, by its names."""

    KERNEL = "kernel"
    KERNEL_NOKSWAPD = "kernel_nokswapd"
    NORETRY = "noretry"
    RETRY_MAYFAIL = "retry_mayfail"
    NOIO = "noio"
    NOWAIT = "nowait"
    ATOMIC = "atomic"
    MOVABLE = "movable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """Free blocks of one migratetype: `blocks[k]` of order k."""

    migratetype: Migratetype
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferState:
    """A zone's memory of failed compactions (struct zone compact_defer_shift, ...)."""

    shift: int
    considered: int
    order_failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeState:
    """Aligned ranges of 2^order pages wholly inside a zone, as the cross-check counts them."""

    order: Order
    total: int
    free: int
    # No page in it that can neither move nor be reclaimed: no more blocks than these can be made.
    clearable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneState:
    """One populated zone; all amounts in pages unless they say blocks."""

    node: int
    name: str
    index: int  # enum zone_type of this kernel: lowmem_reserve is indexed by the same
    managed: int
    min: int  # struct zone _watermark: without boost
    low: int
    high: int
    boost: int
    reserve: tuple[int, ...]  # lowmem_reserve by the highest zone index of the request
    # NR_FREE_PAGES at the instant of `lists`, as the watermark checks see it; None: unknown.
    nr_free: int | None
    drift: int  # most by which NR_FREE_PAGES may ever differ from the sum over the free lists
    highatomic: int  # nr_reserved_highatomic
    lists: tuple[ListState, ...]
    pcp: int  # pages on per-CPU lists, all CPUs together
    pcp_batch: int  # struct per_cpu_pages batch; 0: unknown
    pcp_high: int
    defer: DeferState | None  # None: unknown
    ranges: tuple[RangeState, ...]  # empty: unknown

    @property
    def blocks(self) -> tuple[int, ...]:
        """Free blocks by order, of all migratetypes."""
        return tuple(
            sum(counts) for counts in zip(*(one.blocks for one in self.lists), strict=True)
        )

    def available(self, order: Order) -> int:
        """Blocks of `order` that the free lists hold, larger ones cut up."""
        return sum(
            count << (larger - order) for larger, count in enumerate(self.blocks) if larger >= order
        )

    def range_of(self, order: Order) -> RangeState | None:
        """Return what the cross-check says about ranges of `order`; None: nothing."""
        return next((one for one in self.ranges if one.order == order), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorState:
    """All zones at one instant, and the knobs that steer the slowpath."""

    zones: tuple[ZoneState, ...]  # in zonelist order
    cpus: int
    pageblock_order: Order
    normal_index: int  # ZONE_NORMAL of this kernel: the highest zone of ordinary kernel requests
    thp: bool  # CONFIG_TRANSPARENT_HUGEPAGE: blocks of pageblock_order go through per-CPU lists
    policy: Policy | None  # None: the kernel has no policy
    extfrag_threshold: int
    watermark_boost_factor: int
    swap: bool  # recorded only: nothing that is exact depends on it
    exact_lists: bool  # False: some count per migratetype is only a lower bound
    rules: frozenset[Rule] = frozenset()  # where the kernel's allocator is not that of 5.15

    def available(self, order: Order) -> int:
        """Blocks of `order` that could be handed out at once if there were no watermarks."""
        return sum(zone.available(order) for zone in self.zones)

    @property
    def pcp_order(self) -> Order | None:
        """The one order above 3 that is served from per-CPU lists (pcp_allowed_order)."""
        return self.pageblock_order if self.thp else None

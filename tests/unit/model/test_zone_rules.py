# SPDX-License-Identifier: GPL-2.0-only
"""Single rules of the zone, each against a case worked out from mm/page_alloc.c."""

from dataclasses import replace

import pytest
from model_states import known

from harness.model.allocator import Allocator
from harness.model.boot import fill
from harness.model.pcp import PerCpuLists
from harness.model.request import request_of
from harness.model.shape import (
    HIGHATOMIC,
    MOVABLE,
    RECLAIMABLE,
    UNMOVABLE,
    Watermarks,
    ZoneShape,
    mult_frac,
)
from harness.model.state import GfpClass
from harness.model.zone import Zone
from harness.texts.pages import Order

SHAPE = ZoneShape(
    name="Normal",
    index=2,
    start_pfn=0,
    end_pfn=8 * 512,
    pageblock_order=9,
    managed=8 * 512,
    marks=Watermarks(min=60, low=80, high=1000, reserve=(0, 0, 0)),
    boost_factor=15000,
)


def empty(
    *,
    name: str = SHAPE.name,
    index: int = SHAPE.index,
    managed: int = SHAPE.managed,
    marks: Watermarks = SHAPE.marks,
) -> Zone:
    return Zone(replace(SHAPE, name=name, index=index, managed=managed, marks=marks))


def test_the_smallest_sufficient_block_is_cut_and_its_upper_halves_go_back() -> None:
    zone = empty()
    zone.add_free(1024, 10, MOVABLE)
    zone.add_free(512, 6, MOVABLE)
    assert zone.rmqueue_smallest(4, MOVABLE) == 512
    assert sorted(zone.free_blocks()) == [
        (512 + 16, 4, MOVABLE),
        (512 + 32, 5, MOVABLE),
        (1024, 10, MOVABLE),
    ]
    # The half that went back last is the first to be taken.
    assert zone.rmqueue_smallest(4, MOVABLE) == 528


def test_what_may_soon_merge_is_handed_out_last() -> None:
    zone = empty()
    zone.add_free(8, 2, MOVABLE)  # 8..11: once 12..15 is free too, it merges
    zone.free(40, 1)
    zone.free(12, 1)  # its higher buddy 8..11 is free: to the tail
    assert zone.rmqueue_smallest(1, MOVABLE) == 40
    zone.free(40, 1)
    zone.free(20, 1)
    assert zone.rmqueue_smallest(1, MOVABLE) == 20


def test_fallback_takes_the_largest_block_of_the_first_type_that_has_one() -> None:
    zone = empty()
    zone.add_free(0, 5, MOVABLE)
    zone.add_free(512, 5, RECLAIMABLE)
    zone.add_free(1024, 6, MOVABLE)
    assert zone.rmqueue(0, UNMOVABLE) == 1024
    zone = empty()
    zone.add_free(0, 5, MOVABLE)
    zone.add_free(512, 5, RECLAIMABLE)
    assert zone.rmqueue(0, UNMOVABLE) == 512


def test_movable_requests_take_the_smallest_if_they_cannot_take_the_whole_pageblock() -> None:
    zone = empty()
    zone.add_free(0, 3, UNMOVABLE)
    zone.add_free(512, 2, UNMOVABLE)
    # Orders below 9 / 2 = 4 do not carry the pageblock along for a movable request.
    assert zone.rmqueue(0, MOVABLE) == 512
    assert zone.pageblock_type(512) == MOVABLE  # as it was
    zone = empty()
    zone.add_free(0, 3, UNMOVABLE)
    zone.add_free(512, 4, UNMOVABLE)
    assert zone.rmqueue(0, MOVABLE) == 512


def test_stealing_moves_what_is_free_and_claims_a_pageblock_half_free_or_alike() -> None:
    zone = empty()
    zone.set_pageblock_type(512, RECLAIMABLE)
    zone.add_free(512, 8, RECLAIMABLE)
    zone.add_free(800, 3, RECLAIMABLE)
    zone.rmqueue(7, UNMOVABLE)
    # 256 + 8 of 512 pages are free: the block is claimed, all of it moved.
    assert zone.pageblock_type(600) == UNMOVABLE
    assert zone.count(3, UNMOVABLE) == 1
    zone = empty()
    zone.set_pageblock_type(512, RECLAIMABLE)
    zone.add_free(512, 7, RECLAIMABLE)
    zone.rmqueue(7, UNMOVABLE)
    assert zone.pageblock_type(600) == RECLAIMABLE
    zone = empty()
    zone.set_pageblock_type(512, RECLAIMABLE)
    zone.add_free(512, 8, RECLAIMABLE)
    zone.rmqueue(7, UNMOVABLE)
    assert zone.pageblock_type(600) == UNMOVABLE  # half of it exactly is enough
    # Of a movable pageblock, what is neither free nor movable counts as alike.
    zone = empty()
    zone.add_free(512, 7, MOVABLE)
    zone.rmqueue(7, UNMOVABLE)
    assert zone.pageblock_type(600) == UNMOVABLE
    zone = empty()
    for first, order in ((512, 8), (768, 6)):
        zone.add_free(first, order, MOVABLE)
        assert zone.rmqueue(order, MOVABLE, movable=True) == first
    zone.add_free(896, 7, MOVABLE)
    zone.rmqueue(7, UNMOVABLE)
    # 128 free, 320 movable, so 64 alike: too few.
    assert zone.pageblock_type(600) == MOVABLE


def claiming() -> Zone:
    """Return a zone of which no page is free, with the fallbacks of 6.12 and later."""
    return Zone(replace(SHAPE, claims=True))


def test_a_fallback_that_cannot_claim_takes_the_smallest_block_and_leaves_its_rest() -> None:
    """The pageblocks are reclaimable: what is used in them counts as nobody's.

    pageblock 1  |free 5|used ...          |
    pageblock 2  |free 6|used ...          |
    Expect order 4 from pageblock 1, its other half still reclaimable, a boost for each in vain.
    """
    zone = claiming()
    for first, order in ((512, 5), (1024, 6)):
        zone.set_pageblock_type(first, RECLAIMABLE)
        zone.add_free(first, order, RECLAIMABLE)
    assert zone.rmqueue(4, UNMOVABLE) == 512
    assert sorted(zone.free_blocks()) == [(528, 4, RECLAIMABLE), (1024, 6, RECLAIMABLE)]
    assert [zone.pageblock_type(pfn) for pfn in (512, 1024)] == [RECLAIMABLE] * 2
    assert zone.boost == 2 * 512


def test_a_fallback_claims_a_pageblock_of_which_half_is_free_or_alike() -> None:
    """The largest block first, whose pageblock then gives what is asked for, smallest first.

    pageblock 1  |free 8       |used ...|free 3|used ...|
    Expect the block of order 3, and all that is free in the pageblock to be unmovable.
    """
    zone = claiming()
    zone.set_pageblock_type(512, RECLAIMABLE)
    zone.add_free(512, 8, RECLAIMABLE)
    zone.add_free(800, 3, RECLAIMABLE)
    assert zone.rmqueue(3, UNMOVABLE) == 800
    assert zone.pageblock_type(600) == UNMOVABLE
    assert list(zone.free_blocks()) == [(512, 8, UNMOVABLE)]
    assert zone.boost == 512
    # Of a movable pageblock, what is neither free nor movable counts as alike.
    zone = claiming()
    zone.add_free(512, 7, MOVABLE)
    assert zone.rmqueue(7, UNMOVABLE) == 512
    assert zone.pageblock_type(600) == UNMOVABLE


def test_a_fallback_takes_a_whole_pageblock_without_a_boost_and_no_other_if_told() -> None:
    zone = claiming()
    zone.set_pageblock_type(512, RECLAIMABLE)
    zone.add_free(512, 8, RECLAIMABLE)
    assert zone.rmqueue(4, UNMOVABLE, nofragment=True) == -1
    zone.add_free(1024, 9, MOVABLE)
    assert zone.rmqueue(4, UNMOVABLE, nofragment=True) == 1024
    assert zone.pageblock_type(1024) == UNMOVABLE
    assert (zone.boost, zone.steals) == (0, 0)


def test_a_small_movable_request_claims_no_pageblock() -> None:
    zone = claiming()
    zone.set_pageblock_type(512, UNMOVABLE)
    zone.add_free(512, 3, UNMOVABLE)
    assert zone.rmqueue(0, MOVABLE) == 512
    assert zone.count(0, UNMOVABLE) == zone.count(1, UNMOVABLE) == zone.count(2, UNMOVABLE) == 1
    assert zone.boost == 0


def test_a_whole_pageblock_is_taken_without_a_boost() -> None:
    zone = empty()
    zone.add_free(0, 10, MOVABLE)
    zone.rmqueue(4, UNMOVABLE)
    assert [zone.pageblock_type(pfn) for pfn in (0, 512, 1024)] == [UNMOVABLE, UNMOVABLE, MOVABLE]
    assert (zone.boost, zone.steals) == (0, 0)


def test_a_steal_inside_a_pageblock_boosts_up_to_the_limit() -> None:
    zone = empty()
    for block in range(5):
        zone.add_free(block * 512, 4, MOVABLE)
    boosts = []
    for _ in range(5):
        zone.rmqueue(4, UNMOVABLE)
        boosts.append(zone.boost)
    # 1.5 times the high watermark of 1000
    assert boosts == [512, 1024, 1500, 1500, 1500]
    assert mult_frac(18027, 15000, 10000) == 27040
    small = empty(managed=2047)
    small.add_free(0, 4, MOVABLE)
    small.rmqueue(4, UNMOVABLE)
    assert small.boost == 0


def test_nofragment_leaves_parts_of_other_pageblocks_alone() -> None:
    zone = empty()
    zone.add_free(0, 8, MOVABLE)
    assert zone.rmqueue(4, UNMOVABLE, nofragment=True) == -1
    zone.add_free(512, 9, MOVABLE)
    assert zone.rmqueue(4, UNMOVABLE, nofragment=True) == 512


def test_normal_is_left_for_dma32_before_it_is_fragmented() -> None:
    normal = empty()
    normal.add_free(0, 8, MOVABLE)
    dma32 = empty(name="DMA32", index=1)
    dma32.add_free(0, 8, UNMOVABLE)
    request = request_of(GfpClass.KERNEL, Order(4), 2)
    allocator = Allocator([normal, dma32])
    assert [known(allocator.fast_path(request)).zone for _ in range(3)] == [1, 1, 1]
    # Without a zone Normal in front there is no such care.
    plain = empty(name="DMA32", index=1)
    plain.add_free(0, 8, MOVABLE)
    assert known(Allocator([plain, normal]).fast_path(request)).zone == 0
    # When all of its own kind is gone, Normal gives after all.
    dry = empty(name="DMA32", index=1)
    assert known(Allocator([normal, dry]).fast_path(request)).zone == 0


@pytest.mark.parametrize(
    ("free", "order", "served"),
    [(81, 0, True), (80, 0, False), (80 + 16, 4, True), (80 + 15, 4, False)],
)
def test_the_low_watermark_holds_back_all_but_one_page_more(
    *, free: int, order: int, served: bool
) -> None:
    zone = empty()
    zone.add_free(0, 10, UNMOVABLE)
    zone.free_pages = free
    block = Allocator([zone]).fast_path(request_of(GfpClass.KERNEL, Order(order), 2))
    assert (block is not None) == served


def test_reserves_let_requests_deeper_in() -> None:
    zone = empty()
    levels = {
        gfp: request_of(gfp, Order(1), 2).slow_flags.level(zone)
        for gfp in (GfpClass.KERNEL, GfpClass.NOWAIT, GfpClass.ATOMIC)
    }
    # __GFP_HIGH halves 60; that and no waiting takes another quarter of 30.
    assert levels == {GfpClass.KERNEL: 60, GfpClass.NOWAIT: 60, GfpClass.ATOMIC: 23}


def test_the_highatomic_reserve_is_kept_for_those_who_may_use_it() -> None:
    zone = empty(managed=100)
    zone.add_free(0, 9, UNMOVABLE)
    zone.free_pages += 5000
    atomic = request_of(GfpClass.ATOMIC, Order(3), 2)
    allocator = Allocator([zone])
    assert known(allocator.from_freelist(atomic, atomic.slow_flags)).pfn == 0
    assert (zone.highatomic, zone.pageblock_type(0)) == (512, HIGHATOMIC)
    assert zone.count(3, HIGHATOMIC) == 1
    assert allocator.fast_path(request_of(GfpClass.KERNEL, Order(3), 2)) is None
    assert allocator.from_freelist(atomic, atomic.slow_flags) is not None
    assert not zone.unreserve_highatomic(UNMOVABLE, force=False)
    assert zone.unreserve_highatomic(UNMOVABLE, force=True)
    assert zone.highatomic == 0
    assert allocator.fast_path(request_of(GfpClass.KERNEL, Order(3), 2)) is not None


def test_per_cpu_lists_refill_in_batches_and_thin_out_when_full() -> None:
    zone = empty()
    fill(zone)
    pcp = PerCpuLists(zone, batch=7, high=20, huge_order=9)
    assert [pcp.take(0, UNMOVABLE) for _ in range(3)] == [3072, 3073, 3074]
    assert (pcp.count, pcp.blocks(0, UNMOVABLE)) == (4, 4)
    assert pcp.take(2, UNMOVABLE) >= 0
    assert pcp.blocks(2, UNMOVABLE) == 1  # max(7 >> 2, 2) were taken
    pages = [pcp.take(0, UNMOVABLE) for _ in range(24)]
    for pfn in pages:
        pcp.free(pfn, 0)
    assert pcp.count < 20
    pcp.drain()
    assert pcp.count == 0
    held = 3 + 4
    assert zone.free_pages == 8 * 512 - held


def test_a_huge_block_stays_on_its_list_where_no_free_one_passes_the_check() -> None:
    zone = empty(name="DMA32", marks=Watermarks(min=0, low=0, high=0, reserve=(0, 0, 0)))
    for block in range(4):
        zone.add_free(block * 1024, 9, UNMOVABLE)
    pcp = PerCpuLists(zone, batch=63, high=9999, huge_order=9)
    allocator = Allocator([zone], [pcp])
    request = request_of(GfpClass.KERNEL, Order(9), 2)
    blocks = [allocator.fast_path(request) for _ in range(4)]
    assert [block is not None for block in blocks] == [True, True, True, False]
    assert pcp.blocks(9, UNMOVABLE) == 1
    allocator.drain()
    assert allocator.fast_path(request) is not None

# SPDX-License-Identifier: GPL-2.0-only
"""Deferral, suitability and the ladder's exits."""

from dataclasses import replace

import pytest
from model_states import policy

from harness.model.allocator import Allocator
from harness.model.compaction import Deferral, Suitable, compact_gap, suitable
from harness.model.request import request_of
from harness.model.shape import MOVABLE, UNMOVABLE, Watermarks, ZoneShape
from harness.model.slowpath import UNBOUNDED, End, Ladder
from harness.model.state import GfpClass
from harness.model.zone import Zone
from harness.texts.pages import MAX_ORDER, Order
from harness.texts.proc.buddyinfo import FreeArea
from harness.texts.proc.sysctl import PolicyMode

TEN = Order(10)


def zone(free: int, **lists: int) -> Zone:
    """A zone with `free` pages free, of which the given blocks are on the unmovable lists."""
    made = Zone(
        ZoneShape(
            name="DMA32",
            index=1,
            start_pfn=0,
            end_pfn=64 * 1024,
            pageblock_order=9,
            managed=64 * 1024,
            marks=Watermarks(min=1000, low=1250, high=1500, reserve=(0, 0, 0, 0)),
        )
    )
    at = 0
    for name, count in lists.items():
        for _ in range(count):
            made.add_free(at << 10, int(name[1:]), UNMOVABLE)
            at += 1
    made.free_pages = free
    return made


def area(made: Zone, small: int) -> FreeArea:
    blocks = list(made.blocks())
    blocks[0] += small
    return FreeArea(node=0, zone="DMA32", blocks=tuple(blocks))


def ladder(
    made: Zone,
    gfp: GfpClass,
    *,
    dead: bool,
    short: bool = False,
    order: Order = TEN,
    mode: PolicyMode = PolicyMode.EARLY,
    deferral: Deferral | None = None,
) -> Ladder:
    return Ladder(
        allocator=Allocator([made]),
        request=request_of(gfp, order, 2),
        policy=policy(mode),
        extfrag_threshold=500,
        areas=lambda: (area(made, 9000),),
        deferrals=(deferral or Deferral(),),
        dead=lambda: (dead,),
        short=lambda: (short,),
    )


def test_deferral_doubles_up_to_64_and_ends_with_a_success() -> None:
    state = Deferral()
    assert not state.deferred(TEN)
    left_out = []
    for _ in range(8):
        state.defer(TEN)
        left_out.append(0)
        while state.deferred(TEN):
            left_out[-1] += 1
    assert left_out == [1, 3, 7, 15, 31, 63, 63, 63]
    assert state.restarting(TEN)
    assert not state.deferred(Order(9))  # only orders that failed, and larger ones
    state.reset(TEN, served=False)
    assert (state.shift, state.order_failed) == (6, MAX_ORDER)
    state.reset(TEN, served=True)
    assert (state.shift, state.considered) == (0, 0)
    assert not state.restarting(TEN)


def test_a_smaller_order_that_fails_defers_larger_ones() -> None:
    state = Deferral()
    state.defer(TEN)
    state.defer(Order(6))
    assert state.order_failed == 6
    assert state.deferred(TEN)
    assert not state.deferred(Order(5))


@pytest.mark.parametrize(
    ("free", "small", "verdict"),
    [
        # low + 2 * 1024 = 3298 must stay free beside what is looked for
        (3298, 3298, Suitable.SKIPPED),
        (3299, 3299, Suitable.CONTINUE),
        # Not fragmented: 9000 pages in few blocks. 1000 - (1000 + 8789) // 10 < 500
        (9000, 10, Suitable.SKIPPED),
    ],
)
def test_compaction_is_skipped_for_want_of_pages_or_of_fragmentation(
    free: int, small: int, verdict: Suitable
) -> None:
    made = zone(free)
    request = request_of(GfpClass.KERNEL, TEN, 2)
    blocks = (small, *[0] * 10) if small > 10 else (0,) * 9 + (small, 0)
    one = FreeArea(node=0, zone="DMA32", blocks=blocks)
    assert suitable(made, one, request, request.slow_flags, 500) is verdict


def test_compaction_is_of_no_use_where_the_look_would_succeed() -> None:
    made = zone(9000, o10=2)
    request = request_of(GfpClass.KERNEL, TEN, 2)
    assert suitable(made, area(made, 0), request, request.slow_flags, 500) is Suitable.SUCCESS
    assert compact_gap(TEN) == 2048


def test_the_min_watermark_rescues_without_compaction() -> None:
    made = zone(1000 + 2047 + 1, o10=1)
    steps = ladder(made, GfpClass.KERNEL_NOKSWAPD, dead=False)
    assert steps.allocator.fast_path(steps.request) is not None
    made = zone(1000 + 1023 + 1, o10=1)
    steps = ladder(made, GfpClass.KERNEL_NOKSWAPD, dead=False)
    assert steps.allocator.fast_path(steps.request) is None
    passage = steps.climb(PolicyMode.EARLY)
    assert (passage.outcome, passage.compact, passage.adaptive) == (End.SERVED, (0, 0), (0, 0))


@pytest.mark.parametrize(
    ("gfp", "mode", "compact", "adaptive", "outcome"),
    [
        (GfpClass.KERNEL_NOKSWAPD, PolicyMode.EARLY, (1, 2), (1, 1), End.OPEN),
        (GfpClass.KERNEL_NOKSWAPD, PolicyMode.LATE, (1, 2), (0, 1), End.OPEN),
        (GfpClass.KERNEL_NOKSWAPD, PolicyMode.OFF, (1, 2), (0, 0), End.OPEN),
        (GfpClass.KERNEL_NOKSWAPD, PolicyMode.LIGHT, (1, 2), (1, 1), End.OPEN),
        (GfpClass.KERNEL_NOKSWAPD, PolicyMode.LAST, (1, 3), (0, 1), End.OPEN),
        (GfpClass.KERNEL_NOKSWAPD, PolicyMode.CLEAR, (1, 2), (0, 1), End.OPEN),
        (GfpClass.KERNEL, PolicyMode.EARLY, (0, 2), (0, 1), End.OPEN),
        (GfpClass.KERNEL, PolicyMode.LIGHT, (0, 2), (0, 1), End.OPEN),
        (GfpClass.KERNEL, PolicyMode.LAST, (0, 3), (0, 1), End.OPEN),
        (GfpClass.KERNEL, PolicyMode.CLEAR, (0, 2), (0, 1), End.OPEN),
        (GfpClass.NOIO, PolicyMode.OFF, (0, 1), (0, 0), End.OPEN),
        (GfpClass.NOWAIT, PolicyMode.OFF, (0, 0), (0, 0), End.OPEN),
        (GfpClass.RETRY_MAYFAIL, PolicyMode.OFF, (0, UNBOUNDED), (0, 0), End.OPEN),
    ],
)
def test_a_zone_that_may_yield_leaves_the_result_open(
    gfp: GfpClass,
    mode: PolicyMode,
    compact: tuple[int, int],
    adaptive: tuple[int, int],
    outcome: End,
) -> None:
    passage = ladder(zone(9000), gfp, dead=False, mode=mode).climb(mode)
    assert passage.outcome is outcome
    assert (passage.compact, passage.adaptive) == (compact, adaptive)
    assert passage.reason


@pytest.mark.parametrize(
    ("gfp", "mode", "short", "compact", "adaptive"),
    [
        (GfpClass.KERNEL, PolicyMode.LATE, False, (2, 2), (1, 1)),
        (GfpClass.KERNEL, PolicyMode.LIGHT, False, (2, 2), (1, 1)),
        (GfpClass.KERNEL, PolicyMode.LAST, False, (3, 3), (1, 1)),
        (GfpClass.KERNEL, PolicyMode.CLEAR, False, (2, 2), (0, 1)),
        # Pages enough can never be free: no zone is tried.
        (GfpClass.KERNEL, PolicyMode.CLEAR, True, (2, 2), (0, 0)),
        (GfpClass.RETRY_MAYFAIL, PolicyMode.LIGHT, False, (2, UNBOUNDED), (1, 1)),
        (GfpClass.RETRY_MAYFAIL, PolicyMode.LAST, False, (3, UNBOUNDED), (1, 1)),
        (GfpClass.RETRY_MAYFAIL, PolicyMode.CLEAR, False, (2, UNBOUNDED), (0, 1)),
        # Not the policy's business: the same as with every other mode.
        (GfpClass.NORETRY, PolicyMode.LAST, False, (2, 2), (0, 0)),
        (GfpClass.NOIO, PolicyMode.LAST, False, (1, 1), (0, 0)),
        (GfpClass.NOWAIT, PolicyMode.LAST, False, (0, 0), (0, 0)),
    ],
)
def test_what_a_hopeless_request_comes_to(
    *,
    gfp: GfpClass,
    mode: PolicyMode,
    short: bool,
    compact: tuple[int, int],
    adaptive: tuple[int, int],
) -> None:
    steps = ladder(zone(9000), gfp, dead=True, short=short, mode=mode)
    passage = steps.climb(steps.decide().mode)
    assert passage.outcome is End.FAILED
    assert (passage.compact, passage.adaptive) == (compact, adaptive)
    assert steps.most_calls() >= compact[0]


def test_light_leaves_deferral_in_force_and_counts_the_call_all_the_same() -> None:
    deferral = Deferral(shift=3, considered=0, order_failed=10)
    steps = ladder(
        zone(9000), GfpClass.KERNEL_NOKSWAPD, dead=False, mode=PolicyMode.LIGHT, deferral=deferral
    )
    passage = steps.climb(PolicyMode.LIGHT)
    assert "reclaim" in passage.reason  # the first compaction was put off
    assert (passage.compact, passage.adaptive) == ((1, 2), (1, 1))
    assert deferral.considered == 1


def test_skipped_first_attempts_still_leave_reclaim() -> None:
    passage = ladder(zone(2000), GfpClass.KERNEL_NOKSWAPD, dead=False).climb(PolicyMode.EARLY)
    assert (passage.outcome, passage.compact) == (End.OPEN, (1, 2))
    assert "reclaim" in passage.reason


def test_noretry_stops_where_every_zone_is_deferred_but_counts_each_time() -> None:
    deferral = Deferral(shift=3, considered=0, order_failed=10)
    steps = ladder(zone(9000), GfpClass.NORETRY, dead=True, deferral=deferral)
    calls = [steps.climb(PolicyMode.OFF).compact[0] for _ in range(9)]
    assert calls == [1] * 7 + [2, 2]


def test_noretry_goes_on_where_compaction_is_a_round_of_the_loop() -> None:
    deferral = Deferral(shift=3, considered=0, order_failed=10)
    steps = replace(
        ladder(zone(9000), GfpClass.NORETRY, dead=True, deferral=deferral), in_loop=True
    )
    assert [steps.climb(PolicyMode.OFF).compact for _ in range(9)] == [(2, 2)] * 9


def test_the_movable_type_is_only_spared_the_first_attempt_up_to_order_three() -> None:
    for order, first in ((3, False), (4, True)):
        request = request_of(GfpClass.MOVABLE, Order(order), 2)
        assert request.compacts_first == first
        assert request.migratetype == MOVABLE
        assert request.highest_index == 3


@pytest.mark.parametrize(
    ("gfp", "eligible"),
    [(gfp, gfp.value.startswith(("kernel", "retry", "movable"))) for gfp in GfpClass],
)
def test_who_is_eligible(*, gfp: GfpClass, eligible: bool) -> None:
    assert ladder(zone(9000), gfp, dead=True).eligible() == eligible
    assert (ladder(zone(9000), gfp, dead=True).decide().frag_pct is not None) == eligible
    assert not ladder(zone(9000), gfp, dead=True, order=Order(2)).eligible()

# SPDX-License-Identifier: GPL-2.0-only
"""What can be said of a burst beforehand, state by state."""

from dataclasses import replace

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings
from model_states import (
    allocator,
    blocks,
    burst,
    hopeless,
    known,
    policy,
    zone,
)

from harness.forecast.forecast import Prediction
from harness.forecast.predict import Noise, predict
from harness.items import COUNTERS
from harness.model.state import DeferState, GfpClass
from harness.texts.pages import Order
from harness.texts.proc.sysctl import PolicyMode

SMALL_PAGES = blocks(o0=60000, o1=20000)


def exact(prediction: Prediction) -> tuple[int, ...]:
    """The six counters in the monitor's order; fails where one is not exact."""
    counters = [prediction.counter(name) for name in COUNTERS]
    assert all(counter.exact and not counter.reason for counter in counters), counters
    return tuple(counter.low for counter in counters)


def mixed(**high: int) -> tuple[int, ...]:
    """Many free small pages, and the given large blocks."""
    return tuple(map(sum, zip(SMALL_PAGES, blocks(**high), strict=True)))


def test_the_fast_path_serves_all() -> None:
    prediction = predict(allocator(zone(movable=mixed(o10=200))), burst(8, 500))
    assert exact(prediction) == (500, 500, 0, 0, 0, 0)
    assert prediction.first_slowpath is None
    assert prediction.frag_pct is None


def test_the_low_watermark_ends_the_fast_path_and_the_min_watermark_the_next_step() -> None:
    # 100 blocks of order 9 and nothing else: 51200 pages free.
    state = replace(allocator(zone(unmovable=blocks(o9=100))), thp=False)
    prediction = predict(state, burst(9, 100))
    first = known(prediction.first_slowpath)
    # 51200 - 512 i - 511 > 15023 holds for i <= 69: requests 0..69 are fast.
    assert (first.index.low, first.index.high, first.certain) == (70, 70, True)
    assert first.free == blocks(o9=30)
    assert known(first.frag_pct).low == known(first.frag_pct).high == 0
    assert (known(first.mode).low, known(first.mode).high) == (0, 0)
    assert (first.compact.high, first.success.low) == (0, 1)
    # 51200 - 512 i - 511 > 12019 holds for i <= 75: six more by the min watermark, then open.
    assert prediction.slowpath.low == 7
    assert (prediction.success.low, prediction.req.low) == (76, 77)
    assert prediction.compact.low == 1
    assert prediction.fail.high == 1
    assert "reclaim" in prediction.success.reason


def test_where_no_range_can_be_cleared_the_first_failure_is_exact() -> None:
    state = allocator(hopeless(8, unmovable=blocks(o8=3), movable=mixed(o10=10)))
    prediction = predict(state, burst(8, 100))
    # 43 blocks, then one request that compacts twice without success, raised: 99 % in small blocks.
    assert exact(prediction) == (44, 43, 1, 1, 2, 1)
    assert known(prediction.frag_pct).low == known(prediction.frag_pct).high == 100
    first = known(prediction.first_slowpath)
    assert first.index.low == 43
    assert first.free == SMALL_PAGES
    assert (known(first.mode).low, known(first.mode).high) == (2, 2)
    assert (first.compact.low, first.success.high) == (2, 0)


@pytest.mark.parametrize(
    ("mode", "threshold", "adaptive"),
    [
        (PolicyMode.OFF, 50, 0),
        (PolicyMode.LATE, 50, 1),
        (PolicyMode.EARLY, 50, 1),
        (PolicyMode.EARLY, 99, 1),
        (PolicyMode.EARLY, 100, 0),  # above, not at, the threshold
        (PolicyMode.LATE, 100, 0),
        (PolicyMode.LIGHT, 99, 1),
        (PolicyMode.LIGHT, 100, 0),
    ],
)
def test_the_policy_acts_above_its_threshold(
    mode: PolicyMode, threshold: int, adaptive: int
) -> None:
    state = replace(allocator(hopeless(8, movable=mixed(o8=3))), policy=policy(mode, threshold))
    assert exact(predict(state, burst(8, 100))) == (4, 3, 1, 1, 2, adaptive)


@pytest.mark.parametrize("threshold", [50, 100])
def test_the_last_resort_is_there_whatever_the_threshold(threshold: int) -> None:
    memory = allocator(hopeless(8, movable=mixed(o8=3)))
    last = predict(replace(memory, policy=policy(PolicyMode.LAST, threshold)), burst(8, 100))
    assert exact(last) == (4, 3, 1, 1, 3, 1)
    assert known(known(last.first_slowpath).mode).low == PolicyMode.LAST
    clear = predict(replace(memory, policy=policy(PolicyMode.CLEAR, threshold)), burst(8, 100))
    assert (clear.compact.low, clear.compact.high, clear.fail.low) == (2, 2, 1)
    assert (clear.adaptive.low, clear.adaptive.high) == (0, 1)
    assert "backs off" in clear.adaptive.reason
    assert known(known(clear.first_slowpath).mode).exact
    assert known(clear.frag_pct).exact


def test_every_failure_of_a_burst_comes_to_the_last_resort() -> None:
    memory = allocator(hopeless(8, movable=mixed(o8=3)))
    asked = burst(8, 50, until_fail=False)
    last = predict(replace(memory, policy=policy(PolicyMode.LAST)), asked)
    assert exact(replace(last, frag_pct=None)) == (50, 3, 47, 47, 3 * 47, 47)
    clear = predict(replace(memory, policy=policy(PolicyMode.CLEAR)), asked)
    assert (clear.adaptive.low, clear.adaptive.high, clear.compact.high) == (0, 47, 94)


def test_no_zone_is_cleared_that_could_never_have_pages_enough() -> None:
    # 12019 and 255 more are asked for, and 12274 is all there is.
    small = replace(hopeless(8, movable=blocks(o0=5000)), managed=12274)
    state = replace(allocator(small), policy=policy(PolicyMode.CLEAR))
    assert exact(predict(state, burst(8, 100))) == (1, 0, 1, 1, 2, 0)
    enough = replace(state, zones=(replace(small, managed=12275),))
    assert predict(enough, burst(8, 100)).adaptive.high == 1


@pytest.mark.parametrize(
    ("gfp", "counters", "recorded"),
    [
        (GfpClass.KERNEL, (4, 3, 1, 1, 2, 1), True),
        (GfpClass.KERNEL_NOKSWAPD, (4, 3, 1, 1, 2, 1), True),
        (GfpClass.MOVABLE, (4, 3, 1, 1, 2, 1), True),
        # 1000 - (1000 + 100000 * 1000 // 256) // 80000 is 995: compaction runs, so it goes on.
        (GfpClass.NORETRY, (4, 3, 1, 1, 2, 0), False),
        (GfpClass.NOIO, (4, 3, 1, 1, 1, 0), False),
        (GfpClass.NOWAIT, (4, 3, 1, 1, 0, 0), False),
        (GfpClass.ATOMIC, (4, 3, 1, 1, 0, 0), False),
    ],
)
def test_classes_differ_in_attempts_and_in_what_is_recorded(
    *, gfp: GfpClass, counters: tuple[int, ...], recorded: bool
) -> None:
    own = {"movable" if gfp is GfpClass.MOVABLE else "unmovable": mixed(o8=3)}
    prediction = predict(allocator(hopeless(8, **own)), burst(8, 100, gfp=gfp))
    assert exact(prediction) == counters
    assert (prediction.frag_pct is not None) == recorded


def test_retry_mayfail_has_no_upper_bound() -> None:
    state = allocator(hopeless(8, unmovable=mixed(o8=3)))
    prediction = predict(state, burst(8, 100, gfp=GfpClass.RETRY_MAYFAIL))
    assert prediction.compact.low == 2
    assert prediction.compact.high > 10**9
    assert "retry" in prediction.compact.reason
    assert prediction.fail.exact


def test_noretry_gives_up_at_once_where_compaction_is_skipped_or_deferred() -> None:
    request = burst(10, 100, gfp=GfpClass.NORETRY, until_fail=False)
    # All in order 9: the fragmentation index is 499 at most, so order 10 is never compacted.
    skipped = hopeless(10, movable=blocks(o9=400))
    state = replace(allocator(skipped), thp=False)
    assert exact(predict(state, request)) == (100, 0, 100, 100, 100, 0)
    # Deferred 2^2: of four attempts three are left out, and the fourth counts as the limit.
    deferred = replace(
        hopeless(10, movable=SMALL_PAGES),
        defer=DeferState(shift=2, considered=0, order_failed=10),
    )
    state = replace(allocator(deferred), thp=False)
    assert exact(predict(state, request)) == (100, 0, 100, 100, 3 + 2 * 97, 0)
    unknown = replace(allocator(replace(deferred, defer=None)), thp=False)
    assert predict(unknown, request).compact.low < predict(unknown, request).compact.high


def test_the_dma_zone_is_dead_behind_its_reserve_though_blocks_are_left() -> None:
    dma = replace(
        zone(movable=blocks(o10=3, o9=1, o8=1)),
        name="DMA",
        index=0,
        managed=3840,
        min=190,
        low=237,
        high=284,
        reserve=(0, 967, 967, 967),
    )
    state = replace(allocator(hopeless(10, movable=mixed(o10=20)), dma), thp=False)
    prediction = predict(state, burst(10, 100))
    # Order 10: 20 of DMA32 and 2 of DMA; of the third, 1792 - 1023 <= 190 + 967.
    assert exact(prediction) == (23, 22, 1, 1, 2, 1)
    # A zone that could be filled from elsewhere is not dead.
    roomy = replace(allocator(state.zones[0], replace(dma, managed=200000)), thp=False)
    assert not predict(roomy, burst(10, 100)).fail.exact


def test_normal_then_dma32_and_steals_do_not_change_how_many_are_served() -> None:
    normal = replace(zone(movable=mixed(o10=20), unmovable=blocks(o6=3)), name="Normal", index=2)
    dma32 = zone(movable=mixed(o10=30), unmovable=blocks(o10=2))
    state = allocator(normal, dma32)
    served = 3 + (52 << 4)
    assert exact(predict(state, burst(6, served))) == (served, served, 0, 0, 0, 0)
    after = predict(state, burst(6, served + 1))
    assert known(after.first_slowpath).index.low == known(after.first_slowpath).index.high == served


def test_a_boost_of_unknown_size_leaves_bounds() -> None:
    # Blocks below a pageblock are stolen: each steal may boost, up to 27040 pages.
    movable = blocks(o0=2000, o8=100)
    prediction = predict(allocator(zone(movable=movable)), burst(8, 100))
    first = known(prediction.first_slowpath)
    assert first.index.low < first.index.high
    unboosted = replace(allocator(zone(movable=movable)), watermark_boost_factor=0)
    first = known(predict(unboosted, burst(8, 100)).first_slowpath)
    assert first.index.exact


def test_kswapd_makes_all_after_the_first_entry_open() -> None:
    state = replace(allocator(zone(unmovable=blocks(o9=100))), thp=False)
    prediction = predict(state, burst(9, 100, gfp=GfpClass.KERNEL))
    assert known(prediction.first_slowpath).index.exact
    assert known(known(prediction.first_slowpath).frag_pct).exact
    assert not known(prediction.first_slowpath).success.exact
    assert "kswapd" in prediction.success.reason


def test_an_order_with_per_cpu_lists_is_exact_only_if_none_can_be_on_them() -> None:
    state = allocator(replace(zone(movable=mixed(o9=40)), pcp=0))
    # A batch of two: the last block stays on the list, and no free one is left to pass the check.
    assert known(predict(state, burst(9, 100)).first_slowpath).index.low == 39
    assert known(predict(state, burst(9, 100)).first_slowpath).index.exact
    full = allocator(replace(zone(movable=mixed(o9=40)), pcp=2048))
    index = known(predict(full, burst(9, 100)).first_slowpath).index
    assert (index.low, index.high) == (39, 43)


def test_cycling_through_held_blocks_is_served_for_ever() -> None:
    state = allocator(zone(movable=mixed(o10=30)))
    for order in (4, 8, 9, 10):
        prediction = predict(state, burst(order, 2000, most=20, until_fail=False))
        assert exact(prediction) == (2000, 2000, 0, 0, 0, 0)


def test_failures_go_on_where_nothing_is_freed() -> None:
    state = replace(allocator(hopeless(8, movable=mixed(o8=3))), policy=policy(PolicyMode.OFF))
    prediction = predict(state, burst(8, 50, until_fail=False))
    assert exact(prediction) == (50, 3, 47, 47, 94, 0)
    # After the first entry compaction has rearranged small blocks: only that one is certain.
    prediction = predict(replace(state, policy=policy()), burst(8, 50, until_fail=False))
    assert (prediction.adaptive.low, prediction.adaptive.high) == (1, 47)
    assert known(prediction.frag_pct).high == 100
    assert known(known(prediction.first_slowpath).frag_pct).exact


def test_ranges_bound_what_can_be_made() -> None:
    made = hopeless(8, movable=mixed(o8=3))
    some = replace(made.ranges[0], clearable=10)
    prediction = predict(allocator(replace(made, ranges=(some,))), burst(8, 50))
    assert (prediction.success.low, prediction.success.high) == (3, 10)
    assert (prediction.req.low, prediction.req.high) == (4, 11)
    assert (prediction.fail.low, prediction.fail.high) == (1, 1)


def test_low_orders_get_bounds_only() -> None:
    prediction = predict(allocator(zone(movable=mixed(o10=30))), burst(3, 50, until_fail=False))
    assert prediction.req.low == 50
    assert not prediction.success.exact
    assert "per-CPU" in prediction.success.reason


def test_noise_widens_what_it_can_change() -> None:
    state = replace(allocator(zone(unmovable=blocks(o9=100))), thp=False)
    quiet = predict(state, burst(8, 200))
    noisy = predict(state, burst(8, 200), Noise(pages_taken=600, pages_freed=300))
    assert known(quiet.first_slowpath).index.exact
    for name in COUNTERS:
        assert noisy.counter(name).low <= quiet.counter(name).low
        assert noisy.counter(name).high >= quiet.counter(name).high
    assert not known(noisy.first_slowpath).index.exact


def test_a_prediction_survives_encoding() -> None:
    prediction = predict(allocator(hopeless(8, movable=mixed(o8=3))), burst(8, 100))
    text = msgspec.json.encode(prediction)
    assert msgspec.json.decode(text, type=Prediction) == prediction


COUNT = st.integers(0, 30)


@settings(deadline=None, max_examples=300)
@given(
    order=st.sampled_from((4, 6, 8, 9, 10)),
    requests=st.integers(1, 80),
    most=st.integers(1, 80),
    until_fail=st.booleans(),
    gfp=st.sampled_from(GfpClass),
    counts=st.lists(COUNT, min_size=22, max_size=22),
    pcp=st.integers(0, 4096),
    clearable=st.none() | st.integers(0, 40),
    mode=st.sampled_from(PolicyMode),
)
def test_bounds_are_consistent(
    *,
    order: int,
    requests: int,
    most: int,
    until_fail: bool,
    gfp: GfpClass,
    counts: list[int],
    pcp: int,
    clearable: int | None,
    mode: PolicyMode,
) -> None:
    made = replace(zone(unmovable=tuple(counts[:11]), movable=tuple(counts[11:])), pcp=pcp)
    if clearable is not None:
        made = replace(
            hopeless(order, unmovable=tuple(counts[:11]), movable=tuple(counts[11:])), pcp=pcp
        )
        ranges = replace(made.ranges[0], clearable=made.ranges[0].free + clearable)
        made = replace(made, ranges=(ranges,))
    made = replace(made, min=500, low=700, high=900)
    state = replace(allocator(made), policy=policy(mode))
    asked = burst(Order(order), requests, gfp=gfp, until_fail=until_fail, most=most)
    prediction = predict(state, asked)
    counter = {name: prediction.counter(name) for name in COUNTERS}
    for forecast in counter.values():
        assert 0 <= forecast.low <= forecast.high
        assert forecast.exact == (not forecast.reason)
    # Some way through must satisfy the identities of the monitor.
    assert counter["success"].low + counter["fail"].low <= counter["req"].high
    assert counter["success"].high + counter["fail"].high >= counter["req"].low
    assert counter["slowpath"].high <= counter["req"].high <= requests
    assert counter["adaptive"].high <= counter["slowpath"].high
    assert counter["adaptive"].low <= counter["compact"].high
    assert (counter["slowpath"].high > 0) == (prediction.first_slowpath is not None)
    if until_fail:
        assert counter["fail"].high <= 1
        assert counter["success"].high <= min(requests, most)

# SPDX-License-Identifier: GPL-2.0-only
"""The two worlds of a prediction enclose any real zone that shows the same snapshot.

A zone is fragmented at random, with addresses; only its counts go into the prediction. Then the
burst is run in that very zone, where steals take along what really lies beside them.
"""

import random
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given, settings
from model_states import allocator, burst, known, zone

from harness.forecast.predict import predict
from harness.model.allocator import Allocator
from harness.model.boot import fill
from harness.model.request import request_of
from harness.model.shape import MOVABLE, UNMOVABLE, Watermarks, ZoneShape
from harness.model.state import AllocatorState, GfpClass, ListState, Migratetype
from harness.model.zone import Zone
from harness.texts.pages import ORDERS, Order

PAGES = 40 * 512
REQUEST_CLASS = GfpClass.KERNEL_NOKSWAPD


def fragmented(seed: int, hold: int, *, boost: bool) -> Zone:
    """A zone in which blocks of all kinds were taken and some of them given back."""
    rng = random.Random(seed)  # noqa: S311  # repeatable by its seed
    made = Zone(
        ZoneShape(
            name="DMA32",
            index=1,
            start_pfn=0,
            end_pfn=PAGES,
            pageblock_order=9,
            managed=PAGES,
            marks=Watermarks(min=400, low=500, high=600 * rng.randint(1, 8), reserve=(0,) * 4),
            boost_factor=15000 if boost else 0,
        )
    )
    fill(made)
    held: list[tuple[int, int]] = []
    for _ in range(1500):
        kind = rng.choice((UNMOVABLE, MOVABLE, MOVABLE, MOVABLE))
        order = rng.choice((0, 0, 2, 4, 5, 7, 8))
        pfn = made.rmqueue(order, kind, movable=kind == MOVABLE)
        if pfn >= 0:
            held.append((pfn, order))
    rng.shuffle(held)
    for pfn, order in held[hold:]:
        made.free(pfn, order)
    made.boost = made.steals = 0
    return made


def seen(made: Zone) -> AllocatorState:
    """What a snapshot tells of a zone."""
    marks = made.shape.marks
    lists = tuple(
        ListState(migratetype=name, blocks=tuple(made.count(order, number) for order in ORDERS))
        for number, name in enumerate(Migratetype)
    )
    one = replace(
        zone(),
        managed=PAGES,
        min=marks.min,
        low=marks.low,
        high=marks.high,
        nr_free=made.free_pages,
        lists=lists,
    )
    return replace(allocator(one), thp=False, watermark_boost_factor=made.shape.boost_factor)


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 1 << 30),
    hold=st.integers(0, 300),
    order=st.integers(4, 10),
    boost=st.booleans(),
)
def test_what_happens_lies_between_the_worlds(
    *, seed: int, hold: int, order: int, boost: bool
) -> None:
    made = fragmented(seed, hold, boost=boost)
    prediction = predict(seen(made), burst(order, 2000))
    real = Allocator([made])
    request = request_of(REQUEST_CLASS, Order(order), 2)
    fast = 0
    while real.fast_path(request) is not None:
        fast += 1
    first = known(prediction.first_slowpath)
    assert first.certain
    assert first.index.admits(fast)
    if first.free is not None:
        assert first.free == made.blocks()
    if not boost:
        assert first.index.exact
    # The first entry has missed the fast path; others after it may find the low watermark met.
    slow = 1
    served = fast
    while real.from_freelist(request, request.slow_flags) is not None:
        served += 1
        while real.fast_path(request) is not None:
            served += 1
        slow += 1
    assert prediction.success.admits(served)
    assert prediction.slowpath.low <= slow

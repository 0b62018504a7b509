# SPDX-License-Identifier: GPL-2.0-only
"""States to predict from, made by hand: a 1 GiB guest unless a test says otherwise."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from harness.model.burst import BurstRequest
from harness.model.state import (
    AllocatorState,
    DeferState,
    GfpClass,
    ListState,
    Migratetype,
    RangeState,
    ZoneState,
)
from harness.texts.pages import MAX_ORDER, Order
from harness.texts.proc.sysctl import Policy, PolicyMode

DATA = Path(__file__).parents[2] / "data"
BURSTS = DATA / "bursts-5.15"

FRESH = DeferState(shift=0, considered=0, order_failed=MAX_ORDER)


_T = TypeVar("_T")


def known(value: _T | None) -> _T:
    """Return what must not be None."""
    assert value is not None
    return value


def policy(mode: PolicyMode = PolicyMode.EARLY, threshold: int = 50) -> Policy:
    return Policy(mode=mode, threshold_pct=threshold, cutoff=Order(3), min_order=Order(3))


def blocks(**counts: int) -> tuple[int, ...]:
    """`o4=7` is seven blocks of order 4."""
    row = [0] * MAX_ORDER
    for order, count in counts.items():
        row[int(order[1:])] = count
    return tuple(row)


def zone(
    unmovable: tuple[int, ...] | None = None,
    movable: tuple[int, ...] | None = None,
) -> ZoneState:
    """DMA32 of 1 GiB; free pages follow from the lists."""
    lists = (
        ListState(migratetype=Migratetype.UNMOVABLE, blocks=unmovable or blocks()),
        ListState(migratetype=Migratetype.MOVABLE, blocks=movable or blocks()),
        ListState(migratetype=Migratetype.RECLAIMABLE, blocks=blocks()),
        ListState(migratetype=Migratetype.HIGHATOMIC, blocks=blocks()),
    )
    rows = [one.blocks for one in lists]
    pages = sum(count << order for row in rows for order, count in enumerate(row))
    return ZoneState(
        node=0,
        name="DMA32",
        index=1,
        managed=247712,
        min=12019,
        low=15023,
        high=18027,
        boost=0,
        reserve=(0, 0, 0, 0),
        nr_free=pages,
        drift=0,
        highatomic=0,
        lists=lists,
        pcp=0,
        pcp_batch=63,
        pcp_high=15023,
        defer=FRESH,
        ranges=(),
    )


def hopeless(
    order: int,
    unmovable: tuple[int, ...] | None = None,
    movable: tuple[int, ...] | None = None,
) -> ZoneState:
    """A zone in which nothing but what is free now could ever be a block of `order`."""
    made = zone(unmovable, movable)
    free = made.available(Order(order))
    ranges = RangeState(order=Order(order), total=241, free=free, clearable=free)
    return replace(made, ranges=(ranges,))


def allocator(*zones: ZoneState) -> AllocatorState:
    return AllocatorState(
        zones=zones,
        cpus=1,
        pageblock_order=Order(9),
        normal_index=2,
        thp=True,
        policy=policy(),
        extfrag_threshold=500,
        watermark_boost_factor=15000,
        swap=False,
        exact_lists=True,
    )


def burst(
    order: int = 8,
    requests: int = 100,
    *,
    gfp: GfpClass = GfpClass.KERNEL_NOKSWAPD,
    until_fail: bool = True,
    most: int | None = None,
) -> BurstRequest:
    return BurstRequest(
        order=Order(order),
        requests=requests,
        most_held=most or requests,
        hold_until_fail=until_fail,
        gfp=gfp,
    )

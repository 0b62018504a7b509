# SPDX-License-Identifier: GPL-2.0-only
"""The three indices in integer arithmetic, and what ties them together."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness.texts.metrics import frag_pct, fragmentation_index, unusable_index
from harness.texts.pages import ORDERS, Order
from harness.texts.proc.buddyinfo import FreeArea, parse_buddyinfo

DATA = Path(__file__).parents[2] / "data"
AREA = st.lists(st.integers(0, 1 << 20), min_size=11, max_size=11).map(
    lambda blocks: FreeArea(node=0, zone="DMA32", blocks=tuple(blocks))
)
ORDER = st.sampled_from(ORDERS)


def area(**counts: int) -> FreeArea:
    row = [0] * 11
    for name, count in counts.items():
        row[int(name[1:])] = count
    return FreeArea(node=0, zone="DMA32", blocks=tuple(row))


@given(AREA, ORDER)
def test_unusable_index_is_frag_pct_with_one_digit_more(one: FreeArea, order: Order) -> None:
    if one.free_pages:
        assert unusable_index(one, order) // 10 == frag_pct([one], order)
    else:
        assert (unusable_index(one, order), frag_pct([one], order)) == (1000, 0)


@given(AREA, AREA, ORDER)
def test_frag_pct_of_a_pool_lies_between_its_zones(
    one: FreeArea, other: FreeArea, order: Order
) -> None:
    zones = [one, other]
    if one.free_pages and other.free_pages:
        single = [frag_pct([zone], order) for zone in zones]
        assert min(single) <= frag_pct(zones, order) <= max(single)


@given(AREA)
def test_frag_pct_rises_with_the_cutoff(one: FreeArea) -> None:
    shares = [frag_pct([one], order) for order in ORDERS]
    assert shares == sorted(shares)
    assert shares[0] == 0


@given(AREA, ORDER)
def test_fragmentation_index_is_within_its_range(one: FreeArea, order: Order) -> None:
    index = fragmentation_index(one, order)
    if one.available(order):
        assert index == -1000
    elif not one.free_pages:
        assert index == 0
    else:
        # Nothing so large is free, so 2^order pages are more than a mean block has.
        assert -1000 <= index < 1000


@pytest.mark.parametrize(
    ("one", "order", "index"),
    [
        (area(o9=400), 10, 498),  # 1000 - (1000 + 200000) // 400, and never above 499
        (area(o8=400), 10, 748),
        (area(o0=1), 10, 0),  # 1000 - (1000 + 0) // 1
        (area(o0=3, o1=1), 10, 749),  # the inner division: 5000 // 1024 = 4; (1000 + 4) // 4
        (area(o0=3), 1, 167),  # the inner: 3000 // 2 = 1500; (1000 + 1500) // 3 = 833
        (area(o10=1), 10, -1000),
        (area(), 3, 0),
    ],
)
def test_fragmentation_index_rounds_twice(one: FreeArea, order: Order, index: int) -> None:
    assert fragmentation_index(one, Order(order)) == index


@given(st.integers(1, 10**6))
def test_all_memory_in_order_nine_is_never_worth_compacting_for_ten(blocks: int) -> None:
    assert fragmentation_index(area(o9=blocks), Order(10)) <= 500


@pytest.mark.parametrize("kernel", ["kernel-5.15", "kernel-6.1"])
def test_saved_snapshots_give_indices_for_every_zone(kernel: str) -> None:
    info = parse_buddyinfo((DATA / kernel / "buddyinfo.txt").read_text())
    for one in info.zones:
        for order in ORDERS:
            assert unusable_index(one, order) // 10 == frag_pct([one], order)
            assert (fragmentation_index(one, order) == -1000) == (one.available(order) > 0)

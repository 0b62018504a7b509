# SPDX-License-Identifier: GPL-2.0-only
"""Of which node a burst's blocks were, from two zones that are counted by hand."""

import pytest

from harness.compare.kinds.base import Requests
from harness.compare.upper_bound import upper_bound
from harness.compare.zones_seen import zones_seen
from harness.texts.guest.burst_view import COUNTERS, WHAT
from harness.texts.guest.free_dump import FreeDump, parse_free_dump
from harness.texts.pages import Order, PageCount
from harness.texts.proc.vmstat import VmStat

_ZONE = (
    "zone node={node} name={name} index=1 managed=9999 min=100 low=125 high=150 boost=0 "
    "nr_free={free} highatomic=0 cma={cma} reserve=0,0,{reserve} pcp=0 "
    "defer_shift=0 considered=0 order_failed=11\n"
    "free node={node} zone={name} type=Movable 0 0 0 0 0 0 0 0 0 {nine} {ten}\n"
    "ranges node={node} zone={name} order=9 total=99 free=0 clearable={clear}\n"
)


def zone(
    *,
    node: int = 0,
    name: str = "DMA32",
    free: int = 5000,
    cma: int = 0,
    nine: int = 0,
    ten: int = 0,
    clear: int = 99,
    reserve: str = "0,0",
) -> str:
    return _ZONE.format(
        node=node, name=name, free=free, cma=cma, nine=nine, ten=ten, clear=clear, reserve=reserve
    )


def dump(*zones: str) -> FreeDump:
    return parse_free_dump(f"cross_check free 1\n{''.join(zones)}end\n")


def frames() -> dict[str, bytes]:
    """Two pageblocks of each node, node 1's behind node 0's, one of each with a free half."""
    zones = [
        "zone node=0 name=DMA32 first_pfn=4096 pageblocks=2 free=256 cached=0",
        "M 256 0 0 256 0",
        "M 0 0 0 512 0",
        "zone node=1 name=DMA32 first_pfn=5120 pageblocks=2 free=128 cached=0",
        "M 0 0 0 512 0",
        "M 128 0 0 384 0",
    ]
    lines = [
        "cross_check burst 1",
        "pageblock_order=9",
        "samples=1 stride=1",
        f"time_ns requests {' '.join(COUNTERS)} nr_free_pages",
        "0 3 0 0 0 0 0 0 0",
        "frames stopped",
        *zones,
        "frames burst",
        *zones,
        "end",
    ]
    return {WHAT: "".join(f"{line}\n" for line in lines).encode()}


def burst(*pfns: int) -> Requests:
    return Requests(
        order=Order(9),
        attempted=3,
        succeeded=len(pfns),
        latencies_ns=(1, 1, 1),
        huge_pages=None,
        got=(True,) * len(pfns) + (False,) * (3 - len(pfns)),
        pfns=pfns,
    )


def test_blocks_are_counted_where_they_lie() -> None:
    seen = zones_seen(dump(zone(nine=1, ten=2), zone(node=1)), frames(), burst(4608, 5120, 5632))

    assert seen is not None
    assert [(one.title, one.got, one.whole_before) for one in seen] == [
        ("node 0 DMA32", 1, 5),
        ("node 1 DMA32", 2, 0),
    ]
    assert [(one.free_before, one.free_after, one.low) for one in seen] == [
        (5000, 256, 125),
        (5000, 128, 125),
    ]


def test_one_node_of_ordinary_zones_is_told_as_before() -> None:
    assert zones_seen(dump(zone(), zone(name="DMA")), frames(), burst()) is None


@pytest.mark.parametrize("other", [zone(name="Movable"), zone(name="DMA", cma=1)])
def test_a_zone_or_area_for_what_moves_is_told(other: str) -> None:
    assert zones_seen(dump(zone(), other), frames(), burst()) is not None


def test_a_guest_that_saved_no_frames_tells_nothing() -> None:
    assert zones_seen(dump(zone(), zone(node=1)), {}, burst()) is None


def bound(of: FreeDump, *, nodes: frozenset[int] | None = None, can_move: bool = False) -> int:
    return upper_bound(of, VmStat(counters={}), Order(9), nodes=nodes, can_move=can_move).blocks


def test_no_more_blocks_than_the_named_nodes_have() -> None:
    two = dump(zone(free=100 + 5 * 512), zone(node=1, free=100 + 3 * 512))
    assert bound(two) == 8
    assert bound(two, nodes=frozenset({1})) == 3


def test_the_kernel_gets_nothing_of_the_movable_zone() -> None:
    zones = dump(zone(free=100 + 5 * 512), zone(name="Movable", free=100 + 3 * 512))
    assert bound(zones) == 5
    assert bound(zones, can_move=True) == 8


def test_what_a_zone_keeps_from_movable_requests_counts_where_they_have_a_zone() -> None:
    low = zone(free=100 + 5 * 512, reserve="0,512")
    assert bound(dump(low), can_move=True) == 5
    assert bound(dump(low, zone(name="Movable", free=0)), can_move=True) == 4


def test_what_was_plugged_in_since_is_as_many_pages_and_ranges_more() -> None:
    one, more = dump(zone(free=100 + 5 * 512)), PageCount(2 * 512)
    with_more = upper_bound(one, VmStat(counters={}), Order(9), plugged=more)
    without = upper_bound(one, VmStat(counters={}), Order(9))
    assert (with_more.by_pages, without.by_pages) == (7, 5)
    assert with_more.by_ranges is not None
    assert without.by_ranges is not None
    assert with_more.by_ranges - without.by_ranges == 2

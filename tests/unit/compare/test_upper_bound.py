# SPDX-License-Identifier: GPL-2.0-only
"""The bound: hand-made zones whose answer is counted by hand."""

from harness.compare.upper_bound import upper_bound
from harness.texts.guest.free_dump import parse_free_dump
from harness.texts.pages import Order
from harness.texts.proc.vmstat import VmStat

NOTHING = VmStat(counters={})
_LISTS = "free node=0 zone={name} type=Movable 0 0 0 0 0 0 0 0 0 0 0\n"
_ZONE = (
    "zone node=0 name={name} index=1 managed=9999 min={min} low=0 high=0 boost=0 "
    "nr_free={free} highatomic=0 cma=0 reserve=0,0,{reserve},9000 pcp={pcp} "
    "defer_shift=0 considered=0 order_failed=11\n"
)


def zone(name: str, *, free: int, least: int, reserve: int = 0, pcp: int = 0, ranges: int) -> str:
    values = {"name": name, "min": least, "free": free, "reserve": reserve, "pcp": pcp}
    line = f"ranges node=0 zone={name} order=10 total=99 free=0 clearable={ranges}\n"
    return _ZONE.format(**values) + _LISTS.format(name=name) + line


def bound(*zones: str, vmstat: VmStat = NOTHING, order: int = 10) -> int:
    dump = parse_free_dump(f"cross_check free 1\n{''.join(zones)}end\n")
    return upper_bound(dump, vmstat, Order(order)).blocks


def test_the_watermark_limits_where_ranges_abound() -> None:
    assert bound(zone("DMA32", free=100 + 5 * 1024, least=100, ranges=50)) == 5
    assert bound(zone("DMA32", free=99 + 5 * 1024, least=100, ranges=50)) == 4


def test_ranges_limit_where_pages_abound() -> None:
    assert bound(zone("DMA32", free=50 * 1024, least=100, ranges=3)) == 3


def test_pages_on_cpus_and_in_files_count_as_free() -> None:
    shape = zone("DMA32", free=4 * 1024, least=0, pcp=24, ranges=50)
    assert bound(shape) == 4
    files = VmStat(counters={"nr_zone_active_file": 500, "nr_zone_inactive_file": 500})
    assert bound(shape, vmstat=files) == 5


def test_the_reserve_against_kernel_requests_counts() -> None:
    assert bound(zone("DMA32", free=5 * 1024, least=0, reserve=1, ranges=50)) == 4


def test_a_zone_below_its_watermark_takes_nothing_from_another() -> None:
    low = zone("DMA", free=10, least=5000, ranges=0)
    assert bound(low, zone("DMA32", free=5 * 1024, least=0, ranges=50)) == 5


def test_below_order_4_only_pages_are_known() -> None:
    dump = parse_free_dump(f"cross_check free 1\n{zone('DMA32', free=800, least=0, ranges=0)}end\n")
    found = upper_bound(dump, NOTHING, Order(3))
    assert found.by_ranges is None
    assert found.blocks == 100

# SPDX-License-Identifier: GPL-2.0-only
"""What real guests of kernels without the series print is read, and read alike."""

from pathlib import Path

import pytest

from harness.errors import RecordError
from harness.texts.guest.cross_check import CROSS_CHECK_FILES, parse_cross_checks
from harness.texts.guest.free_dump import parse_free_dump
from harness.texts.pages import ORDERS, Order
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.clock import parse_clock
from harness.texts.proc.meminfo import parse_meminfo
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.proc.sysctl import parse_sysctl
from harness.texts.proc.vmstat import parse_vmstat
from harness.texts.proc.zoneinfo import parse_zoneinfo

DATA = Path(__file__).parents[2] / "data"
STOCK = ("kernel-6.12", "kernel-7.3")
KERNELS = ("kernel-5.15", "kernel-6.1", *STOCK)
# What a comparison reads of vmstat (harness.compare.outcome), in all of them.
READ = (
    "allocstall_dma32",
    "compact_daemon_free_scanned",
    "compact_daemon_migrate_scanned",
    "compact_daemon_wake",
    "compact_fail",
    "compact_free_scanned",
    "compact_migrate_scanned",
    "compact_stall",
    "compact_success",
    "oom_kill",
    "pgmigrate_success",
    "pgscan_direct",
    "pgscan_kswapd",
    "pgsteal_direct",
    "pgsteal_kswapd",
    "nr_zone_active_file",
    "nr_zone_inactive_file",
    "thp_fault_alloc",
    "thp_fault_fallback",
)
# And what only some have: pages that are reclaimed by others.
SINCE = {
    "pgscan_khugepaged": STOCK,
    "pgsteal_khugepaged": STOCK,
    "pgscan_proactive": ("kernel-7.3",),
    "pgsteal_proactive": ("kernel-7.3",),
    "nr_free_pages_blocks": ("kernel-7.3",),
}


def text(kernel: str, name: str) -> str:
    return (DATA / kernel / f"{name}.txt").read_text()


@pytest.mark.parametrize("kernel", KERNELS)
def test_vmstat_has_what_is_read_of_it(kernel: str) -> None:
    stat = parse_vmstat(text(kernel, "vmstat"))

    assert [name for name in READ if name not in stat.counters] == []
    assert {name: name in stat.counters for name in SINCE} == {
        name: kernel in kernels for name, kernels in SINCE.items()
    }


@pytest.mark.parametrize("kernel", STOCK)
def test_all_texts_describe_the_same_free_memory(kernel: str) -> None:
    free = parse_buddyinfo(text(kernel, "buddyinfo"))
    types = parse_pagetypeinfo(text(kernel, "pagetypeinfo"))
    zones = parse_zoneinfo(text(kernel, "zoneinfo"))
    dump = parse_free_dump(text(kernel, "free"))
    stat = parse_vmstat(text(kernel, "vmstat"))

    assert types.pageblock_order == 9
    assert [area.zone for area in free.zones] == [zone.name for zone in zones.populated]
    for area, zone, dumped in zip(free.zones, zones.populated, dump.zones, strict=True):
        assert (area.zone, zone.name) == (dumped.name, dumped.name)
        assert (zone.min, zone.low, zone.high) == (dumped.min, dumped.low, dumped.high)
        assert zone.protection == dumped.reserve
        assert zone.managed == dumped.managed
        # Pages may have gone to the lists of the CPU and back between two readings.
        assert abs(area.free_pages - dumped.nr_free) < 64
        for order in ORDERS[1:]:
            lists = [row for row in types.free if row.zone == area.zone]
            counted = sum(row.orders[order].blocks for row in lists)
            assert abs(counted - area.blocks[order]) <= 2
            assert abs(sum(row.blocks[order] for row in dumped.free) - area.blocks[order]) <= 2
    assert abs(stat.counter("nr_free_pages") - free.free_pages) < 64
    assert parse_meminfo(text(kernel, "meminfo")).total_kib > 900_000


@pytest.mark.parametrize("kernel", STOCK)
def test_nothing_is_said_of_what_the_series_adds(kernel: str) -> None:
    sysctls = parse_sysctl(text(kernel, "sysctl"))
    checks = parse_cross_checks({name: text(kernel, name) for name in CROSS_CHECK_FILES})

    assert sysctls.policy is None
    assert sysctls.values["vm.compaction_proactiveness"] == "20"
    assert checks.instant.monitor == {}
    assert checks.decisions.seen == 0
    assert checks.allocations.count(Order(10)) == checks.instant.requests(Order(10)) > 0
    assert parse_clock(text(kernel, "time")).is_fine


@pytest.mark.parametrize("kernel", STOCK)
@pytest.mark.parametrize("name", ["zoneinfo", "pagetypeinfo", "vmstat", "free"])
def test_a_text_without_its_last_lines_is_refused(kernel: str, name: str) -> None:
    parse = {
        "zoneinfo": parse_zoneinfo,
        "pagetypeinfo": parse_pagetypeinfo,
        "vmstat": parse_vmstat,
        "free": parse_free_dump,
    }[name]
    lines = text(kernel, name).splitlines(keepends=True)
    parse("".join(lines))

    for kept in range(1, len(lines)):
        with pytest.raises(RecordError):
            parse("".join(lines[:kept]))


def test_zones_that_end_otherwise_were_cut() -> None:
    """7.3 says two lines more of each zone that has pages."""
    whole = text("kernel-7.3", "zoneinfo")
    end = whole.index("  reserved_highatomic:")
    after = whole.index("Node 0, zone", end)

    assert whole.count("  free_highatomic:") == len(parse_zoneinfo(whole).populated) > 1
    with pytest.raises(RecordError, match="zones end with free_highatomic and start_pfn"):
        parse_zoneinfo(whole[:end] + whole[after:])

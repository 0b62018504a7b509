# SPDX-License-Identifier: GPL-2.0-only
"""What each parser reads out of its text."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RecordError
from harness.items import HEADER
from harness.texts.guest.guest_report import parse_guest_report
from harness.texts.guest.module_records import parse_module_records
from harness.texts.metrics import frag_pct, unusable_index
from harness.texts.pages import ORDERS, Order, block_pages, blocks_within, order_of
from harness.texts.proc.buddy_monitor import monitor_deltas, parse_buddy_monitor
from harness.texts.proc.buddyinfo import BuddyInfo, FreeArea, parse_buddyinfo
from harness.texts.proc.clock import parse_clock
from harness.texts.proc.kernel_log import parse_console, parse_kernel_log
from harness.texts.proc.meminfo import parse_meminfo
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.proc.sysctl import Policy, PolicyMode, parse_sysctl
from harness.texts.proc.vmstat import parse_vmstat
from harness.texts.proc.zoneinfo import parse_zoneinfo

DATA = Path(__file__).parents[2] / "data"
KERNELS = ("kernel-5.15", "kernel-6.1")
BLOCKS = st.lists(st.integers(0, 2**20), min_size=11, max_size=11).map(tuple)


def golden(kernel: str, name: str) -> str:
    return (DATA / kernel / f"{name}.txt").read_text()


def area(*blocks: int) -> FreeArea:
    return FreeArea(node=0, zone="DMA32", blocks=(blocks + (0,) * 11)[:11])


@pytest.mark.parametrize("kernel", KERNELS)
def test_buddyinfo_has_a_row_per_populated_zone(kernel: str) -> None:
    info = parse_buddyinfo(golden(kernel, "buddyinfo"))

    assert [zone.zone for zone in info.zones] == ["DMA", "DMA32", "Normal"]
    assert info.blocks(Order(10)) == 3 + 273 + 128
    assert info.available(Order(9)) == 1 + 2 + 2 * (3 + 273 + 128)
    assert info.zones[0].free_pages == 256 + 512 + 3 * 1024


@given(rows=st.lists(BLOCKS, min_size=1, max_size=4))
def test_buddyinfo_reads_what_the_kernel_prints(rows: list[tuple[int, ...]]) -> None:
    text = "".join(
        f"Node {node}, zone {'Normal':>8} " + "".join(f"{count:6} " for count in blocks) + "\n"
        for node, blocks in enumerate(rows)
    )

    assert parse_buddyinfo(text) == BuddyInfo(
        zones=tuple(
            FreeArea(node=node, zone="Normal", blocks=blocks) for node, blocks in enumerate(rows)
        )
    )


def test_a_zone_given_twice_is_refused() -> None:
    line = "Node 0, zone DMA 0 0 0 0 0 0 0 0 0 0 0\n"

    with pytest.raises(RecordError, match="twice"):
        parse_buddyinfo(line * 2)


@given(rows=st.lists(st.lists(st.integers(0, 2**63), min_size=7, max_size=7), min_size=11))
def test_buddy_monitor_reads_what_the_kernel_prints(rows: list[list[int]]) -> None:
    lines = [" ".join(map(str, [order, *row])) for order, row in enumerate(rows[:11])]

    monitor = parse_buddy_monitor("\n".join([HEADER, *lines]) + "\n")

    assert [[getattr(row, name) for name in HEADER.split()[1:]] for row in monitor.rows] == rows[
        :11
    ]
    assert all(delta.req == 0 for delta in monitor_deltas(monitor, monitor))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (HEADER, HEADER.replace(" frag_pct", "")),
        ("\n3 3479", "\n4 3479"),
        ("3479 3479", "3479"),
        ("3479 3479", "3479 -3479"),
        ("10 513", "10 513 1"),
    ],
)
def test_buddy_monitor_of_another_shape_is_refused(old: str, new: str) -> None:
    text = golden("kernel-5.15", "buddy_monitor")
    assert old in text

    with pytest.raises(RecordError):
        parse_buddy_monitor(text.replace(old, new, 1))


@pytest.mark.parametrize("kernel", KERNELS)
def test_pagetypeinfo_marks_lists_the_kernel_stopped_counting(kernel: str) -> None:
    info = parse_pagetypeinfo(golden(kernel, "pagetypeinfo"))

    movable = next(row for row in info.free if (row.zone, row.migratetype) == ("DMA32", "Movable"))
    assert (movable.orders[0].blocks, movable.orders[0].is_lower_bound) == (100000, True)
    assert (movable.orders[10].blocks, movable.orders[10].is_lower_bound) == (273, False)
    assert info.pageblock_order == 9
    assert info.pageblock_pages == 512
    assert [blocks.count("Movable") for blocks in info.pageblocks] == [6, 1336, 447]
    with pytest.raises(RecordError, match="CMA"):
        info.pageblocks[0].count("CMA")


def test_pagetypeinfo_whose_tables_differ_is_refused() -> None:
    lines = golden("kernel-5.15", "pagetypeinfo").splitlines(keepends=True)
    dropped = [line for line in lines if "DMA32, type      Movable" not in line]
    assert len(dropped) == len(lines) - 1

    with pytest.raises(RecordError, match="different zones"):
        parse_pagetypeinfo("".join(dropped))


@pytest.mark.parametrize(("kernel", "cpus"), [("kernel-5.15", 1), ("kernel-6.1", 2)])
def test_zoneinfo_of_both_kernels(kernel: str, cpus: int) -> None:
    info = parse_zoneinfo(golden(kernel, "zoneinfo"))

    assert [zone.name for zone in info.zones] == ["DMA", "DMA32", "Normal", "Movable"]
    assert [zone.name for zone in info.populated] == ["DMA", "DMA32", "Normal"]
    assert info.cpus == cpus
    dma32 = info.zones[1]
    assert (dma32.free, dma32.nr_free_pages) == (402113, 402113)
    assert (dma32.min, dma32.low, dma32.high) == (4177, 5222, 6528)
    assert (dma32.spanned, dma32.present, dma32.managed) == (1044480, 1044383, 1044225)
    assert dma32.protection == (0, 0, 731, 731)
    assert dma32.counter_drift == 24 * cpus
    pageset = dma32.pagesets[-1]
    assert (pageset.cpu, pageset.high, pageset.batch) == (cpus - 1, 378, 63)
    assert pageset.vm_stats_threshold == 24


def test_zoneinfo_of_one_processor_has_no_threshold() -> None:
    text = golden("kernel-5.15", "zoneinfo").replace("  vm stats threshold: 24\n", "")

    assert parse_zoneinfo(text).zones[1].counter_drift == 0


@pytest.mark.parametrize("line", ["high     6528", "managed  3840", "nr_free_pages 402113"])
def test_zoneinfo_without_a_needed_value_is_refused(line: str) -> None:
    text = golden("kernel-5.15", "zoneinfo")
    assert line in text

    with pytest.raises(RecordError, match="absent"):
        parse_zoneinfo(text.replace(line, "unknown 1", 1))


@pytest.mark.parametrize("kernel", KERNELS)
def test_vmstat_keeps_every_counter(kernel: str) -> None:
    stat = parse_vmstat(golden(kernel, "vmstat"))

    assert stat.counter("compact_stall") == 47
    assert len(stat.counters) >= 144
    assert "compact_daemon_wake" in stat.compaction_events()
    with pytest.raises(RecordError, match="no_such"):
        stat.counter("no_such")


def test_vmstat_of_a_kernel_without_compaction_is_refused() -> None:
    lines = golden("kernel-6.1", "vmstat").splitlines(keepends=True)

    with pytest.raises(RecordError, match="compact_stall"):
        parse_vmstat("".join(line for line in lines if not line.startswith("compact_stall ")))


def test_meminfo_clock_and_guest_report() -> None:
    meminfo = parse_meminfo(golden("kernel-5.15", "meminfo"))
    clock = parse_clock("realtime_s=1767225612.25 monotonic_ns=17 clocksource=tsc\n")
    guest = parse_guest_report("uname_r=5.15.180\nmodule_srcversion=ABC\norder req\n")

    assert (meminfo.total_kib, meminfo.available_kib) == (4022184, 3701220)
    assert (clock.realtime_s, clock.monotonic_ns, clock.is_fine) == (1767225612, 17, True)
    assert not parse_clock("realtime_s=1 monotonic_ns=2 clocksource=refined-jiffies\n").is_fine
    assert (guest.uname_r, guest.module_srcversion) == ("5.15.180", "ABC")


@pytest.mark.parametrize("text", ["uname_r=1\n", "uname_r=1\nuname_r=2\nmodule_srcversion=A\n"])
def test_a_guest_that_does_not_say_which_kernel_it_is_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        parse_guest_report(text)


@pytest.mark.parametrize(
    ("mode", "order", "share_pct", "decided"),
    [
        (PolicyMode.OFF, 10, 100, PolicyMode.OFF),
        (PolicyMode.LIGHT, 10, 51, PolicyMode.LIGHT),
        (PolicyMode.LIGHT, 10, 50, PolicyMode.OFF),  # above, not at, the threshold
        (PolicyMode.LIGHT, 3, 51, PolicyMode.LIGHT),
        # Whoever comes to the end of the ladder: the share is no matter, the order is.
        (PolicyMode.LAST, 4, 0, PolicyMode.LAST),
        (PolicyMode.CLEAR, 10, 0, PolicyMode.CLEAR),
        (PolicyMode.CLEAR, 3, 100, PolicyMode.OFF),
    ],
)
def test_what_a_mode_decides(
    mode: PolicyMode, order: int, share_pct: int, decided: PolicyMode
) -> None:
    policy = Policy(mode=mode, threshold_pct=50, cutoff=Order(3), min_order=Order(3))
    assert policy.mode_for(Order(order), share_pct) is decided


def test_sysctl_policy_is_whole_or_absent() -> None:
    text = golden("kernel-5.15", "sysctl")
    policy = parse_sysctl(text).policy
    assert policy is not None
    assert (policy.mode, policy.threshold_pct) == (PolicyMode.EARLY, 50)
    assert (policy.cutoff, policy.min_order) == (3, 3)

    for number, mode in enumerate(("OFF", "LATE", "EARLY", "LIGHT", "LAST", "CLEAR")):
        named = parse_sysctl(text.replace("mode=2", f"mode={number}")).policy
        assert named is not None
        assert named.mode is PolicyMode[mode]

    unpatched = "".join(line for line in text.splitlines(keepends=True) if "adaptive" not in line)
    assert parse_sysctl(unpatched).policy is None
    for broken in (
        text.replace("vm.adaptive_compaction_mode=2\n", ""),
        text.replace("mode=2", "mode=6"),
        text.replace("cutoff=3", "cutoff=11"),
        text.replace("threshold=50", "threshold="),
    ):
        with pytest.raises(RecordError):
            parse_sysctl(broken)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_log_of_memory_pressure_is_clean(kernel: str) -> None:
    log = parse_kernel_log(golden(kernel, "dmesg"))

    assert log.bugs == ()
    assert (log.oom_kills, log.allocation_failures, log.from_boot) == (1, 1, True)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("warning", "warning"),
        ("oops", "bug"),
        ("lockdep", "lockdep"),
        ("kasan", "kasan"),
        ("soft-lockup", "soft lockup"),
        ("rcu-stall", "rcu stall"),
        ("hung-task", "hung task"),
    ],
)
def test_a_log_of_a_broken_kernel_is_found_out(case: str, kind: str) -> None:
    text = (DATA / f"console-{case}.log").read_text()
    bare = "".join(line[line.index("] ") + 2 :] for line in text.splitlines(keepends=True))
    caller = re.sub(r"(?m)^(\[.*?\]) ", r"<4>\1[    T1] ", text)

    prompt = "root@buddylab:~# " + text.replace("\n[", "\nroot@buddylab:~# [")
    forms = (text, bare, caller, prompt, text.replace("\n", "\r\n"))

    for log in map(parse_kernel_log, forms):
        assert log.bugs[0].kind == kind
    assert {"oops", "panic"} <= {bug.kind for bug in log.bugs} or case != "oops"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("pagealloc: memory corruption", "page poison"),
        ("pagealloc: single bit error", "page poison"),
        ("ODEBUG: Out of memory. ODEBUG disabled", "watch off"),
        ("ODEBUG: free active (active state 0) object type: timer_list", "debug objects"),
        ("turning off the locking correctness validator.", "lockdep"),
        ("BUG: MAX_LOCKDEP_CHAINS too low!", "lockdep"),
        ("BUG kmalloc-64 (Not tainted): Poison overwritten", "slab"),
        ("BUG: sleeping function called from invalid context at mm/page_alloc.c:5", "bug"),
        ("BUG: using smp_processor_id() in preemptible [00000000] code: bash/1", "bug"),
        ("BUG: Bad page state in process bash  pfn:12345", "bug"),
        ("list_add corruption. next->prev should be prev", "list"),
        ("ODEBUG: selftest passed", None),
        ("Dynamic page poisoning enabled", None),
    ],
)
def test_what_a_kernel_that_watches_itself_finds_is_told(line: str, kind: str | None) -> None:
    """And that it has stopped watching: its silence afterwards would look like a clean log."""
    log = parse_kernel_log(f"[    1.000000] {line}\n")

    told = [one.kind for one in (*log.bugs, *log.watches_off)]
    assert told == ([] if kind is None else [kind])


def test_a_console_may_end_with_a_prompt_but_not_be_empty() -> None:
    log = parse_console("[    0.000000] Linux version 5.15.180\r\nroot@buddylab:~# ")

    assert (log.line_count, log.from_boot, log.bugs) == (2, True, ())
    with pytest.raises(RecordError):
        parse_console("")


def test_module_records_keep_every_request() -> None:
    records = parse_module_records(
        "high_order_test 2\n"
        "order=10 requests=3 hold_ms=5 delay_ms=6 most_held=2 hold_until_fail=0 gfp=noretry "
        "max_mib=700 wait=0 decision_probe=1 compact_probe=1\n"
        "state=stopped stop_reason=unloaded attempted=2 succeeded=1 failed=1 held_peak=1\n"
        "records=2\ni=0 ok=1 latency_ns=1234 pfn=123456 decided=0 attempts=0 frag_pct=0\n"
        "i=1 ok=0 latency_ns=98765 pfn=0 decided=1 attempts=2 frag_pct=97\n"
        "end records=2\n"
    )

    assert (records.order, records.gfp, records.state) == (10, "noretry", "stopped")
    assert [record.latency_ns for record in records.allocations] == [1234, 98765]
    assert [record.succeeded for record in records.allocations] == [True, False]


def test_frag_pct_and_unusable_index_round_down() -> None:
    assert frag_pct([area(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)], Order(3)) == 0
    assert frag_pct([area(2, 0, 0, 1), area(0, 0, 0, 1)], Order(3)) == 11
    assert frag_pct([area()], Order(3)) == 0
    assert unusable_index(area(), Order(3)) == 1000
    assert unusable_index(area(2, 0, 0, 2), Order(3)) == 111


@given(blocks=BLOCKS, cutoff=st.sampled_from(ORDERS))
def test_both_metrics_agree_where_memory_is_free(blocks: tuple[int, ...], cutoff: Order) -> None:
    zone = FreeArea(node=0, zone="DMA32", blocks=blocks)
    pct = frag_pct([zone], cutoff)

    assert 0 <= pct <= 100
    if zone.free_pages:
        assert pct == unusable_index(zone, cutoff) // 10


def test_orders_and_blocks_convert() -> None:
    assert block_pages(Order(10), 3) == 3072
    assert blocks_within(3, Order(10), Order(9)) == 6
    assert blocks_within(3, Order(9), Order(10)) == 0
    with pytest.raises(RecordError):
        order_of(11, "test")

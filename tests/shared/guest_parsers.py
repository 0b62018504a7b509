# SPDX-License-Identifier: GPL-2.0-only
"""Parsers of what guests write, each with texts that it reads: see parsers.py."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

from read_bytes import DATA, Parser, parser, texts

from harness.errors import HarnessError
from harness.host import standstill, status_channel
from harness.texts.alarms import loss
from harness.texts.alarms.monitor_events import parse_events
from harness.texts.guest.alloc_cost import parse_cost
from harness.texts.guest.background import parse_background
from harness.texts.guest.background_load import parse_background_load
from harness.texts.guest.burst_view import COUNTERS, parse_burst_view
from harness.texts.guest.cross_check import parse_cross_check, parse_decisions
from harness.texts.guest.free_dump import parse_free_dump
from harness.texts.guest.guest_report import parse_guest_report
from harness.texts.guest.huge_page_burst import parse_huge_page_burst
from harness.texts.guest.ktap import parse_ktap
from harness.texts.guest.later_demand import parse_later_demand
from harness.texts.guest.module_records import parse_module_records
from harness.texts.guest.reallocate import parse_reallocate
from harness.texts.guest.state_report import parse_state_report
from harness.texts.guest.torture import parse_torture
from harness.texts.guest.turns import parse_turns
from harness.texts.proc.buddy_monitor import parse_buddy_monitor
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.clock import parse_clock
from harness.texts.proc.file_pages import parse_file_pages
from harness.texts.proc.kernel_log import parse_console, parse_kernel_log
from harness.texts.proc.meminfo import parse_meminfo
from harness.texts.proc.monitor_details import (
    DETAIL_FILES,
    parse_monitor_details,
    parse_still,
    parse_unusable_index,
)
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.proc.sysctl import parse_sysctl
from harness.texts.proc.trace_hist import parse_trace_hist
from harness.texts.proc.vmstat import parse_vmstat
from harness.texts.proc.zoneinfo import parse_zoneinfo

_CROSS = DATA / "cross-check-5.15"
LOAD = """background_load 1
seed=1 attempts=1000000 held=64 period_us=1000 gfp=noretry
state=stopped done=2
order=0 attempts=1 failures=1 latency_ns_sum=5 latency_ns_max=5
order=1 attempts=0 failures=0 latency_ns_sum=0 latency_ns_max=0
order=2 attempts=1 failures=0 latency_ns_sum=8 latency_ns_max=8
order=3 attempts=0 failures=0 latency_ns_sum=0 latency_ns_max=0
order=5 attempts=0 failures=0 latency_ns_sum=0 latency_ns_max=0
end
"""
_BURST_VIEW = f"""cross_check burst 1
pageblock_order=9
samples=2 stride=1
time_ns requests {" ".join(COUNTERS)} nr_free_pages
0 0 5 100 200 7 0 1 900
90 2 6 180 260 70 3 1 400
frames stopped
zone node=0 name=DMA first_pfn=0 pageblocks=1 free=300 cached=2
U 300 2 9 100 100
frames burst
zone node=0 name=DMA first_pfn=0 pageblocks=1 free=300 cached=2
U 300 2 9 100 100
end
"""


def _packed(archive: str, member: str) -> str:
    """Return a file of an arm that was saved."""
    with tarfile.open(DATA / archive) as packed:
        file = packed.extractfile(member)
        assert file is not None
        return file.read().decode()


def _kernels(name: str) -> tuple[Path, ...]:
    return tuple(sorted(DATA.glob(f"kernel-*/{name}.txt")))


def _details(text: str) -> object:
    """Read a file of the monitor's as each of those that belong together."""
    whole = {name: (_CROSS / f"{name}.txt").read_text() for name in DETAIL_FILES}
    for name in whole:
        try:
            parse_monitor_details({**whole, name: text})
        except HarnessError:
            continue
    return None


def _loss(text: str) -> object:
    """Judge a console as that of a guest that ended, and one that did not."""
    return (
        loss.verdict(loss.Signs(console=text, exit_status=0)),
        loss.verdict(loss.Signs(console=text, limit=loss.HANG)),
        loss.where_the_boot_stood(text),
        loss.before_traces(text),
    )


GUEST: Mapping[str, Parser] = {
    "alloc_cost": texts(
        parse_cost,
        "pair order=0 pairs=200 failed=0 loop_ns=808000 empty_ns=8000\npair slowpath=0\n",
    ),
    "background": texts(parse_background, "background 1\nkind=faults pages=2048 rounds=2\nend\n"),
    "background_load": texts(
        parse_background_load, _packed("kinds/thp.tar.gz", "background_load"), LOAD
    ),
    "buddy_monitor": texts(parse_buddy_monitor, *_kernels("buddy_monitor")),
    "buddyinfo": texts(parse_buddyinfo, *_kernels("buddyinfo")),
    "burst_view": texts(parse_burst_view, _BURST_VIEW),
    "clock": texts(parse_clock, *_kernels("time")),
    "console": texts(parse_console, *sorted(DATA.glob("console-*.log"))),
    "cross_check": texts(parse_cross_check, *_kernels("cross_check")),
    "decisions": texts(parse_decisions, *_kernels("decisions")),
    "file_pages": texts(parse_file_pages, *_kernels("zoneinfo")),
    "free_dump": texts(parse_free_dump, *_kernels("free")),
    "guest_report": texts(parse_guest_report, "uname_r=5.15.180\nmodule_srcversion=0123\n"),
    "hist_alloc": texts(
        lambda text: parse_trace_hist(text, keys=("order",)), *_kernels("hist_alloc")
    ),
    "hist_compact": texts(
        lambda text: parse_trace_hist(text, keys=("order", "prio")), *_kernels("hist_compact")
    ),
    "huge_page_burst": texts(
        parse_huge_page_burst,
        *(_packed(f"kinds/{kind}.tar.gz", "requests") for kind in ("thp", "mthp", "hugetlb")),
    ),
    "kernel_log": texts(parse_kernel_log, *_kernels("dmesg")),
    "ktap": texts(
        parse_ktap,
        "KTAP version 1\n1..2\n    # Subtest: a\n    1..1\n    # TEST: p\n    ok 1 b\nok 1 a\n"
        "# why not\nnot ok 2 - c # SKIP no room\n",
    ),
    "later_demand": texts(
        parse_later_demand, "later_demand 1\norder=9 attempts=256 failures=3\nend\n"
    ),
    "loss": texts(_loss, *sorted((DATA / "alarms/logs").glob("6.1-[no]*.log"))),
    "meminfo": texts(parse_meminfo, *_kernels("meminfo")),
    "monitor_events": parser(
        parse_events,
        b'{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", '
        b'"data": {"guest": true, "reason": "guest-reset"}}\r\n',
    ),
    "module_records": texts(parse_module_records, _packed("compare/off.tar.gz", "records")),
    "monitor_details": texts(_details, *sorted(_CROSS.glob("monitor_*"))),
    "pagetypeinfo": texts(parse_pagetypeinfo, *_kernels("pagetypeinfo")),
    "reallocate": texts(
        parse_reallocate,
        "reallocate 1\npages taken=1000 kept=500 churned=50\nround=0 free=5120 huge=2\nend\n",
    ),
    "registers": texts(
        standstill.parse_registers,
        "CPU#0\r\nRIP=ffffffff8150a3cb RFL=00000097 [--S-APC] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n",
    ),
    "state_report": texts(parse_state_report, *sorted((DATA / "states").glob("*/report.txt"))),
    "status": texts(
        status_channel.parse_line,
        "buddylab status 1",
        "buddylab ready uptime_s=1.25",
        "buddylab stage verify end exit=0",
        "buddylab failed stage=verify exit=1",
    ),
    "still": texts(parse_still, _CROSS / "still.txt"),
    "sysctl": texts(parse_sysctl, *_kernels("sysctl")),
    "torture": texts(parse_torture, *_kernels("torture")),
    "traced_cpus": parser(
        standstill.traced_cpus, b"[    1.0] CPU: 1 UID: 0 PID: 31 Comm: init Not tainted\n"
    ),
    "turns": texts(
        parse_turns,
        "turns 1\nschedule=3 cpus=1 events=7 order=00ff00ff00ff00ff\ncpu=0 events=7 expiries=4\n"
        "lasted_ns=4096 turns=3\nlasted_ns=8192 turns=1\nend\n",
    ),
    "unusable_index": texts(parse_unusable_index, _CROSS / "unusable_index.txt"),
    "vmstat": texts(parse_vmstat, *_kernels("vmstat")),
    "zoneinfo": texts(parse_zoneinfo, *_kernels("zoneinfo")),
}

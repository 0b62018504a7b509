# SPDX-License-Identifier: GPL-2.0-only
"""A whole run made of texts in the kernel's formats, small enough to break on purpose.

A 1 GiB guest with one CPU: zones DMA and DMA32, the six stages, a burst of 128 requests
of order 10 of which 40 needed compaction.
"""

import functools
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import synthetic_cross_checks

from harness.checks.registry import judge
from harness.record.key import (
    Provenance,
    ReplayKey,
    RunIdentity,
    plan_lines,
    run_identity,
)
from harness.record.run import RunRecord
from harness.record.saved_run import parse_run
from harness.report.document import encode_run
from harness.report.summary import summarise
from harness.texts.build.provides import parse_provides, provided
from harness.texts.build.series import parse_series
from harness.texts.proc.buddyinfo import FreeArea
from harness.values import (
    Accelerator,
    Counters,
    RunMode,
    StagePlan,
)

RELEASE = "5.15.180-buddylab"
SRCVERSION = "0123456789ABCDEF0123456"
STAGES = (
    ("verify", "uname -r; cat /proc/buddy_monitor"),
    ("baseline", "scripts/collect_metrics.sh baseline"),
    ("stress_ng", "stress-ng --vm 4 --vm-bytes 70% --timeout 5s"),
    ("fragment_stress", "bash scripts/run_fragment_experiment.sh 700 2"),
    ("high_order_early", "bash scripts/run_high_order_module_test.sh 10 16 0 0 8 0"),
    ("high_order_final", "bash scripts/run_high_order_module_test.sh 10 128 0 0 128 1"),
)
FREE_DMA = (2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2)
FREE_WHOLE = (120, 80, 60, 40, 30, 20, 10, 8, 6, 4, 200)
FREE_COMB = (90000, 30000, 4000, 300, 20, 10, 4, 2, 1, 1, 60)
PATCHES = tuple(f"{number:04}-mm.patch" for number in range(1, 13))
Files = dict[str, bytes]


def pages(blocks: tuple[int, ...]) -> int:
    return sum(count << order for order, count in enumerate(blocks))


def buddyinfo(dma32: tuple[int, ...]) -> str:
    return "".join(
        f"Node 0, zone {zone:>8} " + "".join(f"{count:6} " for count in blocks) + "\n"
        for zone, blocks in (("DMA", FREE_DMA), ("DMA32", dma32))
    )


def pagetypeinfo(dma32: tuple[int, ...]) -> str:
    types = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate")
    text = "Page block order: 9\nPages per block:  512\n\n"
    text += f"{'Free pages count per migrate type at order':<43} "
    text += "".join(f"{order:6} " for order in range(11)) + "\n"
    for zone, blocks in (("DMA", FREE_DMA), ("DMA32", dma32)):
        for name in types:
            text += f"Node {0:4}, zone {zone:>8}, type {name:>12} "
            counts = blocks if name == "Movable" else (0,) * 11
            text += "".join(
                f"{'>' if count >= 100000 else ''}{min(count, 100000):6} " for count in counts
            )
            text += "\n"
    text += f"\n{'Number of blocks type ':<23}" + "".join(f"{name:>12} " for name in types) + "\n"
    for zone, total in (("DMA", 8), ("DMA32", 504)):
        row = (2, total - 2, 0, 0, 0)
        text += f"Node 0, zone {zone:>8} " + "".join(f"{count:12} " for count in row) + "\n"
    return text


def zone(name: str, free: int, size: int, protection: str, *, populated: bool = True) -> str:
    text = f"Node 0, zone {name:>8}"
    if name == "DMA":
        text += "\n  per-node stats\n      nr_inactive_anon 21\n      nr_foll_pin_acquired 0"
    text += f"\n  pages free     {free}\n        min      {size // 100}"
    text += f"\n        low      {size // 80}\n        high     {size // 60}"
    text += f"\n        spanned  {size}\n        present  {size}\n        managed  {size}"
    text += f"\n        cma      0\n        protection: ({protection})"
    if not populated:
        return text + "\n"
    text += f"\n      nr_free_pages {free}\n      nr_zone_inactive_anon 0\n      nr_mlock     0"
    text += "\n  pagesets\n    cpu: 0\n              count: 12\n              high:  62"
    text += "\n              batch: 15\n  vm stats threshold: 12"
    return text + "\n  node_unreclaimable:  0\n  start_pfn:           1\n"


def zoneinfo(dma32: tuple[int, ...]) -> str:
    return (
        zone("DMA", pages(FREE_DMA), 3998, "0, 960, 960, 960")
        + zone("DMA32", pages(dma32) + 5, 258048, "0, 0, 0, 0")
        + zone("Normal", 0, 0, "0, 0, 0, 0", populated=False)
        + zone("Movable", 0, 0, "0, 0, 0, 0", populated=False)
    )


def vmstat(free: int, stall: int, success: int) -> str:
    return (
        f"nr_free_pages {free}\npgalloc_dma32 {stall * 99}\noom_kill 0\n"
        f"compact_migrate_scanned {stall * 900}\ncompact_free_scanned {stall * 1200}\n"
        f"compact_isolated {stall * 300}\ncompact_stall {stall}\n"
        f"compact_fail {stall - success}\ncompact_success {success}\n"
        "compact_daemon_wake 0\nnr_unstable 0\n"
    )


def monitor(state: synthetic_cross_checks.State, frag_pct: int) -> str:
    rows = ["order req success fail slowpath compact adaptive frag_pct"]
    for order in range(11):
        counts = (state.slowpath[order], state.compact[order], state.adaptive[order])
        shown = (order, state.req[order], state.success[order], 0, *counts)
        rows.append(f"{' '.join(str(value) for value in shown)} {frag_pct if order == 10 else 0}")
    return "\n".join(rows) + "\n"


def snapshot(step: int, dma32: tuple[int, ...], burst: tuple[int, ...], stall: int) -> Files:
    req, slowpath, compact, adaptive, frag_pct = burst
    requests = (*((step + 1) * (100000 >> order) for order in range(10)), req)
    state = synthetic_cross_checks.State(
        req=requests,
        success=(requests[0] - 1, *requests[1:]),
        slowpath=synthetic_cross_checks.only_largest(slowpath),
        compact=synthetic_cross_checks.only_largest(compact),
        adaptive=synthetic_cross_checks.only_largest(adaptive),
        stall=stall,
        zones=(
            FreeArea(node=0, zone="DMA", blocks=FREE_DMA),
            FreeArea(node=0, zone="DMA32", blocks=dma32),
        ),
    )
    texts = synthetic_cross_checks.texts(state) | {
        "buddyinfo": buddyinfo(dma32),
        "buddy_monitor": monitor(state, frag_pct),
        "pagetypeinfo": pagetypeinfo(dma32),
        "zoneinfo": zoneinfo(dma32),
        "vmstat": vmstat(pages(dma32) + pages(FREE_DMA), stall, stall),
        "meminfo": f"MemTotal:        {1008000} kB\nMemFree:         {pages(dma32) * 4} kB\n"
        f"MemAvailable:    {pages(dma32) * 4} kB\n",
        "dmesg": f"[    0.000000] Linux version {RELEASE} (gcc) #1 SMP\n"
        "[    0.812345] high_order_test: loading out-of-tree module taints kernel.\n",
        "sysctl": "vm.adaptive_compaction_cutoff=3\nvm.adaptive_compaction_min_order=3\n"
        "vm.adaptive_compaction_mode=2\nvm.adaptive_compaction_threshold=50\n"
        "vm.extfrag_threshold=500\nvm.lowmem_reserve_ratio=256\t256\t32\t0\n",
        "time": f"realtime_s={1767225600 + step} monotonic_ns={(step + 1) * 1_500_000_000} "
        "clocksource=tsc\n",
    }
    return {name: text.encode() for name, text in texts.items()}


def records(requests: int, most_held: int, hold_until_fail: int) -> str:
    lines = "".join(
        f"i={i} ok=1 latency_ns={1000 + i} pfn={1024 * (i + 1)} decided=0 attempts=0 frag_pct=0\n"
        for i in range(requests)
    )
    return (
        f"high_order_test 2\norder=10 requests={requests} hold_ms=0 delay_ms=0 "
        f"most_held={most_held} hold_until_fail={hold_until_fail} gfp=kernel max_mib=700 "
        "wait=0 decision_probe=1 compact_probe=1\n"
        f"state=done stop_reason=requests_done attempted={requests} succeeded={requests} failed=0 "
        f"held_peak={most_held}\nrecords={requests}\n{lines}end records={requests}\n"
    )


# Per stage: free blocks before and after, the burst order's req, slowpath, compact, adaptive
# and frag_pct before and after, and compact_stall before and after.
_WENT = {
    "verify": (FREE_WHOLE, FREE_WHOLE, (1, 0, 0, 0, 0), (1, 0, 0, 0, 0), 0, 0),
    "baseline": (FREE_WHOLE, FREE_WHOLE, (1, 0, 0, 0, 0), (1, 0, 0, 0, 0), 0, 0),
    "stress_ng": (FREE_WHOLE, FREE_WHOLE, (1, 0, 0, 0, 0), (1, 0, 0, 0, 0), 0, 0),
    "fragment_stress": (FREE_WHOLE, FREE_WHOLE, (1, 0, 0, 0, 0), (1, 0, 0, 0, 0), 0, 0),
    "high_order_early": (FREE_WHOLE, FREE_WHOLE, (1, 0, 0, 0, 0), (17, 0, 0, 0, 0), 0, 0),
    "high_order_final": (FREE_COMB, FREE_WHOLE, (17, 0, 0, 0, 0), (145, 40, 40, 38, 71), 0, 39),
}


def stage(name: str) -> Files:
    return dict(_stage(name))


@functools.cache
def _stage(name: str) -> Files:
    step = 2 * list(_WENT).index(name)
    free_before, free_after, burst_before, burst_after, stall_before, stall_after = _WENT[name]
    files = {
        "command": f"{dict(STAGES)[name]}\n".encode(),
        "output": f"ran {name}\n".encode(),
        "exit_status": b"0\n",
    }
    if name == "verify":
        files["output"] = f"uname_r={RELEASE}\nmodule_srcversion={SRCVERSION}\n".encode()
    if name == "high_order_early":
        files["records"] = records(16, 8, 0).encode()
    if name == "high_order_final":
        files["prepare"] = b"700 MiB fragmented\n"
        files["records"] = records(128, 128, 1).encode()
    before = snapshot(step, free_before, burst_before, stall_before)
    after = snapshot(step + 1, free_after, burst_after, stall_after)
    files |= {f"before/{path}": data for path, data in before.items()}
    files |= {f"after/{path}": data for path, data in after.items()}
    return with_sums(files)


def with_sums(files: Mapping[str, bytes]) -> Files:
    listed = {path: data for path, data in files.items() if path != "sha256sums"}
    sums = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(listed.items())
    )
    return listed | {"sha256sums": sums.encode()}


def whole_run() -> dict[str, Files]:
    return {name: stage(name) for name, _command in STAGES}


def without(*prefixes: str) -> dict[str, Files]:
    """Return the run without the files of its snapshots whose names begin so."""
    return {
        name: with_sums(
            {
                path: data
                for path, data in files.items()
                if not path.partition("/")[2].startswith(prefixes)
            }
        )
        for name, files in whole_run().items()
    }


def broken(name: str, path: str, pattern: str, replacement: str) -> dict[str, Files]:
    """Return the run with one text changed and its digests made to fit again."""
    run = whole_run()
    old = run[name][path].decode()
    new = re.sub(pattern, replacement, old, count=1, flags=re.MULTILINE)
    assert new != old, f"{pattern} is not in {path}"
    run[name] = with_sums(run[name] | {path: new.encode()})
    return run


def key() -> ReplayKey:
    return ReplayKey(
        vmlinux_digest="e" * 64,
        initramfs_digest="0" * 64,
        qemu_version="7.2.0",
        qemu_digest="3" * 64,
        firmware_digest="1" * 64,
        mode=RunMode.REPEATABLE,
        accelerator=Accelerator.TCG,
        memory_mib=1024,
        cpus=1,
        icount_shift=3,
        seed=1,
        cross_checks=True,
        page_owner=False,
        sysctls=(),
        machine="q35 -icount shift=3,sleep=off",
        kernel_command_line="nokaslr norandmaps panic=-1",
        plan=plan_lines(planned()),
    )


# Of so many first patches of ours as the made-up ones are.
_SERIES = Path(__file__).parents[2] / "patches/series"
_OURS = parse_series((_SERIES / "series").read_bytes())
_PROVIDES = parse_provides((_SERIES / "provides.toml").read_bytes(), _OURS)


def provenance(patches: tuple[str, ...] = PATCHES) -> Provenance:
    return Provenance(
        project_version="0.1.0",
        project_commit="4" * 40,
        kernel_release=RELEASE,
        kernel_origin="5.15.180",
        source_digest="a" * 64,
        page_alloc_blob="b" * 40,
        page_alloc_upstream=True,
        series_name="linux-5.15",
        series_digest="c" * 64,
        patches=patches,
        provides=provided(_PROVIDES, _OURS[: len(patches)]),
        counters=Counters.PERCPU,
        config_digest="d" * 64,
        compiler="gcc (Debian 12.2.0-14) 12.2.0",
        module_digest="f" * 64,
        module_srcversion=SRCVERSION,
        packages=("bash=5.2", "busybox-static=1.35"),
        initramfs_bytes=31457280,
    )


def planned() -> tuple[StagePlan, ...]:
    return tuple(
        StagePlan(
            name=name,
            command=command,
            prepare="fragment 700" if name == "high_order_final" else "",
            cleanup="",
            deadline_s=60,
            note="why",
        )
        for name, command in STAGES
    )


def identity(patches: tuple[str, ...] = PATCHES, scale: str = "small") -> RunIdentity:
    return run_identity(key(), provenance(patches), planned(), scale=scale)


def parsed(run: Mapping[str, Mapping[str, bytes]] | None = None) -> RunRecord:
    return _whole() if run is None else parse_run(run, identity())


@functools.cache
def _whole() -> RunRecord:
    return parse_run(whole_run(), identity())


def document() -> str:
    run = parsed()
    return encode_run(summarise(run, judge(run)))

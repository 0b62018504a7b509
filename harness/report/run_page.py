# SPDX-License-Identifier: GPL-2.0-only
"""A judged run as a page: the paper's tables beside ours, the checks, the key."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from harness.checks.base import CheckResult, Status
from harness.report.document import BurstFigures, Run, RunStage, Verdict
from harness.report.identity import kernel_sentence, kernel_warnings
from harness.report.reconciliation import reconciliation_section
from harness.report.screen import run_screen
from harness.report.sections import paper_sections
from harness.report.served import served_section
from harness.texts.proc.sysctl import Policy
from harness.writers.page import Page, Section, Table, cell, table
from harness.writers.words import counted

_NS_PER_US = 1_000
_NS_PER_S = 1_000_000_000
_BYTES_PER_MIB = 1 << 20
_PREDICTED = "Predicted and observed"
_PAGES_SCANNED = "pages scanned for migration"
_BLOCK_NOTE = (
    "A block of order k is 2^k contiguous pages of 4096 bytes; order 10 (4 MiB) is the largest."
)
_LEAD = (
    "A Linux kernel was patched to count what its page allocator does, and to compact memory with "
    "higher priority if free memory is fragmented. It was booted in a virtual machine and ran the "
    "workloads of a paper. Its counters were read before and after each workload. This report "
    "shows the paper's tables beside the measured numbers, and the result of each check on them."
)


def run_page(run: Run, logs: Mapping[str, str] = MappingProxyType({})) -> Page:
    """Return the page of a judged run; `logs` are its kernel's logs by name, if they are there."""
    ours = _our_sections(run)
    steps = served_section(run)
    reconciled, papers, replay = reconciliation_section(run), paper_sections(run), _replay(run)
    rows = prediction_rows(run)
    return Page(
        title="buddylab: one run, judged",
        lead=(_LEAD,),
        verdict=_verdict(run),
        warnings=kernel_warnings(run),
        sections=(
            Section(
                title="What ran",
                tables=(_facts(run),),
                notes=(_BLOCK_NOTE,),
            ),
            Section(
                title="Headline",
                shows="Whether a burst of requests for the largest blocks, more than were free, "
                "was served, and how often the kernel had to compact memory for it.",
                points=_headline(run),
            ),
            *ours,
            steps,
            reconciled,
            *papers,
            *_check_sections(run),
            replay,
        ),
        screen=run_screen(
            run,
            predicted=table(PREDICTION_HEAD, rows) if rows else None,
            steps=steps,
            ours=(*(one for one in ours if one.title != _PREDICTED), reconciled),
            papers=papers,
            key=replay,
            logs=logs,
        ),
    )


def _check_sections(run: Run) -> Iterator[Section]:
    yield Section(
        title="Checks",
        shows="What must hold for the numbers above to be valid, and the numbers compared.",
        tables=(
            table(
                ("check", "result", "why it must hold"),
                ((check.name, _status(check), check.why) for check in run.checks),
            ),
        ),
    )
    for check in run.checks:
        yield Section(
            title=f"{check.name}: {_status(check)}",
            points=tuple(cell(detail) for detail in check.details),
            level=3,
        )


def _status(check: CheckResult) -> str:
    return check.status.replace("_", " ")


def _replay(run: Run) -> Section:
    return Section(
        title="Replay key",
        shows="The key covers everything that executed: a repeatable run with the same key gives "
        "the same bytes. Below it is the provenance, which is not compared, and the digests of the "
        "raw texts that this report was made from.",
        tables=(
            table(("part of the key", "value"), _key_rows(run)),
            table(("part", "value"), _provenance_rows(run)),
            table(
                ("stage", "sha256 of its raw texts"),
                (
                    *((stage.name, stage.raw_digest) for stage in run.stages),
                    ("all stages", run.raw_digest),
                ),
            ),
        ),
    )


def _verdict(run: Run) -> str:
    failed = [check.name for check in run.checks if check.status is Status.FAILED]
    if run.verdict is Verdict.ALL_HOLD:
        return "All checks hold."
    return f"{len(failed)} of {len(run.checks)} checks failed: {', '.join(failed)}."


def _facts(run: Run) -> Table:
    key, origin = run.key, run.provenance
    footprint = origin.initramfs_bytes / _BYTES_PER_MIB
    return table(
        ("what", "value"),
        (
            ("kernel used", kernel_sentence(run)),
            (
                "patches",
                f"{len(origin.patches)} of series {origin.series_name}"
                if origin.patches
                else "none",
            ),
            ("compiler", origin.compiler),
            ("how it ran", f"{key.mode}, {key.accelerator}, QEMU {key.qemu_version}"),
            ("guest", f"{key.memory_told}, {counted(key.cpus, 'CPU')}, scale {run.scale}"),
            ("memory managed by the kernel", f"{run.memory_total_kib} KiB"),
            (
                "guest image",
                f"{footprint:.1f} MiB unpacked, which is not available to the guest",
            ),
            ("clocksource", run.clocksource),
        ),
    )


def _headline(run: Run) -> tuple[str, ...]:
    if run.headline is None:
        return ("This run has no final burst with a monitor to read it by.",)
    return run.headline.sentences


def _our_sections(run: Run) -> tuple[Section, ...]:
    return (
        Section(
            title="The stages",
            shows="The stages in order. Snapshots of the kernel's counters are taken before and "
            "after each.",
            tables=(
                table(
                    (
                        "stage",
                        "purpose",
                        "preparation",
                        "command",
                        "exit status",
                        "guest s",
                        "policy",
                    ),
                    (
                        (
                            stage.name,
                            stage.note,
                            f"`{stage.prepare}`" if stage.prepare else "-",
                            f"`{stage.command}`",
                            stage.exit_status,
                            f"{stage.guest_ns / _NS_PER_S:.3f}",
                            _policy(stage.before.policy),
                        )
                        for stage in run.stages
                    ),
                ),
            ),
        ),
        *_prediction_sections(run),
        _latency_section(run),
        Section(
            title="The kernel's own compaction counters",
            shows="What /proc/vmstat counted of each stage's compactions.",
            tables=(table(_COMPACTION_HEAD, (_compaction_row(stage) for stage in run.stages)),),
        ),
    )


def _prediction_sections(run: Run) -> tuple[Section, ...]:
    rows = prediction_rows(run)
    if not rows:
        return ()
    return (
        Section(
            title=_PREDICTED,
            shows="By how much the counters of each burst would rise, computed while the guest was "
            "paused right before the first request, and by how much they did.",
            tables=(table(PREDICTION_HEAD, rows),),
            notes=("A single number is exact; for a range, the last column says why.",),
        ),
    )


PREDICTION_HEAD = ("stage", "counter", "predicted", "observed", "holds", "why not exact")


def prediction_rows(run: Run) -> tuple[tuple[object, ...], ...]:
    """Return a row for each counter that was predicted."""
    return tuple(
        (
            stage.name,
            each.counter,
            each.low if each.low == each.high else f"{each.low:,}..{each.high:,}",
            each.observed,
            "hit" if each.hit else "miss",
            each.reason,
        )
        for stage in run.stages
        for each in stage.predicted
    )


_COMPACTION_HEAD = (
    "stage",
    "stalls",
    "success",
    "fail",
    _PAGES_SCANNED,
    "pages scanned for free space",
    "frag_pct before",
    "frag_pct after",
)


def _compaction_row(stage: RunStage) -> tuple[object, ...]:
    compaction = stage.compaction
    return (
        stage.name,
        compaction.stall,
        compaction.success,
        compaction.fail,
        compaction.migrate_scanned,
        compaction.free_scanned,
        stage.before.frag_pct,
        stage.after.frag_pct,
    )


def _policy(policy: Policy | None) -> str:
    if policy is None:
        return "none"
    return (
        f"{policy.mode.name.lower()}, above {policy.threshold_pct} % below order {policy.cutoff}, "
        f"from order {policy.min_order}"
    )


def _latency_section(run: Run) -> Section:
    return Section(
        title="Latency of the bursts",
        shows="How long a burst's requests took, in microseconds of the guest's clock.",
        tables=(
            table(
                ("stage", "order", "gfp", "requests", "min", "median", "p95", "p99", "max"),
                (
                    (stage.name, *_latency_cells(stage.burst))
                    for stage in run.stages
                    if stage.burst is not None
                ),
            ),
        ),
        notes=tuple(_latency_notes(run)),
    )


def _latency_cells(burst: BurstFigures) -> tuple[object, ...]:
    latencies = burst.latencies
    if latencies is None:
        return (burst.order, burst.gfp, burst.attempted, *("-",) * 5)
    return (
        burst.order,
        burst.gfp,
        burst.attempted,
        *(
            f"{value / _NS_PER_US:,.1f}"
            for value in (
                latencies.min_ns,
                latencies.median_ns,
                latencies.p95_ns,
                latencies.p99_ns,
                latencies.max_ns,
            )
        ),
    )


def _latency_notes(run: Run) -> Iterator[str]:
    yield f"The guest's clocksource was {run.clocksource}; percentiles are the nearest rank."
    if run.key.icount_shift is not None:
        yield (
            "In this mode the guest's clock counts instructions: latencies are exact and "
            "repeatable, but they are not what a real machine would need."
        )


def _key_rows(run: Run) -> Iterator[tuple[str, str]]:
    key = run.key
    yield "digest of all", run.key_digest
    yield "vmlinux", key.vmlinux_digest
    yield "guest image", key.initramfs_digest
    yield "mode", f"{key.mode}, {key.accelerator}, icount shift {_or_none(key.icount_shift)}"
    yield "QEMU", f"{key.qemu_version}, {key.qemu_digest}"
    yield "firmware", key.firmware_digest
    yield "machine", f"`{key.machine}`"
    yield "kernel command line", f"`{key.kernel_command_line}`"
    yield "memory and CPUs", f"{key.memory_told}, {key.cpus}"
    yield "seed", str(key.seed)
    yield "stages", f"{len(key.plan)}, as listed above with what they ran"


def _provenance_rows(run: Run) -> Iterator[tuple[str, str]]:
    origin = run.provenance
    yield "buddylab", f"{origin.project_version}, commit {origin.project_commit}"
    yield "kernel", f"{origin.kernel_release} from {origin.origin_told}"
    yield "source", origin.source_digest
    yield "series", f"{origin.series_name} {origin.series_digest}"
    yield "patches", ", ".join(origin.patches) or "none"
    yield "configuration", f"{origin.config_digest}, counters {origin.counters}"
    yield "compiler", origin.compiler
    yield "module", f"{origin.module_digest}, srcversion {origin.module_srcversion}"
    yield "packages", ", ".join(origin.packages) or "none"
    yield "guest image", f"{origin.initramfs_bytes} bytes"
    yield "scale", run.scale


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)

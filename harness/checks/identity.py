# SPDX-License-Identifier: GPL-2.0-only
"""The right kernel and module ran, every command ended well, and nothing broke."""

from collections.abc import Iterator

from harness.checks.base import Check, Comparison
from harness.record.run import RunRecord
from harness.texts.proc.kernel_log import KernelLog
from harness.texts.text import shown

_BUGS_SHOWN = 5
# What vm/guest/scripts/run_stage.sh reports for a command it had to end.
DEADLINE_PASSED = 124


def _right_release(run: RunRecord) -> Iterator[Comparison]:
    yield Comparison(
        holds=run.guest.uname_r == run.provenance.kernel_release,
        text=f"uname -r says {run.guest.uname_r}, built was {run.provenance.kernel_release}",
    )


def _right_module(run: RunRecord) -> Iterator[Comparison]:
    yield Comparison(
        holds=run.guest.module_srcversion == run.provenance.module_srcversion,
        text=f"the loaded module has srcversion {run.guest.module_srcversion}, built was "
        f"{run.provenance.module_srcversion}",
    )


def _commands_ended_well(run: RunRecord) -> Iterator[Comparison]:
    for stage in run.stages:
        yield Comparison(
            holds=stage.exit_status == 0,
            text=f"{stage.name}: exit status {stage.exit_status}"
            f"{' (its deadline passed)' if stage.exit_status == DEADLINE_PASSED else ''} of "
            f"{shown(stage.command)}",
        )


def _log_is_clean(run: RunRecord) -> Iterator[Comparison]:
    logs = [(snapshot.label, snapshot.log) for snapshot in run.snapshots]
    if run.console is not None:
        logs.append(("console", run.console))
    for label, log in logs:
        yield from _judge_log(label, log)


def _judge_log(label: str, log: KernelLog) -> Iterator[Comparison]:
    for bug in log.bugs[:_BUGS_SHOWN]:
        yield Comparison(
            holds=False,
            text=f"{label} line {bug.line_number}: {bug.kind}: {shown(bug.message)}",
        )
    for off in log.watches_off[:_BUGS_SHOWN]:
        yield Comparison(
            holds=False,
            text=f"{label} line {off.line_number}: {off.kind}, what it would have seen from here "
            f"on is not told: {shown(off.message)}",
        )
    for killed in log.ours_killed[:_BUGS_SHOWN]:
        yield Comparison(
            holds=False,
            text=f"{label} line {killed.line_number}: {killed.kind}, what it was to do was not "
            f"done: {shown(killed.message)}",
        )
    beginning = "" if log.from_boot else " (its beginning is no longer there)"
    yield Comparison(
        holds=not (log.bugs or log.watches_off or log.ours_killed),
        text=f"{label}: {log.line_count} lines{beginning}, {len(log.bugs)} bugs or warnings, "
        f"{log.oom_kills} OOM kills, {log.allocation_failures} allocation failures reported",
    )


RANK = 10
CHECKS = (
    Check(
        name="kernel-is-the-one-built",
        why="numbers of another kernel say nothing about this one",
        judge=_right_release,
    ),
    Check(
        name="module-is-the-one-built",
        why="a module of another build may count or ask differently",
        judge=_right_module,
    ),
    Check(
        name="every-command-ended-with-0",
        why="a failed workload did not do what its stage is for",
        judge=_commands_ended_well,
    ),
    Check(
        name="kernel-log-is-clean",
        why="after an oops, a lockup or a warning no number can be trusted",
        judge=_log_is_clean,
    ),
)

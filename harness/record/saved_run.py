# SPDX-License-Identifier: GPL-2.0-only
"""A whole saved run as a RunRecord: every stage that the replay key names, and no other.

What one stage's texts show is harness.record.saved_stage's; here they are held to each other and
to the key. Absent, cut or altered data is a RecordError.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from harness.errors import RecordError
from harness.forecast.stored import FREE, StoredPrediction, parse_prediction
from harness.record.key import RunIdentity
from harness.record.run import RunRecord, Snapshot, StageRecord
from harness.record.saved_stage import lossy, parse_stage
from harness.texts.build.provides import MONITOR, debugfs
from harness.texts.guest.guest_report import GuestReport, parse_guest_report
from harness.texts.proc.kernel_log import parse_console
from harness.texts.proc.monitor_details import DETAIL_FILES, LAST_RESORT_FILE, OrderTable
from harness.texts.text import damaged, shown
from harness.values import StagePlan

VERIFY_STAGE = "verify"


def parse_run(
    stages: Mapping[str, Mapping[str, bytes]],
    identity: RunIdentity,
    *,
    console: bytes | None = None,
    predictions: Mapping[str, bytes] | None = None,
) -> RunRecord:
    """Parse a run from stage name -> (path inside the stage's directory -> content).

    RecordError if a stage of the key is absent or incomplete, one is there that the key
    does not name, a command is not the planned one, or the monitor is absent from a
    patched kernel, or a planned prediction is absent or not made of the stage's own texts.
    """
    planned = [plan.name for plan in identity.stages]
    if not planned or len(set(planned)) != len(planned):
        raise RecordError(f"the replay key names stages {planned}; name each once, at least one")
    for name in planned:
        if name not in stages:
            raise RecordError(f"{name}: the stage is absent; repeat the run")
    for name in stages:
        if name not in planned:
            raise RecordError(f"{shown(name)}: the replay key has no such stage; remove it")
    predicted = {} if predictions is None else predictions
    records = tuple(
        replace(
            parse_stage(stages[plan.name], name=plan.name),
            prediction=_prediction(plan, stages[plan.name], predicted),
        )
        for plan in identity.stages
    )
    for plan, record in zip(identity.stages, records, strict=True):
        _check_command(record, plan.command)
        if plan.prepare and "prepare" not in stages[plan.name]:
            raise damaged(plan.name, "the output of its preparation is absent")
    run = RunRecord(
        identity=identity,
        guest=_guest_report(records),
        stages=records,
        console=None if console is None else parse_console(lossy(console)),
    )
    _check_monitor(run)
    _check_details(run)
    _check_clock(run)
    return run


def _prediction(
    plan: StagePlan, texts: Mapping[str, bytes], predictions: Mapping[str, bytes]
) -> StoredPrediction | None:
    if plan.burst is None:
        return None
    content, free = (predictions.get(f"{plan.name}.{kind}") for kind in ("json", FREE))
    if content is None or free is None:
        raise RecordError(f"{plan.name}: its prediction is absent; run again")
    return parse_prediction(plan.name, plan.burst, content, texts, free)


def _guest_report(stages: tuple[StageRecord, ...]) -> GuestReport:
    for stage in stages:
        if stage.name == VERIFY_STAGE:
            return parse_guest_report(stage.output)
    raise RecordError(f"{VERIFY_STAGE}: the stage is absent, nothing says which kernel ran")


def _check_command(record: StageRecord, planned: str) -> None:
    if record.command.strip() != planned.strip():
        raise damaged(
            record.name,
            f"the guest ran {shown(record.command)}, the replay key says {shown(planned)}",
        )


def _check_monitor(run: RunRecord) -> None:
    absent = [snapshot.label for snapshot in run.snapshots if snapshot.monitor is None]
    if absent and (_can(run, MONITOR) or len(absent) != len(run.snapshots)):
        raise RecordError(
            f"{absent[0]}: buddy_monitor is absent although the kernel has it; repeat the run"
        )


def _check_details(run: RunRecord) -> None:
    """Refuse what some snapshots lack; a prefix of the series lacks some of debugfs in all."""
    kinds = (
        ("monitor_*", [snapshot.details is None for snapshot in run.snapshots]),
        (LAST_RESORT_FILE, [_last_resort(snapshot) is None for snapshot in run.snapshots]),
        ("cross_check", [snapshot.cross_checks is None for snapshot in run.snapshots]),
    )
    for name, absent in kinds:
        if any(absent) and not all(absent):
            label = run.snapshots[absent.index(True)].label
            raise RecordError(f"{label}: {name} is absent, other snapshots have it; repeat the run")
    first = run.snapshots[0]
    if first.details is None and _can(run, *map(_debugfs, DETAIL_FILES)):
        raise damaged(first.label, "monitor_* are absent although the kernel has them all")
    if _last_resort(first) is None and _can(run, _debugfs(LAST_RESORT_FILE)):
        raise damaged(first.label, f"{LAST_RESORT_FILE} is absent although the kernel has it")


def _can(run: RunRecord, *words: str) -> bool:
    return set(words) <= set(run.provenance.provides)


def _debugfs(saved: str) -> str:
    """Return what provides a file, from the name that a snapshot saves it by."""
    return debugfs(saved.removeprefix("monitor_"))


def _last_resort(snapshot: Snapshot) -> OrderTable | None:
    return None if snapshot.details is None else snapshot.details.last_resort


def _check_clock(run: RunRecord) -> None:
    for earlier, later in pairwise(run.snapshots):
        if later.clock.monotonic_ns <= earlier.clock.monotonic_ns:
            raise damaged(
                later.label,
                f"taken at {later.clock.monotonic_ns} ns, not after {earlier.label} at "
                f"{earlier.clock.monotonic_ns} ns",
            )

# SPDX-License-Identifier: GPL-2.0-only
"""What the module says of its requests fits itself and the monitor."""

from collections.abc import Iterable, Iterator

from harness.checks.base import Check, Comparison, NotApplicable, unmonitored
from harness.checks.counters import EXACT_FROM_ORDER
from harness.record.run import RunRecord, StageRecord
from harness.texts.guest.module_records import FINAL_STATES, ModuleRecords


def module_stages(run: RunRecord) -> tuple[tuple[StageRecord, ModuleRecords], ...]:
    """Return the stages in which the module ran, with its records."""
    return tuple((stage, stage.records) for stage in run.stages if stage.records is not None)


def _records_add_up(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    if not module_stages(run):
        return NotApplicable("no stage of this run loads the module")
    return (
        comparison
        for stage, records in module_stages(run)
        for comparison in _totals(stage, records)
    )


def _totals(stage: StageRecord, records: ModuleRecords) -> Iterator[Comparison]:
    listed = len(records.allocations)
    listed_ok = sum(1 for record in records.allocations if record.succeeded)
    yield Comparison(
        holds=records.attempted == records.succeeded + records.failed == listed,
        text=f"{stage.name}: attempted {records.attempted}, succeeded {records.succeeded} + failed "
        f"{records.failed}, {listed} records",
    )
    yield Comparison(
        holds=records.succeeded == listed_ok,
        text=f"{stage.name}: succeeded {records.succeeded}, {listed_ok} records say ok=1",
    )
    yield Comparison(
        holds=0 < records.attempted <= records.requests
        and records.held_peak <= min(records.most_held, records.succeeded),
        text=f"{stage.name}: attempted {records.attempted} of {records.requests} requests, held "
        f"{records.held_peak} of at most {records.most_held} blocks",
    )
    yield Comparison(
        holds=records.state in FINAL_STATES,
        text=f"{stage.name}: state {records.state}, final are {' and '.join(FINAL_STATES)}",
    )


def _monitor_saw_requests(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    absent = unmonitored(run)
    if absent:
        return absent
    stages = [
        (stage, records)
        for stage, records in module_stages(run)
        if records.order >= EXACT_FROM_ORDER
    ]
    if not stages:
        return NotApplicable(f"no stage asks the module for order {EXACT_FROM_ORDER} or more")
    return (_seen(stage, records) for stage, records in stages)


def _seen(stage: StageRecord, records: ModuleRecords) -> Comparison:
    delta = stage.deltas[records.order]
    return Comparison(
        holds=delta.req >= records.attempted
        and delta.success >= records.succeeded
        and delta.fail >= records.failed,
        text=f"{stage.name} order {records.order}: req rose by {delta.req} (module "
        f"{records.attempted}), success by {delta.success} (module {records.succeeded}), fail by "
        f"{delta.fail} (module {records.failed})",
    )


RANK = 40
CHECKS = (
    Check(
        name="module-records-add-up",
        why="each request of the module has a record, and the totals are the records' sums",
        judge=_records_add_up,
    ),
    Check(
        name="monitor-saw-every-module-request",
        why="requests of the module must appear in the kernel's counters",
        judge=_monitor_saw_requests,
    ),
)

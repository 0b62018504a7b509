# SPDX-License-Identifier: GPL-2.0-only
"""What needs no monitor: the module, the cross-check's probes, histograms and vmstat agree.

They hold on a kernel as it is, and there they are what shows that its events and counters can be
relied on.
"""

from collections.abc import Iterable, Iterator

from harness.checks.base import Check, Comparison, NotApplicable
from harness.checks.counters import EXACT_FROM_ORDER
from harness.checks.interval import (
    EXACT_ORDERS,
    Pair,
    compared,
    cross_checked,
    cross_checks_of,
)
from harness.checks.last_resort import last_resort_events
from harness.checks.module import module_stages
from harness.record.run import RunRecord, StageRecord
from harness.texts.guest.cross_check import CrossCheckSnapshot
from harness.texts.guest.module_records import ModuleRecords

_STALL = "compact_stall"


def _without_cross_checks(run: RunRecord) -> NotApplicable | None:
    return None if cross_checked(run) else NotApplicable("the run was made without cross-checks")


def instants(stage: StageRecord) -> tuple[CrossCheckSnapshot, CrossCheckSnapshot]:
    """Return what the probes had counted before and after; RecordError without them."""
    before, after = (cross_checks_of(snapshot).instant for snapshot in stage.snapshots)
    return before, after


def _events_match_records(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    if absent := _without_cross_checks(run):
        return absent
    found = [each for each in module_stages(run) if each[1].order >= EXACT_FROM_ORDER]
    if not found:
        return NotApplicable(f"no stage asks the module for order {EXACT_FROM_ORDER} or more")
    return (_seen(stage, records) for stage, records in found)


def _seen(stage: StageRecord, records: ModuleRecords) -> Comparison:
    before, after = instants(stage)
    order = records.order
    served = after.allocated[order] - before.allocated[order]
    refused = after.refused[order] - before.refused[order]
    return Comparison(
        holds=(served, refused) == (records.succeeded, records.failed),
        text=f"{stage.name} order {order}: mm_page_alloc was hit {served} times with a page and "
        f"{refused} times without, the module has {records.succeeded} and {records.failed}",
    )


def _probes_match_histograms(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return _without_cross_checks(run) or _both_counts(run)


def _both_counts(run: RunRecord) -> Iterator[Comparison]:
    for stage in run.stages:
        before, after = (cross_checks_of(snapshot) for snapshot in stage.snapshots)
        yield from compared(
            stage.name,
            "hits of mm_page_alloc by the probe and by its histogram",
            (
                Pair(
                    order,
                    after.instant.requests(order) - before.instant.requests(order),
                    after.allocations.count(order) - before.allocations.count(order),
                )
                for order in EXACT_ORDERS
            ),
        )
        yield from compared(
            stage.name,
            "hits of try_to_compact_pages by the probe and by its histogram",
            (
                Pair(
                    order,
                    after.instant.calls(order) - before.instant.calls(order),
                    after.calls_in_texts(order) - before.calls_in_texts(order),
                )
                for order in EXACT_ORDERS
            ),
        )


def _stalls_are_traced(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return _without_cross_checks(run) or (_stalls(run, stage) for stage in run.stages)


def _stalls(run: RunRecord, stage: StageRecord) -> Comparison:
    before, after = instants(stage)
    cleared = last_resort_events(run, stage, _STALL)
    stalls = after.events[_STALL] - before.events[_STALL] - cleared
    calls = sum(sum(row) for row in after.compact_calls) - sum(
        sum(row) for row in before.compact_calls
    )
    return Comparison(
        holds=stalls <= calls,
        text=f"{stage.name}: {_STALL} rose by {stalls} without the last resort, "
        f"try_to_compact_pages was hit {calls} times",
    )


RANK = 65
CHECKS = (
    Check(
        name="events-match-module-records",
        why="the kernel's own event tells of each request of the module, and of no other",
        judge=_events_match_records,
    ),
    Check(
        name="probes-match-histograms",
        why="two ways of counting the same trace events must agree",
        judge=_probes_match_histograms,
    ),
    Check(
        name="stalls-are-traced",
        why="compaction is traced before it can stall: skipped attempts alone have no stall",
        judge=_stalls_are_traced,
    ),
)

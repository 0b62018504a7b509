# SPDX-License-Identifier: GPL-2.0-only
"""The report's table of our counts beside what others in the kernel counted meanwhile."""

from harness.checks.interval import cross_check_count, in_flight, interruption, rise
from harness.record.run import StageRecord
from harness.report.document import Reconciliation, Run
from harness.texts.pages import ORDERS
from harness.writers.page import Section, table

_REQUESTS_HEAD = (
    "stage",
    "requests",
    "still in flight",
    "by bulk",
    "injected faults",
    "left for the event",
    "hits of mm_page_alloc",
    "difference",
)
_COMPACTIONS_HEAD = (
    "stage",
    "slowpath",
    "decisions",
    "attempts",
    "skipped",
    "stalls",
    "of them deferred",
    "compact_stall of vmstat",
    "hits of try_to_compact_pages",
    "full / light / async",
)


def reconciliation(stage: StageRecord) -> Reconciliation | None:
    """Return what a stage's counts rose by; None without debugfs or the cross-checks."""
    before, after = stage.before.cross_checks, stage.after.cross_checks
    if before is None or after is None or stage.after.details is None:
        return None
    old, new = before.instant, after.instant
    calls = tuple(
        sum(late) - sum(early)
        for early, late in zip(old.compact_calls, new.compact_calls, strict=True)
    )

    def risen(name: str) -> int:
        return sum(rise(stage, cross_check_count, name, order) for order in ORDERS)

    return Reconciliation(
        interruption=interruption(stage) or "",
        requests=risen("req"),
        requests_in_flight=sum(
            in_flight(stage.after, order) - in_flight(stage.before, order) for order in ORDERS
        ),
        bulk=risen("step_bulk"),
        injected=risen("fail_injected"),
        traced_requests=sum(new.allocated + new.refused) - sum(old.allocated + old.refused),
        slowpath=risen("slowpath"),
        decisions=sum(new.decisions) - sum(old.decisions),
        compact=risen("compact"),
        compact_skipped=risen("compact_skipped"),
        compact_stall=risen("compact_stall"),
        compact_deferred=risen("compact_deferred"),
        traced_compact=sum(calls),
        traced_by_priority=calls,
    )


def reconciliation_section(run: Run) -> Section:
    """Return the section; its tables are empty where the run has no cross-checks."""
    found = [(stage, stage.reconciliation) for stage in run.stages if stage.reconciliation]
    notes = [
        f"{stage.name}: {each.interruption}." for stage, each in found if each.interruption
    ] or ["The checks below have each order, and the texts compared with the cross-check."]
    shows = (
        "What the monitor counted in each stage, beside what the kernel's trace events and vmstat "
        "counted. Sums over all orders; both sides are read at the same two instants."
    )
    if not found:
        return Section(
            title="Reconciliation",
            shows=shows,
            notes=("This run has no cross-checks, or its kernel does not export the counts.",),
        )
    return Section(
        title="Reconciliation",
        shows=shows,
        tables=(
            table(_REQUESTS_HEAD, (_requests(stage.name, each) for stage, each in found)),
            table(
                _COMPACTIONS_HEAD,
                (
                    (
                        stage.name,
                        each.slowpath,
                        each.decisions,
                        each.compact,
                        each.compact_skipped,
                        each.compact_stall,
                        each.compact_deferred,
                        stage.compaction.stall,
                        each.traced_compact,
                        " / ".join(str(hits) for hits in each.traced_by_priority),
                    )
                    for stage, each in found
                ),
            ),
        ),
        notes=tuple(notes),
    )


def _requests(name: str, each: Reconciliation) -> tuple[object, ...]:
    left = each.requests - each.requests_in_flight - each.bulk - each.injected
    return (
        name,
        each.requests,
        each.requests_in_flight,
        each.bulk,
        each.injected,
        left,
        each.traced_requests,
        left - each.traced_requests,
    )

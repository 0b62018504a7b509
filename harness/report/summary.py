# SPDX-License-Identifier: GPL-2.0-only
"""From a parsed run and its judged checks to the document of run.json."""

from hashlib import sha256

from harness.checks.base import CheckResult
from harness.checks.forecast import predicted_counters
from harness.checks.headline import HEADLINE_STAGE, Headline, explain_headline
from harness.checks.registry import all_hold
from harness.record import schema
from harness.record.run import RunRecord, Snapshot, StageRecord
from harness.report.document import (
    BurstFigures,
    CompactionDelta,
    Latencies,
    PredictedCounter,
    Run,
    RunStage,
    StageSnapshot,
    Verdict,
)
from harness.report.reconciliation import reconciliation
from harness.report.served import served
from harness.texts.guest.module_records import ModuleRecords
from harness.texts.metrics import frag_pct
from harness.texts.pages import Order
from harness.values import StagePlan

# The paper's cutoff, for a kernel that has no knob to read it from.
_DEFAULT_CUTOFF = Order(3)
_WHOLE_PCT = 100


def summarise(run: RunRecord, checks: tuple[CheckResult, ...]) -> Run:
    """Return the document; RecordError if data it needs is absent."""
    last = run.snapshots[-1]
    clocks = {snapshot.clock.clocksource for snapshot in run.snapshots}
    plans = {plan.name: plan for plan in run.identity.stages}
    return Run(
        schema=schema.RUN.number,
        verdict=Verdict.ALL_HOLD if all_hold(checks) else Verdict.FAILED,
        raw_digest=sha256(
            "".join(f"{stage.digest}  {stage.name}\n" for stage in run.stages).encode()
        ).hexdigest(),
        key=run.key,
        key_digest=run.identity.digest,
        provenance=run.provenance,
        scale=run.scale,
        uname_r=run.guest.uname_r,
        module_srcversion=run.guest.module_srcversion,
        clocksource=" and ".join(sorted(clocks)),
        clocksource_is_fine=all(snapshot.clock.is_fine for snapshot in run.snapshots),
        memory_total_kib=last.meminfo.total_kib,
        stages=tuple(
            _stage(stage, plans[stage.name], monitored=run.monitored) for stage in run.stages
        ),
        headline=_headline(run),
        checks=checks,
    )


def latencies(values_ns: tuple[int, ...]) -> Latencies | None:
    """Return the nearest-rank percentiles of latencies in ns; None of nothing."""
    if not values_ns:
        return None
    ordered = sorted(values_ns)

    def rank(pct: int) -> int:
        return ordered[max(-(-len(ordered) * pct // _WHOLE_PCT), 1) - 1]

    return Latencies(
        min_ns=ordered[0],
        median_ns=rank(50),
        p95_ns=rank(95),
        p99_ns=rank(99),
        max_ns=ordered[-1],
    )


def _headline(run: RunRecord) -> Headline | None:
    if not run.monitored or all(stage.name != HEADLINE_STAGE for stage in run.stages):
        return None
    return explain_headline(run.stage(HEADLINE_STAGE))


def _stage(stage: StageRecord, plan: StagePlan, *, monitored: bool) -> RunStage:
    return RunStage(
        name=stage.name,
        command=stage.command,
        prepare=plan.prepare,
        note=plan.note,
        exit_status=stage.exit_status,
        raw_digest=stage.digest,
        guest_ns=stage.after.clock.monotonic_ns - stage.before.clock.monotonic_ns,
        before=_snapshot(stage.before),
        after=_snapshot(stage.after),
        deltas=stage.deltas if monitored else (),
        compaction=CompactionDelta(
            stall=stage.vmstat_delta("compact_stall"),
            success=stage.vmstat_delta("compact_success"),
            fail=stage.vmstat_delta("compact_fail"),
            migrate_scanned=stage.vmstat_delta("compact_migrate_scanned"),
            free_scanned=stage.vmstat_delta("compact_free_scanned"),
        ),
        burst=None if stage.records is None else _burst(stage.records),
        reconciliation=reconciliation(stage) if monitored else None,
        served=served(stage),
        predicted=tuple(
            PredictedCounter(
                counter=each.counter,
                low=each.forecast.low,
                high=each.forecast.high,
                reason=each.forecast.reason,
                observed=each.observed,
                hit=each.hit,
            )
            for each in predicted_counters(stage)
        ),
    )


def _snapshot(snapshot: Snapshot) -> StageSnapshot:
    policy = snapshot.sysctls.policy
    zones = snapshot.buddyinfo.zones
    return StageSnapshot(
        monitor=() if snapshot.monitor is None else snapshot.monitor.rows,
        free=zones,
        frag_pct=frag_pct(zones, _DEFAULT_CUTOFF if policy is None else policy.cutoff),
        available_kib=snapshot.meminfo.available_kib,
        oom_kills=snapshot.log.oom_kills,
        allocation_failures=snapshot.log.allocation_failures,
        policy=policy,
    )


def _burst(records: ModuleRecords) -> BurstFigures:
    return BurstFigures(
        order=records.order,
        requests=records.requests,
        hold_ms=records.hold_ms,
        delay_ms=records.delay_ms,
        most_held=records.most_held,
        hold_until_fail=records.hold_until_fail,
        gfp=records.gfp,
        stop_reason=records.stop_reason,
        attempted=records.attempted,
        succeeded=records.succeeded,
        failed=records.failed,
        held_peak=records.held_peak,
        latencies=latencies(tuple(record.latency_ns for record in records.allocations)),
    )

# SPDX-License-Identifier: GPL-2.0-only
"""run.json: a judged run, typed and versioned; no host path and no wall clock in it.

Two runs with equal inputs in repeatable mode give the same bytes. Counts are per order,
memory in pages or KiB, times in ns of the guest's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from harness.checks.base import CheckResult
from harness.checks.headline import Headline
from harness.encoding import UNREADABLE
from harness.errors import RecordError
from harness.record import schema
from harness.record.key import Provenance, ReplayKey
from harness.texts.pages import Order
from harness.texts.proc.buddy_monitor import MonitorDelta, MonitorRow
from harness.texts.proc.buddyinfo import FreeArea
from harness.texts.proc.sysctl import Policy


class Verdict(StrEnum):
    """The run in one word."""

    ALL_HOLD = "all_checks_hold"
    FAILED = "a_check_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Of all requests of a burst, in ns; percentiles are the nearest rank, never interpolated."""

    min_ns: int
    median_ns: int
    p95_ns: int
    p99_ns: int
    max_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstFigures:
    """The module's run in a stage: its parameters, its totals and its latencies."""

    order: Order
    requests: int
    hold_ms: int
    delay_ms: int
    most_held: int
    hold_until_fail: bool
    gfp: str
    stop_reason: str
    attempted: int
    succeeded: int
    failed: int
    held_peak: int
    latencies: Latencies | None  # None: no request was made


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionDelta:
    """What the kernel's own compaction events rose by in a stage (/proc/vmstat)."""

    stall: int
    success: int
    fail: int
    migrate_scanned: int
    free_scanned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What a stage's counts rose by, of all orders together, beside what others counted.

    From the cross-check module's two instants, so exact for every order.
    """

    interruption: str  # why the interval is not judged; empty: it is
    requests: int
    requests_in_flight: int  # change from one instant to the other
    bulk: int
    injected: int
    traced_requests: int  # hits of kmem:mm_page_alloc
    slowpath: int
    decisions: int
    compact: int
    compact_skipped: int
    compact_stall: int
    compact_deferred: int
    traced_compact: int  # hits of compaction:mm_compaction_try_to_compact_pages
    traced_by_priority: tuple[int, ...]  # full, light, asynchronous


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedCounter:
    """What was said of a counter before the burst, and what came of it.

    A rise within low..high, or frag_pct afterwards; `reason` is empty where it was exact.
    """

    counter: str
    low: int
    high: int
    reason: str
    observed: int
    hit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A stage's requests of one order: how many each step served, how many failed for each reason.

    Names are the kernel's (harness.items), without `step_` and `fail_`; what is 0 is left out.
    """

    order: Order
    steps: Mapping[str, int]
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSnapshot:
    """What the report needs of a snapshot; `frag_pct` is from buddyinfo with the policy's cutoff.

    `monitor` is empty on a kernel without /proc/buddy_monitor.
    """

    monitor: tuple[MonitorRow, ...]
    free: tuple[FreeArea, ...]
    frag_pct: int
    available_kib: int
    oom_kills: int
    allocation_failures: int
    policy: Policy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStage:
    """One stage; `raw_digest` is sha256 over its raw texts' digests.

    `prepare` is the shell text run before the first snapshot, empty if there was none.
    """

    name: str
    command: str
    prepare: str
    note: str
    exit_status: int
    raw_digest: str
    guest_ns: int  # between the snapshots
    before: StageSnapshot
    after: StageSnapshot
    deltas: tuple[MonitorDelta, ...]  # empty without the monitor
    compaction: CompactionDelta
    burst: BurstFigures | None
    predicted: tuple[PredictedCounter, ...]  # empty where nothing was
    # None: a kernel that does not show its counts in debugfs, or no cross-check module
    reconciliation: Reconciliation | None = None
    served: tuple[Served, ...] = ()  # orders that were asked for; empty where debugfs has no steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything run.json says."""

    schema: int
    verdict: Verdict
    raw_digest: str  # of all stages
    key: ReplayKey
    key_digest: str
    provenance: Provenance
    scale: str
    uname_r: str
    module_srcversion: str
    clocksource: str
    clocksource_is_fine: bool  # False: latencies are multiples of a tick
    memory_total_kib: int
    stages: tuple[RunStage, ...]
    headline: Headline | None
    checks: tuple[CheckResult, ...]

    def stage(self, name: str) -> RunStage | None:
        """Return a stage by name, None if this run has none so named."""
        return next((stage for stage in self.stages if stage.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    schema: int


def encode_run(run: Run) -> str:
    """Return run.json: keys sorted, two spaces of indent, a newline at the end."""
    compact = msgspec.json.encode(run, order="sorted")
    return msgspec.json.format(compact, indent=2).decode() + "\n"


def decode_run(text: str) -> Run:
    """Read run.json; RecordError if it is cut short, of another schema or not what it claims."""
    try:
        schema.RUN.require(msgspec.json.decode(text, type=_Header).schema, "run.json")
        return msgspec.json.decode(text, type=Run)
    except UNREADABLE as error:
        raise RecordError(
            f"run.json: {error}; judge the run folder again with `buddylab check`"
        ) from error

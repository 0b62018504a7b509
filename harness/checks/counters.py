# SPDX-License-Identifier: GPL-2.0-only
"""The monitor's own arithmetic: every request has one outcome, counters only rise."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from harness.checks.base import Check, Comparison, NotApplicable, unmonitored
from harness.errors import RecordError
from harness.items import COUNTERS
from harness.record.run import RunRecord, Snapshot
from harness.texts.proc.buddy_monitor import MonitorRow

# Below this order a live kernel is never at rest: its own tasks, the reader's among them,
# ask for single pages, slabs and stacks (order up to 3, PAGE_ALLOC_COSTLY_ORDER) all the time.
EXACT_FROM_ORDER = 4
# A request is in flight on each CPU at most once in task context, and again for each task
# asleep in reclaim or compaction: kswapd, kcompactd, khugepaged and a few kworkers after
# the stage's own processes have ended. The reader sums success and fail before req.
SLEEPING_TASKS = 8
PERCENT_MAX = 100


def in_flight_bound(run: RunRecord) -> int:
    """Return how many requests of one order below EXACT_FROM_ORDER may be in flight."""
    return run.key.cpus + SLEEPING_TASKS


def _rows(run: RunRecord) -> Iterator[tuple[Snapshot, tuple[MonitorRow, ...]]]:
    for snapshot in run.snapshots:
        if snapshot.monitor is None:
            raise RecordError(f"{snapshot.label}: buddy_monitor is absent; repeat the run")
        yield snapshot, snapshot.monitor.rows


def _every_request_answered(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return unmonitored(run) or _accounting(run)


def _accounting(run: RunRecord) -> Iterator[Comparison]:
    bound = in_flight_bound(run)
    for snapshot, rows in _rows(run):
        for row in rows:
            limit = 0 if row.order >= EXACT_FROM_ORDER else bound
            if not 0 <= row.in_flight <= limit:
                yield Comparison(
                    holds=False,
                    text=f"{snapshot.label} order {row.order}: req {row.req} - success "
                    f"{row.success} - fail {row.fail} = {row.in_flight}, allowed 0..{limit}",
                )
        exact = [row for row in rows if row.order >= EXACT_FROM_ORDER]
        small = [row.in_flight for row in rows if row.order < EXACT_FROM_ORDER]
        in_flight = sum(row.in_flight for row in exact)
        yield Comparison(
            holds=in_flight == 0,
            text=f"{snapshot.label}: orders {EXACT_FROM_ORDER} to 10: req "
            f"{sum(row.req for row in exact)} = success {sum(row.success for row in exact)} + "
            f"fail {sum(row.fail for row in exact)} + {in_flight}; orders 0 to 3: in flight "
            f"{', '.join(str(each) for each in small)}, allowed 0..{bound}",
        )


def _counters_rise(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return unmonitored(run) or _monitor_monotony(run)


def _monitor_monotony(run: RunRecord) -> Iterator[Comparison]:
    for (earlier, old_rows), (later, new_rows) in pairwise(_rows(run)):
        fallen = 0
        for old, new in zip(old_rows, new_rows, strict=True):
            for name in COUNTERS:
                if new.counter(name) < old.counter(name):
                    fallen += 1
                    yield Comparison(
                        holds=False,
                        text=f"{earlier.label} -> {later.label} order {new.order}: {name} fell "
                        f"from {old.counter(name)} to {new.counter(name)}",
                    )
        yield Comparison(
            holds=fallen == 0,
            text=f"{earlier.label} -> {later.label}: {len(COUNTERS) * len(new_rows)} counters, "
            f"{fallen} fell; req of all orders rose by "
            f"{sum(row.req for row in new_rows) - sum(row.req for row in old_rows)}",
        )


def _compaction_events_rise(run: RunRecord) -> Iterator[Comparison]:
    for earlier, later in pairwise(run.snapshots):
        old, new = earlier.vmstat.compaction_events(), later.vmstat.compaction_events()
        if old.keys() != new.keys():
            raise RecordError(f"{later.label}: vmstat lists other compact_* counters; repeat it")
        fallen = [f"{name} {old[name]} to {new[name]}" for name in old if new[name] < old[name]]
        yield Comparison(
            holds=not fallen,
            text=f"{earlier.label} -> {later.label}: {len(old)} compact_* counters of vmstat, "
            f"{len(fallen)} fell{': ' if fallen else ''}{', '.join(fallen)}",
        )


def _parts_within_whole(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return unmonitored(run) or _chain(run)


def _chain(run: RunRecord) -> Iterator[Comparison]:
    for snapshot, rows in _rows(run):
        wrong = [row for row in rows if not _ordered(row)]
        for row in wrong:
            yield Comparison(
                holds=False,
                text=f"{snapshot.label} order {row.order}: adaptive {row.adaptive}, compact "
                f"{row.compact}, slowpath {row.slowpath}, req {row.req}",
            )
        yield Comparison(
            holds=not wrong,
            text=f"{snapshot.label}: {len(rows)} orders, {len(wrong)} out of order; of all orders "
            + ", ".join(
                f"{name} {sum(row.counter(name) for row in rows)}"
                for name in ("adaptive", "compact", "slowpath", "req")
            ),
        )


def _ordered(row: MonitorRow) -> bool:
    """Compare the columns; one request in flight may be counted in one and not in the next."""
    slack = max(row.in_flight, 0) if row.order < EXACT_FROM_ORDER else 0
    return (
        row.adaptive <= row.compact + slack
        and row.adaptive <= row.slowpath + slack
        and row.slowpath <= row.req + slack
    )


def _percent_in_range(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return unmonitored(run) or _percents(run)


def _percents(run: RunRecord) -> Iterator[Comparison]:
    for snapshot, rows in _rows(run):
        values = [row.frag_pct for row in rows]
        yield Comparison(
            holds=all(0 <= value <= PERCENT_MAX for value in values),
            text=f"{snapshot.label}: frag_pct of orders 0 to 10 is "
            f"{', '.join(str(value) for value in values)}, allowed 0..{PERCENT_MAX}",
        )


RANK = 20
CHECKS = (
    Check(
        name="req-is-success-plus-fail",
        why="each request ends once, as a success or as a failure, on every path",
        judge=_every_request_answered,
    ),
    Check(
        name="counters-only-rise",
        why="a counter that falls was reset, overflowed or read from another boot",
        judge=_counters_rise,
    ),
    Check(
        name="compaction-events-only-rise",
        why="vmstat cross-checks the compaction counter and must be consistent itself",
        judge=_compaction_events_rise,
    ),
    Check(
        name="adaptive-within-compact-and-slowpath-within-req",
        why="the policy acts only in a compaction, which happens only in the slowpath of a request",
        judge=_parts_within_whole,
    ),
    Check(
        name="frag-pct-is-a-percentage",
        why="a share of free pages cannot be below 0 or above 100",
        judge=_percent_in_range,
    ),
)

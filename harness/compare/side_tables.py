# SPDX-License-Identifier: GPL-2.0-only
"""Beside what an arm got: what the kernel did, how long requests took, what others met."""

from collections.abc import Sequence

from harness.compare.cells import Cell, cells, spread_of, value_pairs
from harness.compare.measures import Measure, measured
from harness.compare.results import ArmResult, Results
from harness.compare.statistics import paired
from harness.writers.page import Table

_Column = tuple[str, Measure]

_WORK: tuple[_Column, ...] = (
    ("migrated", Measure.MIGRATED),
    ("free scanned", Measure.FREE_SCANNED),
    ("reclaim scanned", Measure.RECLAIM_SCANNED),
    ("reclaimed", Measure.RECLAIMED),
    ("reclaim stalls", Measure.RECLAIM_STALLS),
    ("deferred", Measure.DEFERRED),
    ("kcompactd scanned", Measure.KCOMPACTD_SCANNED),
    ("kswapd scanned", Measure.KSWAPD_SCANNED),
    ("extfrag events", Measure.EXTFRAG_EVENTS),
)
_LATENCY: tuple[_Column, ...] = (
    ("p50", Measure.LATENCY_MEDIAN),
    ("p95", Measure.LATENCY_P95),
    ("p99", Measure.LATENCY_P99),
    ("max", Measure.LATENCY_MOST),
)
# With their paired difference to the baseline beside them, where any arm has such a number.
_COMPARED: tuple[_Column, ...] = (
    ("all requests", Measure.LATENCY_TOTAL),
    ("background failures", Measure.BACKGROUND_FAILURES),
    ("later failures", Measure.LATER_FAILURES),
    ("later small failures", Measure.LATER_SMALL_FAILURES),
)


def side_tables(results: Results) -> tuple[Table, ...]:
    """Make two tables of every state and burst that has an arm: work, and latency."""
    found = cells(results)
    return (*map(work_table, found), *map(latency_table, found))


def work_table(cell: Cell) -> Table:
    """Make a row of what the kernel did for each arm of a cell."""
    rows = [
        (arm.name, *(spread_of(measure, ours) for _, measure in _WORK))
        for arm in cell.plan.arms
        if (ours := cell.of(arm.name))
    ]
    head = ("arm", *(name for name, _ in _WORK))
    return Table(title=f"{cell.title}: work", head=head, rows=tuple(rows), figures=True)


def latency_table(cell: Cell) -> Table:
    """Make a row of how long each arm's requests took, and what others met."""
    baseline = cell.plan.baseline
    arms = [one for arm in cell.plan.arms for one in cell.of(arm.name)]
    compared = [
        (name, measure)
        for name, measure in _COMPARED
        if any(measured(measure, one.outcome) is not None for one in arms)
    ]
    head = ["arm", *(name for name, _ in _LATENCY)]
    for name, _ in compared:
        head += [name, f"{name} - {baseline}"]
    rows = []
    for arm in cell.plan.arms:
        ours = cell.of(arm.name)
        if ours:
            row = [arm.name, *(spread_of(measure, ours) for _, measure in _LATENCY)]
            for _, measure in compared:
                row += [spread_of(measure, ours), _difference(measure, ours, cell.of(baseline))]
            rows.append(tuple(row))
    return Table(
        title=f"{cell.title}: latency, other requests",
        head=tuple(head),
        rows=tuple(rows),
        figures=True,
    )


def _difference(measure: Measure, ours: Sequence[ArmResult], theirs: Sequence[ArmResult]) -> str:
    """Print arm - baseline; - where no seed has both."""
    found = value_pairs(measure, ours, theirs)
    return str(paired(*zip(*found, strict=True))) if found else "-"

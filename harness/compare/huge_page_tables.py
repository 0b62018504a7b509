# SPDX-License-Identifier: GPL-2.0-only
"""What huge pages were asked for and got, in the kernel's own counters."""

from dataclasses import fields

from harness.compare.cells import Cell, cells, spread_of
from harness.compare.kinds.base import HugePages
from harness.compare.measures import Measure, measured
from harness.compare.results import Results
from harness.writers.page import Table


def huge_page_tables(results: Results) -> tuple[Table, ...]:
    """Make a table of every state and burst whose requests were for huge pages."""
    found = map(huge_page_table, cells(results))
    return tuple(table for table in found if table)


def huge_page_table(cell: Cell) -> Table | None:
    """Leave out what no arm's kernel tells, and what never happened; None without huge pages."""
    if not any(one.outcome.huge_pages for one in cell.arms):
        return None
    counters = [
        measure
        for measure in (Measure(field.name) for field in fields(HugePages))
        if any(measured(measure, one.outcome) for one in cell.arms)
    ]
    columns = (Measure.BLOCKS, Measure.FALLBACKS, *counters)
    rows = [
        (arm.name, *(spread_of(measure, ours) for measure in columns))
        for arm in cell.plan.arms
        if (ours := cell.of(arm.name))
    ]
    head = ("arm", "huge pages", "fallbacks", *counters)
    return Table(title=f"{cell.title}: huge pages", head=head, rows=tuple(rows), figures=True)

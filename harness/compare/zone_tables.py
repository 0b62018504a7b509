# SPDX-License-Identifier: GPL-2.0-only
"""Of which nodes and zones the blocks were: a table of each cell whose guests have several."""

from collections.abc import Iterator, Sequence

from harness.compare.cells import Cell, cells
from harness.compare.results import ArmResult, Results
from harness.compare.statistics import spread
from harness.compare.zones_seen import ZoneSeen
from harness.writers.page import Table

_HEAD = ("arm", "zone", "blocks", "whole before", "free before", "free after", "low", "CMA free")
_NOTES = (
    "blocks that the burst got, and whole blocks of its order that were there before it;",
    "all else in pages",
)


def zone_tables(results: Results) -> tuple[Table, ...]:
    """Make a row of each zone for each arm; none of guests of one node of ordinary zones."""
    return tuple(table for cell in cells(results) if (table := _table(cell)))


def _table(cell: Cell) -> Table | None:
    rows = [
        row
        for arm in cell.plan.arms
        if (ours := cell.of(arm.name))
        for row in _rows(arm.name, ours)
    ]
    if not rows:
        return None
    return Table(
        title=f"{cell.title}: by node and zone",
        notes=_NOTES,
        head=_HEAD,
        rows=tuple(rows),
        figures=True,
    )


def _rows(arm: str, ours: Sequence[ArmResult]) -> Iterator[tuple[str, ...]]:
    """Zones without a page for anyone are left out."""
    seen = [zone for one in ours for zone in one.outcome.zones or () if zone.managed]
    for title in dict.fromkeys(zone.title for zone in seen):
        of_zone = [zone for zone in seen if zone.title == title]
        yield (
            arm,
            title,
            *(str(spread(column)) for column in zip(*map(_row, of_zone), strict=True)),
        )


def _row(zone: ZoneSeen) -> tuple[int, ...]:
    return (
        zone.got,
        zone.whole_before,
        zone.free_before,
        zone.free_after,
        zone.low,
        zone.cma,
    )

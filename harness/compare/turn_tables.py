# SPDX-License-Identifier: GPL-2.0-only
"""The turns that CPUs had, where arms recorded them: who asked in which order, and for how long."""

from collections import Counter

from harness.compare.cells import Cell, cells
from harness.compare.results import ArmResult, Results, short
from harness.texts.guest.turns import Turns
from harness.writers.page import Table

_HALF, _MOST = 0.5, 0.95


def turn_tables(results: Results) -> tuple[Table, ...]:
    """Make two tables of every state and burst whose arms recorded turns; none of others."""
    recorded = [(cell, found) for cell in cells(results) if (found := _recorded(cell))]
    return tuple(
        table for cell, found in recorded for table in (_orders(cell, found), _lengths(cell, found))
    )


def _recorded(cell: Cell) -> list[tuple[ArmResult, Turns]]:
    """Return the arms that did, those of a seed together."""
    arms = [one for arm in cell.plan.arms for one in cell.of(arm.name)]
    return [
        (one, one.outcome.turns)
        for seed in cell.plan.seeds
        for one in arms
        if one.seed == seed and one.outcome.turns
    ]


def _orders(cell: Cell, found: list[tuple[ArmResult, Turns]]) -> Table:
    rows = []
    for one, turns in found:
        beside = one.outcome.background
        rows.append(
            (
                str(one.seed),
                one.arm,
                str(turns.schedule),
                f"{one.outcome.blocks:,}",
                "-" if beside is None else f"{beside.kind} {beside.done:,}",
                f"{turns.events:,}",
                f"{turns.turns:,}",
                _told_ns(turns.share_ns(_HALF)),
                _told_ns(turns.share_ns(_MOST)),
                f"`{short(turns.order)}`",
            )
        )
    head = (
        *("seed", "arm", "schedule", "blocks", "beside it", "events", "turns"),
        *("half, ns", "95 %, ns", "order of events"),
    )
    return Table(title=f"{cell.title}: turns", head=head, rows=tuple(rows))


def _lengths(cell: Cell, found: list[tuple[ArmResult, Turns]]) -> Table:
    """Add up each arm's turns of all seeds, by their length."""
    names = list(dict.fromkeys(one.arm for one, _ in found))
    turns: Counter[tuple[int, str]] = Counter()
    for one, had in found:
        for lasted in had.lasted:
            turns[lasted.least_ns, one.arm] += lasted.turns
    rows = tuple(
        (f"{least_ns:,}", *(f"{turns[least_ns, name]:,}" for name in names))
        for least_ns in sorted({least_ns for least_ns, _ in turns})
    )
    head = ("lasted from, ns", *names)
    return Table(title=f"{cell.title}: how long turns lasted", head=head, rows=rows, figures=True)


def _told_ns(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"

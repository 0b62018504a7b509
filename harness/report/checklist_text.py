# SPDX-License-Identifier: GPL-2.0-only
"""The checklist's table as text, and as KTAP for kernel CI. Pure."""

import textwrap
from collections.abc import Iterator, Sequence

from harness.checks.base import CheckResult, Status
from harness.report.checklist import Cell, Judged, LineReview, State, reasons
from harness.report.ktap import Suite, document

_WIDTH = 100
_TOPIC = 28
_DETAILS_SHOWN = 20
_SHOWN = {
    State.HELD: "held",
    State.FAILED: "FAILED",
    State.NOT_APPLICABLE: "n/a",
    State.NOT_JUDGED: "-",
}
_LEGEND = (
    "n/a: the series has nothing of the kind; -: not judged; *: from the cache, nothing changed"
)
_STATUS = {
    State.HELD: Status.HELD,
    State.FAILED: Status.FAILED,
    State.NOT_APPLICABLE: Status.NOT_APPLICABLE,
    State.NOT_JUDGED: Status.NOT_APPLICABLE,
}

_SKIPPED = {State.NOT_APPLICABLE: "not applicable", State.NOT_JUDGED: "not judged"}


def table(lines: Sequence[LineReview], rows: Sequence[Judged], *, whole: bool = False) -> str:
    """Return the table and, below it, why; `whole` adds what was looked at where it held."""
    widths = [max(len(line.name), 7) + 2 for line in lines]
    told = [_row("", [line.name for line in lines], widths)]
    section = None
    for row in rows:
        if row.section != section:
            section = row.section
            told += ["", section]
        told.append(_row(f"  {row.topic}", [_shown(cell) for cell in row.cells], widths))
    told += ["", _LEGEND, *_whys(rows, whole=whole), *_counts(lines, rows)]
    return "".join(f"{line.rstrip()}\n" for line in told)


def _row(topic: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{topic:<{_TOPIC}}{''.join(padded)}"


def _shown(cell: Cell) -> str:
    return _SHOWN[cell.state] + ("*" if cell.cached else "")


def _whys(rows: Sequence[Judged], *, whole: bool) -> Iterator[str]:
    for row in rows:
        for cells, details in reasons(row):
            state = cells[0].state
            if state is State.HELD and not whole:
                continue
            every = len(cells) == len(row.cells)
            where = "" if every else f" ({', '.join(cell.kernel for cell in cells)})"
            yield from _wrapped(f"{row.topic}{where}: {_SHOWN[state]}", details, state)


def _wrapped(head: str, details: Sequence[str], state: State) -> Iterator[str]:
    shown = list(details[:_DETAILS_SHOWN])
    if len(details) > len(shown):
        shown.append(f"and {len(details) - len(shown)} more")
    if state is not State.FAILED and len(shown) == 1:
        head, shown = f"{head}: {shown[0]}", []
    yield from textwrap.wrap(head, _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    for detail in shown:
        yield from textwrap.wrap(
            detail,
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            break_on_hyphens=False,
        )


def _counts(lines: Sequence[LineReview], rows: Sequence[Judged]) -> Iterator[str]:
    yield ""
    for at, line in enumerate(lines):
        cells = [row.cells[at] for row in rows]
        count = {state: sum(cell.state is state for cell in cells) for state in State}
        cached = sum(cell.cached for cell in cells)
        yield (
            f"{line.name}: {count[State.HELD]} held, {count[State.FAILED]} failed, "
            f"{count[State.NOT_APPLICABLE]} not applicable, {count[State.NOT_JUDGED]} not judged; "
            f"{cached} from the cache"
        )


def ktap(lines: Sequence[LineReview], rows: Sequence[Judged]) -> str:
    """Return KTAP: a suite for each kernel, a result for each row."""
    return document([_suite(at, line, rows) for at, line in enumerate(lines)])


def _suite(at: int, line: LineReview, rows: Sequence[Judged]) -> Suite:
    return Suite(
        name=f"submit-checklist {line.name}",
        about=(f"kernel {line.kernel}",),
        checks=tuple(_result(row, row.cells[at]) for row in rows),
    )


def _result(row: Judged, cell: Cell) -> CheckResult:
    details = cell.details or ("",)
    if prefix := _SKIPPED.get(cell.state):
        details = (f"{prefix}: {details[0]}", *details[1:])
    return CheckResult(name=row.topic, why=row.section, status=_STATUS[cell.state], details=details)

# SPDX-License-Identifier: GPL-2.0-only
"""A table, whatever it is written as. Its texts are plain: a writer escapes what it must."""

from collections.abc import Iterable
from dataclasses import dataclass

ABSENT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells below a head, all as long as it; a title and notes stand above."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    notes: tuple[str, ...] = ()
    figures: bool = False  # whether all columns but the first are numbers, set to the right


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table of any values: integers with thousands separators, the rest as text."""
    return Table(
        head=tuple(cell(name) for name in head),
        rows=tuple(tuple(cell(value) for value in row) for row in rows),
    )


def cell(value: object) -> str:
    """Return a value as one line of text; ABSENT for an empty one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return " ".join(str(value).split()) or ABSENT

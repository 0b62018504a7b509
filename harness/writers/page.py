# SPDX-License-Identifier: GPL-2.0-only
"""What a report says, whatever it is written as: a page of sections of tables.

Runs and comparisons come to a Page; a writer of a format takes any Page. Its texts are plain: what
a format must escape, its writer escapes.
"""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of a page: `shows` says in one sentence what it is about."""

    title: str
    shows: str = ""
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    level: int = 2  # of its heading


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole report."""

    title: str
    lead: tuple[str, ...]  # paragraphs
    verdict: str = ""
    warnings: tuple[str, ...] = ()
    sections: tuple[Section, ...]


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

# SPDX-License-Identifier: GPL-2.0-only
"""A table of texts, printed for the terminal and as markdown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells below a head, with a title and notes above."""

    title: str
    notes: tuple[str, ...] = ()
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def text_table(table: Table) -> str:
    """Print a table for a terminal, columns aligned."""
    cells = (table.head, *table.rows)
    widths = [max(len(row[at]) for row in cells) for at in range(len(table.head))]
    lines = [table.title, *(f"  {note}" for note in table.notes)]
    for row in cells:
        first, *rest = (word.ljust(width) for word, width in zip(row, widths, strict=True))
        lines.append("  ".join([first, *(word.strip().rjust(len(word)) for word in rest)]).rstrip())
    return "\n".join(lines) + "\n"


def markdown_table(table: Table) -> str:
    """Print a table as markdown."""
    lines = [f"### {table.title}", ""]
    lines += [*(f"- {note}" for note in table.notes), ""] if table.notes else []
    lines.append(_row(table.head))
    lines.append(f"|{'---|' + '---:|' * (len(table.head) - 1)}")
    lines += [_row(row) for row in table.rows]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"

# SPDX-License-Identifier: GPL-2.0-only
"""Tables as text for a terminal, columns aligned."""

from harness.writers.page import Table


def text_table(table: Table) -> str:
    """Print a table for a terminal, columns aligned."""
    cells = (table.head, *table.rows)
    widths = [max(len(row[at]) for row in cells) for at in range(len(table.head))]
    lines = [table.title, *(f"  {note}" for note in table.notes)]
    for row in cells:
        first, *rest = (word.ljust(width) for word, width in zip(row, widths, strict=True))
        lines.append("  ".join([first, *(word.strip().rjust(len(word)) for word in rest)]).rstrip())
    return "\n".join(lines) + "\n"

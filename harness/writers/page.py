# SPDX-License-Identifier: GPL-2.0-only
"""What a report says, whatever it is written as: a page of sections of tables.

Runs and comparisons come to a Page; a writer of a format takes any Page. Its texts are plain: what
a format must escape, its writer escapes.
"""

from dataclasses import dataclass

from harness.writers.screen import Screen
from harness.writers.table import ABSENT, Table, cell, table

__all__ = ["ABSENT", "Page", "Section", "Table", "cell", "table"]


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
    screen: Screen | None = None  # for writers that can draw, instead of the sections

# SPDX-License-Identifier: GPL-2.0-only
"""Results of kmod/reallocate.c: free pages and free huge frames, round by round. Pure.

reallocate 1
pages taken=N kept=N churned=N
round=0 free=N huge=N
...
end
"""

from dataclasses import dataclass

from harness.texts.pages import Order, PageCount
from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

_WHAT = "reallocate"
FORMAT_LINE = "reallocate 1"
# kmod/reallocate.c HUGE_ORDER: a huge frame is an aligned block of this order.
HUGE_ORDER = Order(9)
_LEAST_LINES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the zones above ZONE_DMA have free at the end of a round."""

    free: PageCount
    huge: int  # huge frames, of blocks of order HUGE_ORDER and above

    @property
    def possible(self) -> int:
        """Huge frames, if the free pages lay together."""
        return self.free >> HUGE_ORDER

    @property
    def share(self) -> float:
        """Free huge frames, of what is possible."""
        return self.huge / self.possible if self.possible else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reallocation:
    """One experiment; `rows[0]` is of before the first round."""

    taken: PageCount
    kept: PageCount
    churned: PageCount  # in each round
    rows: tuple[Row, ...]


def parse_reallocate(text: str) -> Reallocation:
    """Parse the whole file; RecordError if it is cut, or a round is absent."""
    lines = whole_lines(text, _WHAT)
    if len(lines) < _LEAST_LINES or lines[0] != FORMAT_LINE or lines[-1] != "end":
        raise damaged(_WHAT, f"it begins {shown(lines[0])} and ends {shown(lines[-1])}")
    name, _, words = lines[1].partition(" ")
    if name != "pages":
        raise damaged(_WHAT, f"{shown(lines[1])} where the pages should be")
    pages = key_values(words.split(), _WHAT)
    return Reallocation(
        taken=_pages(pages, "taken"),
        kept=_pages(pages, "kept"),
        churned=_pages(pages, "churned"),
        rows=tuple(_row(number, line) for number, line in enumerate(lines[2:-1])),
    )


def _row(number: int, line: str) -> Row:
    values = key_values(line.split(), _WHAT)
    if natural(required(values, "round", _WHAT), _WHAT) != number:
        raise damaged(_WHAT, f"{shown(line)} where round {number} should be")
    return Row(free=_pages(values, "free"), huge=natural(required(values, "huge", _WHAT), _WHAT))


def _pages(values: dict[str, str], name: str) -> PageCount:
    return PageCount(natural(required(values, name, _WHAT), _WHAT))

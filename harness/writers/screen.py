# SPDX-License-Identifier: GPL-2.0-only
"""What a page shows where it can be looked at: the answer first, maps, pictures, folds.

A Page may carry one; a writer that cannot draw leaves it out and has the page's sections. Its texts
are plain, like those of a page. Colour is never alone: each tone comes with a sign and a number.
"""

from dataclasses import dataclass
from enum import StrEnum

from harness.writers.picture import Picture
from harness.writers.table import Table


class Tone(StrEnum):
    """What something is to the reader; names a colour in html.css."""

    GOOD = "good"
    BAD = "bad"
    COST = "cost"
    MIXED = "mixed"
    SAME = "same"


SIGNS = {
    Tone.GOOD: "\N{BLACK UP-POINTING TRIANGLE}",
    Tone.BAD: "\N{BLACK DOWN-POINTING TRIANGLE}",
    Tone.COST: "\N{BLACK DIAMOND}",
    Tone.MIXED: "\N{WHITE DIAMOND}",
    Tone.SAME: "=",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The whole report in one sentence, after one word; `points`: how sure, and how large."""

    tone: Tone
    word: str
    sentence: str
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing about what ran; `copied` is what a button puts on the clipboard."""

    name: str
    value: str
    copied: str = ""
    is_wide: bool = False  # takes a line of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One field of a map: what came out there, as tone, sign and number."""

    tone: Tone
    word: str  # of the tone, in this map
    figure: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """A place: a state and a request, and what each column is there."""

    state: str
    request: str
    note: str
    link: str  # the id of its fold
    marks: tuple[Mark | None, ...]
    is_above_noise: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Places by columns, the largest change over its noise first."""

    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    column_word: str  # what a column is, e.g. arm
    rows: tuple[MapRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Paragraphs, then points."""

    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Pictures side by side where there is room."""

    pictures: tuple[Picture, ...]
    are_twos: bool = False  # two and two belong together
    key: tuple[tuple[str, str], ...] = ()  # looks, and what they mean


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of a log; `kind` says what it was taken for, empty for nothing."""

    number: int
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Lines of a log."""

    name: str
    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What is shown when it is asked for; `state` and `request` are what filters look at."""

    title: str
    blocks: tuple["Block", ...]
    hint: str = ""
    link: str = ""  # its id; empty: nothing leads to it
    is_open: bool = False
    state: str = ""
    request: str = ""


Block = Words | Table | Map | Pictures | Log | Fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part under a heading."""

    title: str
    shows: str = ""
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """All of it, in the order in which it is read."""

    kind: str  # what kind of report
    answers: tuple[Answer, ...]
    facts: tuple[Fact, ...]
    parts: tuple[Part, ...]


def sign_of(value: float) -> str:
    """Print a difference with its sign, and the minus as long as the plus."""
    return f"{value:+,.1f}".replace("-", "\N{MINUS SIGN}") if value else "0"

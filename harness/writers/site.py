# SPDX-License-Identifier: GPL-2.0-only
"""What `buddylab serve` shows of a folder, as frozen values; site_*.j2 draw them. Pure."""

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from harness.writers.html import names as names_of
from harness.writers.html import policy
from harness.writers.page import Page
from harness.writers.screen import Tone
from harness.writers.table import Table

PAGE_ROWS = 200
_ANSWER = re.compile(
    r'<section class="answer (\w+)">\s*<p class="verdict"><strong class="word">\S+ ([^<]*)</strong>'
    r"(.*?)</p>",
    re.DOTALL,
)
_TAG = re.compile(r"<[^>]*>")


class Kind(StrEnum):
    """What a folder holds."""

    RUN = "run"
    COMPARISON = "comparison"
    JUDGEMENT = "judgement"


class State(StrEnum):
    """How far it is."""

    FINISHED = "finished"
    RUNNING = "running"
    STOPPED = "interrupted"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One folder in short; texts that nothing tells are empty."""

    name: str
    address: str  # its part of a path, quoted
    kind: Kind
    state: State
    tone: Tone = Tone.SAME
    word: str
    sentence: str = ""  # its verdict, or why there is none
    kernel: str = ""
    plan: str = ""
    when: str = ""  # UTC
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a listing is asked for; empty fields ask for all."""

    text: str = ""
    kind: str = ""
    word: str = ""
    kernel: str = ""
    plan: str = ""
    sort: str = ""
    first: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page of a folder's entries."""

    folder: str
    wanted: Wanted
    entries: tuple[Entry, ...]  # of this page
    fitting: int
    all: int
    others: int  # folders and files that are no run
    choices: Mapping[str, tuple[str, ...]]
    sorts: Mapping[str, str]  # address of each order
    before: str = ""  # address of the page before, and of the next
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far something is that runs, or where it stopped."""

    done: int
    all: int | None
    unit: str
    now: str
    table: Table
    workers: Table | None = None  # None: this machine does it


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A text of a folder that can be looked at."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One folder: what it comes to, how far it is, what it has."""

    entry: Entry
    progress: Progress | None
    report: str  # address; empty where there is none
    files: tuple["File", ...]  # at its top
    folders: Mapping[str, tuple["File", ...]]  # below it, by the folder that they lie in
    is_cut: bool  # whether there are more than are listed
    is_live: bool = False
    others: tuple[Entry, ...] = ()  # what it may be set beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Two of them, side by side."""

    entries: tuple[Entry, Entry]
    reports: tuple[str, str]
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Why there is nothing to show, and what to do."""

    title: str
    text: str


View = Listing | Shown | Beside | Told
TEMPLATES: Mapping[type, str] = {
    Listing: "site_list.j2",
    Shown: "site_shown.j2",
    Beside: "site_beside.j2",
    Told: "site_told.j2",
}
_ORDERS: Mapping[str, Callable[[Entry], str]] = {
    "name": lambda one: one.name,
    "kind": lambda one: one.kind,
    "verdict": lambda one: one.word,
    "kernel": lambda one: one.kernel,
    "plan": lambda one: one.plan,
    "when": lambda one: one.when,
}


def site_policy(style: str, script: str) -> str:
    """Allow the site's own style and script, a form that asks the site, and its script's look."""
    ours = policy(style, script).replace("form-action 'none'", "form-action 'self'")
    return f"{ours}; connect-src 'self'; frame-ancestors 'none'"


def report_policy(style: str, script: str) -> str:
    """Allow what the report has that this version writes, by digest, and no other."""
    return f"{policy(style, script)}; frame-ancestors 'none'"


def names(view: View, title: str, *, style: str, script: str) -> dict[str, object]:
    """Return all names that the templates use."""
    page = Page(title=title, lead=(), sections=())
    return {**names_of(page, style=style, script=script), "view": view, "title": title}


def answer_in(text: str) -> tuple[Tone, str, str] | None:
    """Read from the beginning of a report.html its answer; None if there is none."""
    found = _ANSWER.search(text)
    if found is None or found[1] not in set(Tone):
        return None
    word, sentence = (html.unescape(_TAG.sub("", found[at])).strip() for at in (2, 3))
    return Tone(found[1]), word, " ".join(sentence.split())


def fitting(entries: Iterable[Entry], wanted: Wanted) -> tuple[Entry, ...]:
    """Return the entries that are asked for, in the order that is: the newest first."""
    found = [one for one in entries if _fits(one, wanted)]
    name, is_down = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    if name not in _ORDERS:
        name, is_down = "when", True
    found.sort(key=lambda one: one.name)
    found.sort(key=_ORDERS[name], reverse=is_down)
    if not wanted.sort:  # what runs now comes before all
        found.sort(key=lambda one: one.state is not State.RUNNING)
    return tuple(found)


def _fits(one: Entry, wanted: Wanted) -> bool:
    exact = (
        (wanted.kind, one.kind),
        (wanted.word, one.word),
        (wanted.kernel, one.kernel),
        (wanted.plan, one.plan),
    )
    if any(asked and asked != value for asked, value in exact):
        return False
    text = wanted.text.casefold()
    return not text or any(
        text in value.casefold()
        for value in (one.name, one.word, one.sentence, one.kernel, one.plan, one.key)
    )


def choices(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """Return what can be chosen of each field."""
    return {
        name: tuple(sorted({value for one in entries if (value := str(getattr(one, name)))}))
        for name in ("kind", "word", "kernel", "plan")
    }


def sort_words(wanted: Wanted) -> dict[str, str]:
    """Return for each order the word that asks for it, or turns it round."""
    return {name: f"-{name}" if wanted.sort == name else name for name in _ORDERS}

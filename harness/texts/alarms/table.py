# SPDX-License-Identifier: GPL-2.0-only
"""The alarms of all kernel lines as a table, and a line of a log looked up in it.

`alarms.tsv` is written from the sources by `python -m harness.host.alarm_table`: kind, kernel
lines, sign, place, format; see harness.texts.alarms.source and harness.texts.alarms.kinds.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from harness.texts.alarms.kinds import WATCH_OFF, accuses, kind_of
from harness.texts.alarms.source import Alarm, fragments

FILE = "alarms.tsv"
HEADING = """\
# SPDX-License-Identifier: GPL-2.0-only
# Written by `python -m harness.host.alarm_table LINE=TREE...`; never by hand.
"""
# By so many characters a row is found; what begins with fewer is searched for.
_KEY_CHARS = 6
# pr_fmt() puts its file's or subsystem's names before a message: "rcu: ", "NMI watchdog: ".
_PREFIX_CHARS = 48
_PREFIXES = 2
_COLUMNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One message that some kernel line can print."""

    kind: str
    lines: tuple[str, ...]  # the kernel lines that have it
    sign: str
    place: str  # PATH:FUNCTION in the newest of them
    format: str


class Table:
    """Rows by what they begin with."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_key: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._others: list[tuple[str, tuple[str, ...], str]] = []
        for row in rows:
            parts = fragments(row.format)
            if len(parts[0]) >= _KEY_CHARS:
                self._by_key.setdefault(parts[0][:_KEY_CHARS], []).append((parts, row.kind))
            else:
                self._others.append((max(parts, key=len), parts, row.kind))

    def kind(self, text: str) -> str:
        """Return the kind of a kernel's line, without stamp; empty if no row says it.

        Linear in the length of the text.
        """
        likely = [(parts, kind) for part, parts, kind in self._others if part in text]
        for start in _starts(text):
            at_start = self._by_key.get(text[start : start + _KEY_CHARS], [])
            for parts, kind in (*at_start, *likely):
                if _says(text, start, parts):
                    return kind
        return ""


def rows_of(sources: Mapping[str, Iterable[Alarm]]) -> tuple[Row, ...]:
    """Join what each kernel line, oldest first, prints to one row a message."""
    lines: dict[tuple[str, str], list[str]] = {}
    newest: dict[tuple[str, str], Alarm] = {}
    for line, alarms in sources.items():
        for alarm in alarms:
            key = kind_of(alarm), alarm.format
            newest[key] = alarm
            if line not in lines.setdefault(key, []):
                lines[key].append(line)
    return tuple(
        Row(
            kind=kind,
            lines=tuple(lines[kind, said]),
            sign=alarm.sign,
            place=f"{alarm.path}:{alarm.function}",
            format=said,
        )
        for (kind, said), alarm in sorted(newest.items())
    )


def text_of(rows: Iterable[Row]) -> str:
    """Return the file's text."""
    body = ((row.kind, " ".join(row.lines), row.sign, row.place, row.format) for row in rows)
    said = ("\t".join(part.replace("\t", " ") for part in columns) for columns in body)
    return HEADING + "".join(f"{line}\n" for line in said)


@cache
def stored() -> tuple[Row, ...]:
    """Return the rows that the program comes with."""
    text = (resources.files("harness.texts.alarms") / FILE).read_text(encoding="utf-8")
    return tuple(_parsed(text))


@cache
def known() -> Table:
    """Return the table of what accuses the kernel, or says that a watch is off."""
    return Table(row for row in stored() if accuses(row.kind) or row.kind == WATCH_OFF)


def _parsed(text: str) -> Iterator[Row]:
    for line in text.removeprefix(HEADING).splitlines():
        kind, lines, sign, place, said = line.split("\t", maxsplit=_COLUMNS - 1)
        yield Row(kind=kind, lines=tuple(lines.split()), sign=sign, place=place, format=said)


def _starts(text: str) -> Iterator[int]:
    yield 0
    at = 0
    for _ in range(_PREFIXES):
        at = text.find(": ", at, _PREFIX_CHARS) + 2
        if at == 1:
            return
        yield at


def _says(text: str, start: int, parts: tuple[str, ...]) -> bool:
    """Say whether the fixed parts stand in the text in their order, the first at `start`."""
    if not text.startswith(parts[0], start):
        return False
    at = start + len(parts[0])
    for part in parts[1:]:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True

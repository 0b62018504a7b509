# SPDX-License-Identifier: GPL-2.0-only
"""Where lines stand in a file. Pure.

Lines are bytes with their line end, so that one that lacks it is another line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_SHOWN_BYTES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The place where most of some lines stand, beginning with the first."""

    at: int  # index of the line after those that match
    matched: int


def lines_of(content: bytes) -> tuple[bytes, ...]:
    """Split into lines, each with its end; the last may have none."""
    return tuple(_LINE.findall(content))


def positions(lines: Sequence[bytes], wanted: Sequence[bytes], start: int = 0) -> list[int]:
    """Return the index of every place, from `start` on, where `wanted` stands."""
    if not wanted:
        return []
    size = len(wanted)
    return [
        at
        for at in range(start, len(lines) - size + 1)
        if lines[at] == wanted[0] and tuple(lines[at : at + size]) == tuple(wanted)
    ]


def nearest(lines: Sequence[bytes], wanted: Sequence[bytes]) -> Nearest | None:
    """Return where the longest beginning of `wanted` stands; None if its first line nowhere."""
    best: Nearest | None = None
    for at in positions(lines, wanted[:1]):
        matched = 0
        while (
            matched < len(wanted)
            and at + matched < len(lines)
            and lines[at + matched] == wanted[matched]
        ):
            matched += 1
        if best is None or matched > best.matched:
            best = Nearest(at=at + matched, matched=matched)
    return best


def spliced(lines: Sequence[bytes], places: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Put other content in place of lines: (begin, end, content), in order and apart."""
    parts: list[bytes] = []
    at = 0
    for begin, end, content in places:
        parts += [*lines[at:begin], content]
        at = end
    return b"".join((*parts, *lines[at:]))


def shown(lines: Sequence[bytes], at: int) -> str:
    """Quote a line for a message, by its number from 1."""
    if at >= len(lines):
        return "the file's end"
    return f"line {at + 1}, {quoted(lines[at])}"


def quoted(line: bytes) -> str:
    """Quote a line for a message."""
    text = repr(line[:_SHOWN_BYTES].decode(errors="replace").rstrip("\n"))
    return text if line.endswith(b"\n") else f"{text} (no line end)"

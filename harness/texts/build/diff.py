# SPDX-License-Identifier: GPL-2.0-only
"""A diff's hunks, for the step that moves them to where their lines stand now. Pure.

What a patch changes is git's to say (harness.host.git); this is asked only about a change that
git does not take as it is, or that it could take in more than one place.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.texts.build.matching import lines_of, positions

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)")
_NO_NEWLINE = b"\\ "
CONTEXT, REMOVED, ADDED = b" ", b"-", b"+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Removed and added lines with nothing between them, and what stands around them.

    `before` and `after` are the file's lines before the change, as far as the hunk has them.
    """

    hunk: int  # from 1, in its file
    line: int  # index in the file that the diff was made for
    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]
    before: tuple[bytes, ...]
    after: tuple[bytes, ...]
    function: bytes  # what stands after @@, or the last such line within the hunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Consecutive lines of a file, each with what becomes of it."""

    number: int  # from 1, in its file
    start: int  # index of its first line in the file that the diff was made for
    function: bytes
    lines: tuple[tuple[bytes, bytes], ...]

    @property
    def old(self) -> tuple[bytes, ...]:
        """The lines that the file has before the change."""
        return tuple(line for kind, line in self.lines if kind != ADDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One file's part of a diff."""

    raw: bytes
    hunks: tuple[Hunk, ...]

    def may_be_misplaced(self, content: bytes) -> bool:
        """Whether a hunk is not where it says, and its lines stand in the file more than once.

        Git would take the nearest of them.
        """
        lines = lines_of(content)
        return any(
            len(found) > 1 and hunk.start not in found
            for hunk in self.hunks
            for found in [positions(lines, hunk.old)]
        )


def is_heading(line: bytes) -> bool:
    """Whether git would name a hunk after this line, labels apart: where a function begins."""
    return re.match(rb"[A-Za-z_$]", line) is not None and not is_label(line)


def is_label(line: bytes) -> bool:
    """Whether this line is the target of a goto."""
    return re.match(rb"\w+:\s*(/\*|$)", line) is not None


def sections(change: bytes) -> tuple[Section, ...]:
    """Split a diff by files; what stands between them goes with the one before."""
    lines = lines_of(change)
    starts: list[int] = []
    hunks: list[list[Hunk]] = []
    at = 0
    while at < len(lines):
        if match := _HUNK.match(lines[at]) if starts else None:
            hunk, at = _hunk(lines, at + 1, match, number=len(hunks[-1]) + 1)
            hunks[-1].append(hunk)
            continue
        if _begins(lines, at) and not (starts and _is_header_of(lines, starts[-1], at, hunks[-1])):
            starts.append(at)
            hunks.append([])
        at += 1
    ends = [*starts, len(lines)][1:]
    return tuple(
        Section(raw=b"".join(lines[start:end]), hunks=tuple(found))
        for start, end, found in zip(starts, ends, hunks, strict=True)
    )


def _begins(lines: Sequence[bytes], at: int) -> bool:
    return lines[at].startswith(b"diff --git ") or (
        lines[at].startswith(b"--- ")
        and at + 2 < len(lines)
        and lines[at + 1].startswith(b"+++ ")
        and lines[at + 2].startswith(b"@@ -")
    )


def _is_header_of(lines: Sequence[bytes], start: int, at: int, hunks: Sequence[Hunk]) -> bool:
    """Whether `--- a/FILE` at `at` is still part of what began with `diff --git`."""
    git = lines[start].startswith(b"diff --git ")
    return git and not hunks and lines[at].startswith(b"--- ")


def _hunk(
    lines: Sequence[bytes], at: int, match: re.Match[bytes], *, number: int
) -> tuple[Hunk, int]:
    old_start = int(match[1])
    old, new = (1 if count is None else int(count) for count in (match[2], match[4]))
    start = old_start - 1 if old else old_start
    found: list[tuple[bytes, bytes]] = []
    while at < len(lines) and (old > 0 or new > 0 or lines[at].startswith(_NO_NEWLINE)):
        kind, line = lines[at][:1], lines[at][1:]
        if kind == _NO_NEWLINE[:1]:
            kind, line = found.pop()
            found.append((kind, line.removesuffix(b"\n")))
            at += 1
            continue
        # An empty line of context may have lost its blank on its way.
        kind, line = (CONTEXT, b"\n") if kind == b"\n" else (kind, line)
        if kind not in {CONTEXT, REMOVED, ADDED}:
            break
        old -= kind != ADDED
        new -= kind != REMOVED
        found.append((kind, line))
        at += 1
    function = match[5].strip()
    return Hunk(number=number, start=start, function=function, lines=tuple(found)), at


def groups(hunk: Hunk) -> Iterator[Group]:
    """Yield a hunk's groups of changed lines, in order."""
    old = hunk.old
    index = 0  # in `old`
    at = 0
    while at < len(hunk.lines):
        if hunk.lines[at][0] == CONTEXT:
            index += 1
            at += 1
            continue
        end = at
        while end < len(hunk.lines) and hunk.lines[end][0] != CONTEXT:
            end += 1
        changed = hunk.lines[at:end]
        removed = tuple(line for kind, line in changed if kind == REMOVED)
        before, after = old[:index], old[index + len(removed) :]
        headings = [line for line in before if is_heading(line)]
        yield Group(
            hunk=hunk.number,
            line=hunk.start + index,
            removed=removed,
            added=tuple(line for kind, line in changed if kind == ADDED),
            before=before,
            after=after,
            function=headings[-1].strip() if headings else hunk.function,
        )
        index += len(removed)
        at = end

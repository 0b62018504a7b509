# SPDX-License-Identifier: GPL-2.0-only
"""Move a change to where its lines stand in another release of the file. Pure.

Not fuzz: a group of removed and added lines goes where its removed lines stand with as much of
the context as is still there, and only if that is one place: in the function that the diff names,
where the file has it, else after the hunk before. Lines that are only added go between the two
neighbours they had. Where something has come between those, added lines stay behind the upper one
among declarations, whose order says nothing; within a function a person has to say where.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.errors import StageError
from harness.texts.build.diff import Group, Section, groups, is_heading, is_label
from harness.texts.build.edit import LineChanges, Override, Place
from harness.texts.build.matching import lines_of, nearest, positions, quoted, shown, spliced

# A line that could stand anywhere (a brace, nothing, an end of a comment) names no place.
_TELLING = re.compile(rb"\w\w")
# So many telling lines name a place; one does within the function that the diff names.
_TELLING_LINES_MIN = 2
# Where lines at the margin begin functions; in prose they are lines like any other.
_CODE = (".c", ".h", ".S")
# As many lines may have come between two neighbours; further apart they are strangers.
_BETWEEN_LINES_MAX = 20
# A line at the margin; the preprocessor's stand there within functions, too.
_MARGIN = re.compile(rb"[^\s#]")

NEXT_STEP = (
    "give the series for another release of this source, or say what this kernel line has "
    "instead (patches/README.md)"
)

Spliced = tuple[int, int, bytes]  # begin, end, content
_NOTHING = LineChanges()
Regions = list[tuple[int, int]]  # begin, end


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebased:
    """A file after the change, and which groups were placed by a part of their context."""

    content: bytes
    notes: tuple[str, ...]


def rebased(
    section: Section,
    content: bytes,
    *,
    name: str,
    file: str,
    ours: LineChanges = _NOTHING,
) -> Rebased:
    """Return `file`, of this content, with the change of patch `name` made.

    `ours` is what the kernel line has otherwise: a group that holds an override's `instead_of`
    is left out, and the override's lines are replaced; one that holds a place's `of` goes there.
    StageError where no place or more than one is found.
    """
    what = f"{name}: {file}"
    lines = lines_of(content)
    in_code = file.endswith(_CODE)
    places: list[Spliced] = [
        (*each.place(lines, name=name), each.new.encode()) for each in ours.replace
    ]
    notes: list[str] = []
    used: set[str] = set()
    file_end = 0
    for hunk in section.hunks:
        hunk_end = 0
        for group in groups(hunk):
            if replaced := _replaced(group, ours.replace):
                used |= replaced
                continue
            if given := _given(group, ours.place):
                used |= {each.of for each in given}
                at = given[0].at(lines, name=name)
                places.append((at, at, b"".join(group.added)))
                continue
            at, context = _Search(
                lines=lines,
                group=group,
                what=what,
                ends=(hunk_end, file_end),
                regions=_regions(lines, group.function) if in_code else [],
            ).place()
            if context < (whole := len(group.before) + len(group.after)):
                notes.append(
                    f"{what}, hunk {group.hunk}: placed at line {at + 1} by {context} of "
                    f"{whole} lines of context"
                )
            hunk_end = at + len(group.removed)
            places.append((at, hunk_end, b"".join(group.added)))
        file_end = hunk_end or file_end
    if unused := sorted(_asked(ours) - used):
        raise StageError("patch", f"{what}: no change has the line {unused[0]!r}")
    return Rebased(content=spliced(lines, _apart(places, what)), notes=tuple(notes))


def _replaced(group: Group, overrides: Sequence[Override]) -> set[str]:
    changed = {line.decode(errors="replace").rstrip("\n") for line in group.removed + group.added}
    return {line for each in overrides for line in each.left_out} & changed


def _given(group: Group, places: Sequence[Place]) -> list[Place]:
    if group.removed:
        return []
    added = {line.decode(errors="replace").rstrip("\n") for line in group.added}
    return [each for each in places if each.of in added]


def _asked(ours: LineChanges) -> set[str]:
    asked = {line for each in ours.replace for line in each.left_out}
    return asked | {each.of for each in ours.place}


def _apart(places: Sequence[Spliced], what: str) -> list[Spliced]:
    """Sort, and refuse places that meet; lines that are added at one place keep their order."""
    ordered = sorted(places, key=lambda place: place[:2])
    for (_, end, _), (begin, _, _) in pairwise(ordered):
        if begin < end:
            raise StageError("patch", f"{what}: two changes meet at line {begin + 1}")
    return ordered


def _regions(lines: Sequence[bytes], function: bytes) -> Regions:
    if not is_heading(function):
        return []
    headings = [at for at, line in enumerate(lines) if is_heading(line)]
    return [
        (begin, end)
        for begin, end in pairwise((*headings, len(lines)))
        if lines[begin].startswith(function)
    ]


def _in_body(lines: Sequence[bytes], at: int) -> bool:
    """Whether a place is within braces that begin at the margin: of a function, of a list."""
    for line in reversed(lines[:at]):
        if _MARGIN.match(line) and not is_label(line):
            return line.rstrip().endswith(b"{")
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """The search for one group's place."""

    lines: Sequence[bytes]
    group: Group
    what: str
    ends: tuple[int, int]  # of the group before it in this hunk, and of the hunk before
    regions: Regions  # where functions of the name that the diff gives begin and end

    def place(self) -> tuple[int, int]:
        """Return where the group goes, and how many lines of its context are there."""
        before, after = len(self.group.before), len(self.group.after)
        added_only = not self.group.removed
        for size in range(before + after, -1, -1):
            above_most, below_most = min(before, size), min(after, size)
            found = {
                at: (above, size - above)
                for above in range(size - below_most, above_most + 1)
                for at in self._matches(above, size - above)
            }
            if len(found) > 1 and added_only:
                found = self._behind_most(found)
            if len(found) > 1:
                raise self._error(self._why_not_one(found))
            for at, (above, below) in found.items():
                return (self._settled(at, above, below) if added_only else at), size
        raise self._error(self._what_stands_there())

    def _matches(
        self, above: int, below: int, *, telling_min: int = _TELLING_LINES_MIN
    ) -> Iterator[int]:
        """Yield where the group may go with so many lines of context above and below."""
        group, regions = self.group, self.regions
        pattern = group.before[len(group.before) - above :] + group.removed + group.after[:below]
        telling = sum(_TELLING.search(line) is not None for line in pattern)
        if telling < (1 if regions else telling_min):
            return
        start = self.ends[0] if regions else max(self.ends)
        for match in positions(self.lines, pattern):
            at = match + above
            inside = not regions or any(begin <= at <= end for begin, end in regions)
            if at >= start and inside:
                yield at

    def _behind_most(self, found: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
        """Of places among declarations, choose the one with the most lines right above it."""
        most = max(above for above, _ in found.values())
        best = {at: pair for at, pair in found.items() if pair[0] == most}
        return (
            best if len(best) == 1 and not any(_in_body(self.lines, at) for at in found) else found
        )

    def _why_not_one(self, found: dict[int, tuple[int, int]]) -> str:
        first, *others = sorted(found)
        if len(others) == 1 and found[first][1] == 0 == found[others[0]][0]:
            return (
                f"it adds lines between {quoted(self.group.before[-1])} and "
                f"{quoted(self.group.after[0])}, and something else has come between: "
                f"{shown(self.lines, first)}"
            )
        places = ", ".join(str(at + 1) for at in (first, *others))
        return f"its lines stand more than once, at lines {places}"

    def _settled(self, at: int, above: int, below: int) -> int:
        """Return where added lines go, if something may have come between their neighbours."""
        if _in_body(self.lines, at):
            self._require_between(at, above, below)
            return at
        for more in range(len(self.group.before), above, -1):
            behind = list(self._matches(more, 0, telling_min=1))
            if behind:
                near = len(behind) == 1 and 0 < at - behind[0] <= _BETWEEN_LINES_MAX
                return behind[0] if near else at
        return at

    def _require_between(self, at: int, above: int, below: int) -> None:
        """Refuse to add lines beside one neighbour while the other stands elsewhere."""
        begin, end = next(
            (each for each in self.regions if each[0] <= at <= each[1]), (0, len(self.lines))
        )
        sides = (
            ("after", above, reversed(self.group.before), self.lines[begin:at], at - 1),
            ("before", below, iter(self.group.after), self.lines[at:end], at),
        )
        for word, matched, context, side, neighbour in sides:
            other = next((line for line in context if _TELLING.search(line)), None)
            if other is not None and not matched and other in side:
                raise self._error(
                    f"it adds lines {word} {quoted(other)}, and something else has come between: "
                    f"{shown(self.lines, neighbour)}"
                )

    def _what_stands_there(self) -> str:
        wanted = self.group.before + self.group.removed + self.group.after
        found = [nearest(self.lines, wanted[skip:]) for skip in range(len(wanted))]
        near = max((each for each in found if each), key=lambda each: each.matched, default=None)
        if near is None:
            return "none of its lines is there"
        return f"after {near.matched} of its lines there is {shown(self.lines, near.at)}"

    def _error(self, reason: str) -> StageError:
        group = self.group
        function = group.function.decode(errors="replace")
        where = f" of {function!r}" if function else ""
        return StageError(
            "patch",
            f"{self.what}, hunk {group.hunk} (line {group.line + 1}{where}) has no place: {reason}"
            f"\n{NEXT_STEP}",
        )

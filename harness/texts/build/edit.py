# SPDX-License-Identifier: GPL-2.0-only
"""Edits of a patched tree: exact lines, which must stand there once, replaced by others. Pure.

    subject = "what this changes"

    [[replace]]
    file = "mm/page_alloc.c"
    old = '''
    lines as they stand in the file
    '''
    new = '''
    what is to stand there
    '''

Unlike a diff it holds no line numbers and no more context than tells the place, so that one
edit is for all kernel lines. A mutant has more at its top:

    caught_by = "the check that must fail, by name"
    counters = "percpu"    # or atomic: only that variant has the code

and what a kernel line has instead of a patch's own change, in each [[replace]]:

    instead_of = "a line that the change removes or adds"    # or a list, of several changes

Without `instead_of` the lines are looked for in the file as the patch leaves it. Lines that a
patch only adds, and whose neighbours are others here, are given their place:

    [[place]]
    file = "mm/page_alloc.c"
    of = "a line that the change adds"
    before = '''
    lines before which it goes
    '''

and what it names otherwise than this line, files too, is put into the line's words:

    [[rename]]
    old = "mm/internal.h"
    new = "mm/page_alloc.h"
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import msgspec

from harness.encoding import UNREADABLE
from harness.errors import StageError, UserError
from harness.limits import CPUS_MAX
from harness.texts.build.line import Rename, renamed_text
from harness.texts.build.matching import lines_of, nearest, positions, quoted, shown, spliced
from harness.values import Counters

File = TypeVar("File")


class Replacement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines of one file, and what is to stand there instead."""

    file: str
    old: str
    new: str

    def place(self, lines: Sequence[bytes], *, name: str) -> tuple[int, int]:
        """Return the lines' begin and end in the file; StageError unless they stand there once."""
        old = lines_of(self.old.encode())
        found = positions(lines, old)
        if len(found) != 1:
            raise StageError("patch", f"{name}: {self._miss(lines, old, found)}")
        return found[0], found[0] + len(old)

    def _miss(self, lines: Sequence[bytes], old: Sequence[bytes], found: Sequence[int]) -> str:
        if found:
            places = ", ".join(str(at + 1) for at in found)
            return f"{self.file} has the lines to replace at {places}; give more, to name one place"
        near = nearest(lines, old)
        if near is None:
            return f"{self.file} has no line {quoted(old[0])}, the first to replace"
        return (
            f"{self.file} does not have the lines to replace: there is {shown(lines, near.at)}, "
            f"where {quoted(old[near.matched])} is to be"
        )


class Override(Replacement, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a kernel line has instead of one change of a patch, or of lines that it leaves."""

    instead_of: str | list[str] = []  # a line that each change removes or adds

    @property
    def left_out(self) -> frozenset[str]:
        """A line of each change that it stands for; none: the patch's own lines are edited."""
        named = [self.instead_of] if isinstance(self.instead_of, str) else self.instead_of
        return frozenset(named)


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a kernel line has lines that a patch only adds."""

    file: str
    of: str  # a line that the change adds
    before: str  # the lines before which they go, which stand in the file once

    def at(self, lines: Sequence[bytes], *, name: str) -> int:
        """Return the index of the place; StageError unless its lines stand there once."""
        where = Replacement(file=self.file, old=self.before, new="")
        return where.place(lines, name=name)[0]


class LineChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What one kernel line has otherwise than one patch."""

    replace: tuple[Override, ...] = ()
    place: tuple[Place, ...] = ()
    rename: tuple[Rename, ...] = ()

    @property
    def files(self) -> frozenset[str]:
        """The files they are about."""
        return frozenset(each.file for each in self.replace) | {each.file for each in self.place}

    def of(self, file: str) -> "LineChanges":
        """Return those of one file."""
        return LineChanges(
            replace=tuple(each for each in self.replace if each.file == file),
            place=tuple(each for each in self.place if each.file == file),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of a patched tree; `name` is that of its file."""

    name: str
    subject: str
    replacements: tuple[Replacement, ...]

    @property
    def touched(self) -> frozenset[str]:
        """The files it changes."""
        return frozenset(each.file for each in self.replacements)

    def renamed(self, renames: Sequence[Rename]) -> "Edit":
        """Return the edit in the names of a kernel line."""
        here = [
            Replacement(
                file=each.file,
                old=renamed_text(each.old, renames),
                new=renamed_text(each.new, renames),
            )
            for each in self.replacements
        ]
        return replace(self, replacements=tuple(here))

    def applied(self, file: str, content: bytes) -> bytes:
        """Return one of its files after the edit.

        All lines are looked for in the file as it was before. StageError if some do not stand
        there once, or if two replacements meet.
        """
        lines = lines_of(content)
        places = sorted(
            (*each.place(lines, name=self.name), each.new.encode())
            for each in self.replacements
            if each.file == file
        )
        for (_, end, _), (begin, _, _) in pairwise(places):
            if begin < end:
                raise StageError(
                    "patch", f"{self.name} replaces line {begin + 1} of {file} twice; make it one"
                )
        return spliced(lines, places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A wrong version of the series, and who must notice."""

    edit: Edit
    caught_by: str
    counters: Counters | None  # None: wrong in every variant
    cpus: int = 1  # of the guest that shows it: more than one where one cannot


class _EditFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subject: str
    replace: list[Replacement]


class _MutantFile(_EditFile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    caught_by: str
    counters: Counters | None = None
    cpus: int = 1


class _OverrideFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subject: str
    replace: list[Override] = []
    place: list[Place] = []
    rename: list[Rename] = []


def parse_overrides(name: str, data: bytes) -> LineChanges:
    """Read what a line has instead of changes of one patch; UserError if it does not say."""
    file = _decoded(name, data, _OverrideFile)
    if file.replace or not (file.place or file.rename):
        _require_whole(name, file.subject, file.replace)
    return LineChanges(
        replace=tuple(file.replace), place=tuple(file.place), rename=tuple(file.rename)
    )


def parse_edit(name: str, data: bytes) -> Edit:
    """Read an edit; UserError if it is not one."""
    return _edit(name, _decoded(name, data, _EditFile))


def parse_mutant(name: str, data: bytes) -> Mutant:
    """Read a mutant; UserError if it does not say what it is or who must catch it."""
    file = _decoded(name, data, _MutantFile)
    if not file.caught_by.strip():
        raise UserError(f"{name}: caught_by is empty; name the check that must fail")
    if file.counters is Counters.NONE:
        raise UserError(f"{name}: counters is {file.counters}; give percpu or atomic")
    if not 1 <= file.cpus <= CPUS_MAX:
        raise UserError(f"{name}: cpus is {file.cpus}; give 1..{CPUS_MAX}")
    return Mutant(
        edit=_edit(name, file),
        caught_by=file.caught_by,
        counters=file.counters,
        cpus=file.cpus,
    )


def _decoded(name: str, data: bytes, form: type[File]) -> File:
    try:
        return msgspec.convert(tomllib.loads(data.decode()), type=form)
    except UNREADABLE as error:
        raise UserError(f"{name}: {error}; correct it") from error


def _edit(name: str, file: _EditFile) -> Edit:
    _require_whole(name, file.subject, file.replace)
    return Edit(name=name, subject=file.subject, replacements=tuple(file.replace))


def _require_whole(name: str, subject: str, replacements: Sequence[Replacement]) -> None:
    if not subject.strip() or not replacements:
        raise UserError(f"{name} lacks a subject or a [[replace]]; add it")
    for each in replacements:
        whole = each.old.endswith("\n") and (not each.new or each.new.endswith("\n"))
        if not whole or each.old == each.new:
            raise UserError(
                f"{name}: `old` and `new` for {each.file} are not whole lines, or the same; "
                "give the lines as they stand, and those that are to stand there"
            )

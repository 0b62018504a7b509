# SPDX-License-Identifier: GPL-2.0-only
"""apply: the patches of a series, one after the other, to copies of the files they touch.

`patch` makes a tree of what comes of it, `export` mails.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.encoding import encode
from harness.errors import StageError, UserError
from harness.host import git
from harness.host.few_files import FileState, copy_out, state_of
from harness.host.files import sha256_file
from harness.host.series import Series, line_named
from harness.texts.build.diff import Section, sections
from harness.texts.build.edit import Edit, LineChanges
from harness.texts.build.line import Rename, renamed_text
from harness.texts.build.rebase import NEXT_STEP, rebased
from harness.texts.build.series import prefix
from harness.values import KernelSource, PatchedTree

_NAMED = re.compile(rb"^(?:---|\+\+\+) ([^\s/]\S*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One patch of a series, and what this line has instead of some of its changes."""

    name: str
    mail: Path
    overrides: LineChanges
    renames: tuple[Rename, ...]

    @property
    def digests(self) -> tuple[str, ...]:
        """All that its outcome depends on, beside the tree it is applied to."""
        return self.name, sha256_file(self.mail), encode((self.overrides, self.renames)).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A patch or an edit that was applied: the files it touches, before and after."""

    name: str
    mail: git.Mail | None  # None: an edit
    before: Mapping[str, FileState]
    after: Mapping[str, FileState]
    notes: tuple[str, ...]  # changes that were placed by a part of their context


def steps_of(series: Series, upto: str | None) -> tuple[Step, ...]:
    """Return the patches up to `upto`, as harness.texts.build.series.prefix has it."""
    return tuple(
        Step(
            name=name,
            mail=series.directory / name,
            overrides=series.overrides.get(name, LineChanges()),
            renames=series.renames,
        )
        for name in prefix(series.patches, upto)
    )


def applied(
    source: KernelSource, steps: Sequence[Step], edit: Edit | None, scratch: Path
) -> Iterator[Applied]:
    """Apply each step and then the edit; the files they touch lie in `few_in(scratch)`.

    Raises UserError for a patch that git cannot read, StageError naming patch, file and hunk
    for a change that has no place.
    """
    few = few_in(scratch)
    few.mkdir()
    known: set[str] = set()

    def taken(name: str, mail: git.Mail | None, files: frozenset[str], act: Act) -> Applied:
        copy_out(source.tree, files, few, known=known)
        known.update(files)
        before = {each: state_of(few / each) for each in sorted(files)}
        notes = act()
        after = {each: state_of(few / each) for each in before}
        return Applied(name=name, mail=mail, before=before, after=after, notes=notes)

    for step in steps:
        mail = git.read_mail(step.mail, scratch)
        change = scratch / "change"
        change.write_bytes(_renamed(mail.change, (*step.overrides.rename, *step.renames)))
        touched = git.touched(step.name, change)
        _require_level(step.name, change.read_bytes(), touched.names, source.tree)
        done = taken(step.name, mail, touched.names, partial(_apply, few, step, change, touched))
        if touched.writes and done.after == done.before:
            raise StageError("patch", f"git took {step.name} and changed nothing; export it again")
        yield done
    if edit is not None:
        yield taken(edit.name, None, edit.touched, partial(_edit, few, edit))


Act = Callable[[], tuple[str, ...]]


def _require_level(name: str, change: bytes, files: frozenset[str], tree: Path) -> None:
    """Refuse a patch whose names lack the folder in front that git takes away."""
    if any((tree / each).exists() for each in files):
        return
    for word in _NAMED.findall(change):
        bare = os.fsdecode(word)
        if (tree / bare).is_file():
            raise UserError(
                f"{name} names {bare}, where git wants a/{bare} and b/{bare}; "
                "make it with git diff (without --no-prefix), or with diff -u in the folder above"
            )


def _renamed(change: bytes, renames: Sequence[Rename]) -> bytes:
    # Surrogates: what is no UTF-8 stays as it is.
    text = change.decode(errors="surrogateescape")
    return renamed_text(text, renames).encode(errors="surrogateescape") if renames else change


def few_in(scratch: Path) -> Path:
    """Name the directory of the files that are touched."""
    return scratch / "few"


def _apply(tree: Path, step: Step, change: Path, touched: git.Touched) -> tuple[str, ...]:
    """Let git take the change as it is, or file by file move what it does not take.

    A change that git could take in two places is not left to it.
    """
    found = sections(change.read_bytes())
    parts = list(zip(touched.written, found, strict=False))
    misplaced = any(part.may_be_misplaced(state_of(tree / file).content) for file, part in parts)
    if not step.overrides.files and not misplaced:
        done = git.apply(change, tree)
        if done.returncode == 0:
            return ()
        if git.apply(change, tree, reverse=True, check=True).returncode == 0:
            raise StageError(
                "patch", f"{step.name}: this source has it already; give a pristine one"
            )
        hint = git.line_ends_hint(step.name, change)
        if hint or len(found) != len(touched.written):
            raise _refused(step, f"{hint}\n{done.output}")
    if strange := sorted(step.overrides.files - touched.names):
        raise _refused(step, f"it does not change {strange[0]}, for which there is something else")
    notes: list[str] = []
    for file, part in parts:
        notes += _apply_part(tree, step, part, file, change.with_name("section"))
    return tuple(notes)


def _apply_part(tree: Path, step: Step, part: Section, file: str, scratch: Path) -> tuple[str, ...]:
    ours = step.overrides.of(file)
    left = tuple(each for each in ours.replace if not each.left_out)
    instead = tuple(each for each in ours.replace if each.left_out)
    changes = LineChanges(replace=instead, place=ours.place)
    notes = _apply_hunks(tree, step, part, file, scratch=scratch, ours=changes)
    if left:
        edit = Edit(name=step.name, subject="", replacements=left)
        (tree / file).write_bytes(edit.applied(file, state_of(tree / file).content))
    return notes


def _apply_hunks(
    tree: Path, step: Step, part: Section, file: str, *, scratch: Path, ours: LineChanges
) -> tuple[str, ...]:
    state = state_of(tree / file)
    if not ours.files and not part.may_be_misplaced(state.content):
        scratch.write_bytes(part.raw)
        done = git.apply(scratch, tree)
        if done.returncode == 0:
            return ()
        if not state.is_file or not part.hunks:
            raise _refused(step, done.output)
    moved = rebased(part, state.content, name=step.name, file=file, ours=ours)
    (tree / file).write_bytes(moved.content)
    return moved.notes


def _refused(step: Step, reason: str) -> StageError:
    return StageError("patch", f"{step.name} does not apply: {reason.strip()}\n{NEXT_STEP}")


def require_fit(edit: Edit, tree: PatchedTree) -> None:
    """Raise StageError if `edit` cannot be made to `tree`."""
    edit = edit.renamed(line_named(tree.source.line).renames)
    for file in sorted(edit.touched):
        _edited(tree.tree, edit, file)


def _edit(tree: Path, edit: Edit) -> tuple[str, ...]:
    for file in sorted(edit.touched):
        content = _edited(tree, edit, file)
        (tree / file).write_bytes(content)
    return ()


def _edited(tree: Path, edit: Edit, file: str) -> bytes:
    state = state_of(tree / file)
    if not state.is_file:
        raise StageError("patch", f"{edit.name}: there is no file {file} to edit")
    return edit.applied(file, state.content)

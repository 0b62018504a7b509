# SPDX-License-Identifier: GPL-2.0-only
"""change: what a user wants to try, as patches that `patch` takes.

    FILE      a patch, or several in an mbox as `git format-patch --stdout` and `b4 am` write it
    DIR       a directory with a quilt `series` file, or with one in its patches/
    FILE.toml lines replaced by others (harness.texts.build.edit), as a last change
    A..B      two commits of the kernel's own repository (`taken` alone)

patches/series is a DIR like others, except that it comes with what the kernel's line has instead
of some of its changes. What is not there, but in this project's patches/, is meant.
"""

import errno
import logging
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path

from harness.errors import UserError
from harness.host import git
from harness.host.assets import asset
from harness.host.command import CommandFailedError
from harness.host.git_commits import Objects, commit_of, folder_of, opened
from harness.host.git_tree import tree_of
from harness.host.scratch import temporary
from harness.host.series import Series, series_for
from harness.texts.build.edit import Edit, parse_edit
from harness.texts.build.series import parse_series
from harness.values import KernelSource

logger = logging.getLogger("change")

OWN = "patches/series"
_SERIES = "series"
_PATCHES = "patches"
_RANGE = ".."
_DIFF = ("diff", "--binary", "--full-index", "--no-renames")
# As git begins each mail of a file with several: `git mailsplit` knows no other form.
_MBOX = b"From "
# [PATCH v2 3/7] and a file that was named after it.
_OF_SERIES = re.compile(r"\[[^\]]*?\b(\d{1,4})/(\d{1,4})\b[^\]]*\]")
_NUMBERED = re.compile(r"^\d{4}-")
KINDS = "a patch, an mbox, a directory with a `series` file, or a range A..B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Two commits of a repository."""

    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.before}{_RANGE}{self.after}"


def range_of(text: str) -> Range | None:
    """Return A and B of A..B; None for what is there as a file, and for what is no range."""
    if _RANGE not in text or "/.." in text or text.startswith("..") or _exists(text):
        return None
    before, _, after = text.partition(_RANGE)
    if not after or after.startswith(".") or before.startswith("-"):
        raise UserError(f"{text} is no range A..B of two commits; name both, as git does")
    return Range(before=before, after=after)


def read_changes(
    texts: Sequence[str], source: KernelSource, scratch: Path
) -> tuple[tuple[Series, ...], Edit | None]:
    """Read what is changed of a kernel, one after the other; `scratch` is a directory for mails.

    Raises UserError for what is no change, and for an edit that is not the last.
    """
    *others, last = texts
    edit = None
    if _is_edit(last):
        edit = parse_edit(_path(last).name, _path(last).read_bytes())
    else:
        others.append(last)
    return tuple(
        _read(text, source, scratch / str(number)) for number, text in enumerate(others)
    ), edit


def taken(
    text: str, target: Path, *, repository: Path | None = None, each: bool = False
) -> tuple[str, ...]:
    """Write a change to `target`, a new directory, as changes that stay what they are.

    With `each` they are as many as it has patches, of a range as its first parents have commits;
    else a range is one. Raises UserError for what is no change, or an empty one.
    """
    require_there(text)
    if commits := range_of(text):
        return _differences(commits, repository, target, each=each)
    path = _path(text)
    if _is_own(path):
        names = parse_series((path / _SERIES).read_bytes())
        return tuple(f"{OWN}/{name}" for name in names) if each else (OWN,)
    found = _unpacked(text, target / "mails")
    target.mkdir(parents=True, exist_ok=True)
    files = []
    for number, name in enumerate(found.patches, 1):
        patch = found.directory / name
        _require_change(patch, told=text if path.is_file() else str(patch))
        file = target / f"{number:04d}-{_slug(_NUMBERED.sub('', patch.stem))}.patch"
        file.write_bytes(patch.read_bytes())
        files.append(str(file))
    return tuple(files)


def require_there(text: str) -> None:
    """Refuse what is no range, file or directory; what such a one is, `taken` tells."""
    if not text:
        raise UserError(f"CHANGE is empty; give {KINDS}")
    if range_of(text) is None and not _exists(text):
        raise _no_change(text)


def _no_change(text: str) -> UserError:
    return UserError(f"{text} is no change: there is no such file or directory; give {KINDS}")


def _require_change(patch: Path, *, told: str) -> None:
    """Refuse, before anything is built, what can change no kernel; `told` is the user's name."""
    if patch.read_bytes().partition(b"\n")[0].endswith(b"\r"):
        raise UserError(
            f"{told} has lines that end in CR LF, as mailers write them; make them the kernel's: "
            f"sed -i 's/\\r$//' {shlex.quote(told)}"
        )
    with temporary("change") as scratch:
        mail = git.read_mail(patch, scratch)
        change = scratch / "taken"
        change.write_bytes(mail.change)
        git.touched(told, change)


def _path(text: str) -> Path:
    path = Path(text)
    inside = path.parts[:1] == (_PATCHES,) and not path.exists()
    return asset(_PATCHES).joinpath(*path.parts[1:]) if inside else path


def _exists(text: str) -> bool:
    try:
        return _path(text).exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False  # a patch's text in place of its name


def _is_own(path: Path) -> bool:
    return path.resolve() == (asset(_PATCHES) / _SERIES).resolve()


def _is_edit(text: str) -> bool:
    return text.endswith(".toml") and _path(text).is_file()


def _read(text: str, source: KernelSource, scratch: Path) -> Series:
    path = _path(text)
    if _is_own(path):
        return series_for(source)
    if _is_own(path.parent) and path.is_file() and path.suffix == ".patch":
        return replace(series_for(source), patches=(path.name,))
    if range_of(text):
        raise UserError(
            f"{text} is a range, which only CHANGE of `buddylab judge` can be; in a plan say "
            'source = "DIR@COMMIT" of both'
        )
    return _unpacked(text, scratch)


def _unpacked(text: str, scratch: Path) -> Series:
    path = _path(text)
    if _is_edit(text):
        raise UserError(
            f"{text} replaces lines, which only the last change of a plan's kernel can; "
            f"give {KINDS}"
        )
    if path.is_dir():
        return _quilt(path)
    if path.is_file():
        return _mails(path, scratch)
    raise _no_change(text)


def _series(name: str, directory: Path, patches: Sequence[str]) -> Series:
    return Series(name=name, directory=directory, patches=tuple(patches), overrides={}, provides={})


def _quilt(path: Path) -> Series:
    directory = path if (path / _SERIES).is_file() else path / _PATCHES
    try:
        names = parse_series((directory / _SERIES).read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} has no `series` file that lists patches; give {KINDS}") from None
    if absent := [name for name in names if not (directory / name).is_file()]:
        raise UserError(f"{directory}/series lists {absent[0]}, which is not there")
    if not names:
        raise UserError(f"{directory}/series lists no patch; there is nothing to judge")
    return _series(path.resolve().name, directory, names)


def _mails(path: Path, scratch: Path) -> Series:
    """Take an mbox apart; a cover letter, which changes nothing, is left out."""
    if not path.read_bytes().startswith(_MBOX):
        return _series(path.name, path.parent, (path.name,))
    mails = scratch / "split"
    mails.mkdir(parents=True)
    try:
        git.git("mailsplit", f"-o{mails}", "--keep-cr", str(path.absolute()), cwd=scratch)
    except CommandFailedError as error:
        raise UserError(
            f"{path} begins as an mbox does, and git cannot take it apart ({error.tail}); "
            f"export it again, or give {KINDS}"
        ) from error
    found = sorted(each.name for each in mails.iterdir())
    if len(found) == 1:
        return _series(path.name, path.parent, (path.name,))
    named: list[str] = []
    numbers: list[tuple[int, int]] = []
    for name in found:
        mail = git.read_mail(mails / name, scratch)
        if b"diff --git " in mail.change or b"\n+++ " in mail.change:
            final = f"{len(named) + 1:04d}-{_slug(mail.subject)}.patch"
            (mails / name).rename(mails / final)
            named.append(final)
            numbers += _number_of(mails / final)
    if not named:
        raise UserError(
            f"{path} is an mbox of {len(found)} mails that change no file; export it with its "
            "patches (b4 am, git format-patch --stdout)"
        )
    _require_order(path, numbers)
    return _series(path.name, mails, named)


def _number_of(mail: Path) -> list[tuple[int, int]]:
    """Return the place of a mail in its series, and how many that has, if its subject says so."""
    subject = BytesHeaderParser(policy=default).parsebytes(mail.read_bytes())["Subject"] or ""
    return [(int(found[1]), int(found[2])) for found in _OF_SERIES.finditer(subject)][:1]


def _require_order(path: Path, numbers: Sequence[tuple[int, int]]) -> None:
    """Refuse mails of one series out of their order; tell if one is not there."""
    places = [place for place, _ in numbers]
    if len({of for _, of in numbers}) != 1 or len(set(places)) != len(places):
        return  # of several series, or of none
    if places != sorted(places):
        raise UserError(
            f"{path} has its patches in the order {', '.join(map(str, places))} of {numbers[0][1]};"
            " put them in theirs, as `b4 am` writes them"
        )
    if absent := sorted(set(range(1, numbers[0][1] + 1)) - set(places)):
        logger.warning(
            "%s LACKS PATCH %s OF %d: what is judged is the others",
            *(path, ", ".join(map(str, absent)), numbers[0][1]),
        )


def _slug(text: str) -> str:
    """Return what of a text can be in a file's name."""
    words = "".join(each if each.isascii() and each.isalnum() else " " for each in text).split()
    return "-".join(words)[:52] or "change"


def _differences(
    commits: Range, repository: Path | None, target: Path, *, each: bool
) -> tuple[str, ...]:
    if repository is None:
        raise UserError(
            f"{commits} is a range of commits, but --kernel names no git repository; "
            "give --kernel DIR, the repository that has them"
        )
    first, last = (
        commit_of(repository, name or "HEAD") for name in (commits.before, commits.after)
    )
    folder = folder_of(repository)
    with opened(repository) as objects:
        before, after = (tree_of(objects, commit, folder) for commit in (first, last))
        if before == after:
            raise UserError(
                f"{commits} is empty: both commits have the same tree, so nothing is changed"
            )
        whole = [(before, after, str(commits))]
        steps = _steps(objects, f"{first}..{last}", commits, folder) if each else whole
        diffs = [(objects.git(*_DIFF, one, other).raw, subject) for one, other, subject in steps]
    target.mkdir(parents=True)
    files: list[str] = []
    for diff, subject in diffs:
        if diff:  # a commit may change no file
            file = target / f"{len(files) + 1:04d}-{_slug(subject)}.patch"
            file.write_bytes(diff)
            files.append(str(file))
    return tuple(files)


def _steps(
    objects: Objects, between: str, commits: Range, folder: str
) -> list[tuple[str, str, str]]:
    walk = ("rev-list", "--reverse", "--first-parent", "--format=%s")
    told = objects.git(*walk, between).raw.decode(errors="replace").splitlines()
    names = [line.partition(" ")[2] for line in told[::2]]
    if not names:
        raise UserError(
            f"{commits} has no commit to judge by itself: {commits.after} does not come after "
            f"{commits.before}"
        )
    return [
        (tree_of(objects, f"{name}^", folder), tree_of(objects, name, folder), subject)
        for name, subject in zip(names, told[1::2], strict=True)
    ]

# SPDX-License-Identifier: GPL-2.0-only
"""git as a plain tool: no repository around it, no setting of its user's.

It alone says what a patch touches and turns it into bytes, as it does for whoever applies the
series by hand: a reader of our own beside it would, some day, read something else.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.host.command import CommandFailedError, Completed, require, run
from harness.host.deadline import Deadline

LIMIT_S = 60.0
# What a user's configuration would change: line ends, white space that is not compared, files
# that are skipped.
_ALONE = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
}
_APPLY = ("apply", "--whitespace=nowarn")
# How files of gzip, xz, bzip2, zstd and zip begin.
_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd", b"PK\3\4")
# In git's words: 2.35 changed them.
_NO_PATCH = re.compile(r"No valid patches in input|unrecognized input")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A patch as git takes it apart: what is said, and what is changed."""

    subject: str  # without [PATCH ...]
    date: str
    body: str
    change: bytes  # the diffs, with whatever stands around them


def read_mail(path: Path, scratch: Path) -> Mail:
    """Take a patch apart as `git am` does: a mail, also an encoded one, or a plain diff.

    `scratch` is a directory for what git writes. Raises UserError for what is no text.
    """
    data = path.read_bytes()
    if data.startswith(_COMPRESSED):
        raise UserError(f"{path} is compressed; unpack it, and give what it holds")
    if b"\0" in data:
        raise UserError(
            f"{path} is not a text that git can read, perhaps UTF-16; "
            f"convert it: iconv -f UTF-16 -t UTF-8 {path.name} > new && mv new {path.name}"
        )
    message, change = scratch / "message", scratch / "change"
    for written in (message, change):
        written.write_bytes(b"")
    # Its status is not asked for: where it finds no change, touched() says so.
    info = git(
        "mailinfo",
        "--encoding=UTF-8",
        str(message),
        str(change),
        cwd=scratch,
        stdin_path=path,
        ok=None,
    )
    headers = dict(
        line.partition(": ")[::2] for line in info.raw.decode(errors="replace").splitlines()
    )
    return Mail(
        subject=headers.get("Subject", ""),
        date=headers.get("Date", ""),
        body=message.read_text(errors="replace").strip(),
        change=change.read_bytes(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """The files, below a kernel tree, that a change reads or writes."""

    names: frozenset[str]
    written: tuple[str, ...]  # in the order of the change, of a renamed file its new name
    writes: bool  # lines, and not modes or names alone, which a tree may have already


def touched(name: str, change: Path) -> Touched:
    """Return what a change touches; `name` is what the user knows it by.

    Asked both ways, since git names a renamed file by its new name alone. Raises UserError
    where git finds no change, or half of one.
    """
    found: list[list[str]] = []
    writes = False
    for direction in ((), ("--reverse",)):
        try:
            done = git(*_APPLY, "--numstat", "-z", *direction, str(change), cwd=change.parent)
        except CommandFailedError as error:
            raise _unreadable(name, change, error) from error
        found.append([])
        for record in done.raw.split(b"\0")[:-1]:
            added, deleted, path = record.split(b"\t", 2)
            found[-1].append(_decoded(name, path))
            writes |= (added, deleted) != (b"0", b"0")
    forward, backward = found
    return Touched(names=frozenset((*forward, *backward)), written=tuple(forward), writes=writes)


def _decoded(name: str, path: bytes) -> str:
    try:
        return path.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{name} touches {path!r}, which is not UTF-8; rename the file") from error


def apply(change: Path, tree: Path, *, reverse: bool = False, check: bool = False) -> Completed:
    """Apply a change to `tree`, without fuzz; an offset is no fuzz.

    Returns git's answer whatever it is: its status is 0 if the change was taken whole.
    """
    flags = [flag for flag, on in (("--reverse", reverse), ("--check", check)) if on]
    return git(*_APPLY, *flags, str(change.absolute()), cwd=tree, ok=None)


def _unreadable(name: str, change: Path, error: CommandFailedError) -> UserError:
    if _NO_PATCH.search(error.completed.output):
        return UserError(
            f"{name} changes no file; is it cut short, or a cover letter alone? Export it again"
        )
    hint = line_ends_hint(name, change) or "is it cut short, or edited by hand? Export it again"
    return UserError(f"git cannot read {name}: {error.tail}; {hint}")


def line_ends_hint(name: str, change: Path) -> str:
    """Say what a mailer may have done to a change that git does not take; empty if nothing."""
    if b"\r\n" not in change.read_bytes():
        return ""
    return f"it has lines that end in CR LF; if that is not meant: sed -i 's/\\r$//' {name}"


def git(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin_path: Path | None = None,
    ok: tuple[int, ...] | None = (0,),
    limit_s: float = LIMIT_S,
) -> Completed:
    """Run git in `cwd`, without its user's settings; CommandFailedError unless `ok`."""
    require("git")
    # Without the ceiling, git takes an enclosing checkout for its work tree, skips every
    # file of ours and exits 0.
    alone = _ALONE | {"GIT_CEILING_DIRECTORIES": str(cwd.resolve().parent)}
    argv = ["git", "-c", f"core.attributesFile={os.devnull}", *arguments]
    return run(
        argv,
        cwd=cwd,
        env={**alone, **(env or {})},
        deadline=Deadline.after(limit_s, f"git {arguments[0]}"),
        stdin_path=stdin_path,
        stdout_apart=True,
        ok=ok,
    )

# SPDX-License-Identifier: GPL-2.0-only
"""A small repository, in which git makes mails of what patches did to a few files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StageError, UserError
from harness.host import git
from harness.host.command import CommandFailedError, require, run
from harness.host.deadline import Deadline
from harness.host.few_files import FileState, put
from harness.host.git_commits import ATTRIBUTES

_BRANCH = "series"
_BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who sends mails."""

    name: str
    email: str


# Of the mails that are kept, and of those that are made for a look only.
NOBODY = Author(name="buddylab", email="buddylab@localhost")


def own_identity() -> Author:
    """Return who the user is to git; UserError with the commands that say it, if nobody."""
    name, email = (_setting(f"user.{what}") for what in ("name", "email"))
    if not name or not email:
        raise UserError(
            "git does not know whose mails these are to be; say it:\n"
            '  git config --global user.name "Your Name"\n'
            "  git config --global user.email you@example.org"
        )
    return Author(name=name, email=email)


def head_with(tree: Path, files: Mapping[str, bytes]) -> str | None:
    """Return the commit checked out in `tree`, if it has exactly these files; None elsewhere."""
    if not (tree / ".git").exists():
        return None
    head = _own("rev-parse", "--verify", "--quiet", "HEAD", cwd=tree)
    for name, content in files.items():
        there = _own_bytes("cat-file", "blob", f"HEAD:{name}", cwd=tree)
        if there != content:
            return None
    return head or None


class Repository:
    """A repository below `root`, one commit for each patch."""

    def __init__(self, root: Path, author: Author) -> None:
        """Make it, empty."""
        self.root = root
        self._author = author
        root.mkdir(parents=True)
        self._git("init", "--quiet", f"--initial-branch={_BRANCH}")
        (root / ".git/info").mkdir(exist_ok=True)
        (root / ".git/info/attributes").write_text(ATTRIBUTES)

    def begin(self, files: Mapping[str, FileState]) -> None:
        """Commit the files as they are without the series."""
        self._write(files)
        self._git("commit", "--quiet", "--allow-empty", "--message=pristine")
        self._git("tag", _BASE)

    def commit(self, files: Mapping[str, FileState], message: str, *, date: str) -> None:
        """Commit the files as they are now; StageError if none of them changed."""
        self._write(files)
        text = self.root / ".git/message"
        text.write_text(message)
        try:
            self._git(
                *("commit", "--quiet", "--cleanup=verbatim", f"--file={text}"),
                *((f"--date={date}",) if date else ()),
            )
        except CommandFailedError as error:
            subject = message.partition("\n")[0]
            raise StageError("export", f"{subject!r} changes nothing here: {error.tail}") from error

    def mails(self, target: Path, *, letter: str | None) -> tuple[Path, ...]:
        """Write the commits after the first as mails, and a cover letter; return them in order.

        `letter` is its subject, an empty line, and its text.
        """
        flags = ["--zero-commit", "--no-signature", "--numbered", "--no-renames"]
        if letter is not None:
            self._git("config", f"branch.{_BRANCH}.description", letter)
            flags += ["--cover-letter", "--cover-from-description=subject"]
        self._git(
            "format-patch",
            "--quiet",
            *flags,
            f"--output-directory={target.absolute()}",
            f"{_BASE}..",
        )
        return tuple(sorted(target.glob("*.patch")))

    def _write(self, files: Mapping[str, FileState]) -> None:
        for name, state in files.items():
            (self.root / name).unlink(missing_ok=True)
            put(state, self.root / name)
        self._git("add", "--all", "--force", ".")

    def _git(self, *arguments: str) -> None:
        author = self._author
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", author.name), ("EMAIL", author.email))
        }
        git.git(*arguments, cwd=self.root, env=who)


def _setting(name: str) -> str:
    return _own("config", "--get", name, cwd=Path.cwd())


def _own(*arguments: str, cwd: Path) -> str:
    return _own_bytes(*arguments, cwd=cwd).decode(errors="replace").strip()


def _own_bytes(*arguments: str, cwd: Path) -> bytes:
    """Ask git about the user or the user's own tree, with the user's settings."""
    argv = [require("git"), *arguments]
    deadline = Deadline.after(git.LIMIT_S, f"git {arguments[0]}")
    done = run(argv, cwd=cwd, deadline=deadline, stdout_apart=True, ok=None)
    return done.raw if done.returncode == 0 else b""

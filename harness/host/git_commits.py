# SPDX-License-Identifier: GPL-2.0-only
"""Commits of a user's git repository: named, listed, read; nothing in it is written.

What a name means is asked of the repository as its user would ask, with its user's settings.
What a commit holds is read by a git directory of our own that has the repository's objects and
nothing else of it: no settings, filters, hooks, replaced objects, or server to fetch from.
"""

import contextlib
import difflib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.host import git
from harness.host.command import CommandFailedError, Completed, require, run
from harness.host.deadline import Deadline
from harness.host.scratch import temporary

# As the kernel's own .gitattributes: a hunk is named after its function, not after a label.
ATTRIBUTES = "*.c diff=cpp\n*.h diff=cpp\n"
# Objects that are absent stay absent: nobody asked for the network.
_QUIET = {"GIT_ALLOW_PROTOCOL": "none", "GIT_OPTIONAL_LOCKS": "0"}
_CLOSE_NAMES = 3


def toplevel_of(path: Path) -> Path:
    """Return the top of the work tree that `path` is in, or a bare repository's directory.

    Raises UserError if it is in no repository, or in one that git does not trust.
    """
    if not path.is_dir():
        raise UserError(f"{path} is not a directory; give that of a git repository")
    found = _asked(path, "rev-parse", "--show-toplevel", ok=None)
    if found.returncode != 0:
        found = _asked(path, "rev-parse", "--absolute-git-dir", ok=None)
    if found.returncode != 0:
        raise UserError(f"{path} is not in a git repository: {_told(found)}")
    return Path(_text(found))


def folder_of(path: Path) -> str:
    """Return where `path` is below its work tree's top (mm/); empty at the top, and if bare."""
    return _text(_asked(path, "rev-parse", "--show-prefix"))


def commit_of(repo: Path, ref: str) -> str:
    """Return the commit that `ref` names (v6.1, a branch, HEAD~3, a digest's beginning), in full.

    Raises UserError if there is none.
    """
    toplevel = toplevel_of(repo)
    if ref and not ref.startswith("-"):
        found = _asked(repo, "rev-parse", "--verify", f"{ref}^{{commit}}", ok=None)
        if found.returncode == 0:
            return _text(found)
        if "ambiguous" in found.output:
            raise UserError(f"{toplevel} has several {ref!r}: {_told(found)}; give more of it")
    raise UserError(f"{toplevel} has no commit {ref!r}; {_next_step(repo, ref)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """The objects of a repository, read without the rest of it."""

    repo: Path
    is_shallow: bool  # a clone that left the beginning of its history with its server
    is_partial: bool  # a clone that left objects with its server
    place: Path  # where they lie: one place for all work trees of a repository
    own: Path  # a git directory that has them

    def git(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdin_path: Path | None = None,
        limit_s: float = git.LIMIT_S,
    ) -> Completed:
        """Run git on these objects; UserError if git cannot, as where some are absent."""
        try:
            return git.git(
                *arguments,
                cwd=self.own,
                env={**_QUIET, "GIT_DIR": str(self.own), **(env or {})},
                stdin_path=stdin_path,
                limit_s=limit_s,
            )
        except CommandFailedError as error:
            raise UserError(
                f"git cannot read {self.repo}: {_told(error.completed)}; {self._advice}"
            ) from error

    @property
    def _advice(self) -> str:
        if self.is_partial:
            return (
                "it is a partial clone, which left files with its server; "
                f"`git -C {self.repo} worktree add DIR COMMIT` gets them: then use that DIR"
            )
        if self.is_shallow:
            return f"it is a shallow clone; get the rest: git -C {self.repo} fetch --unshallow"
        return f"git -C {self.repo} fsck tells what is broken"


@contextlib.contextmanager
def opened(repo: Path) -> Iterator[Objects]:
    """Give the objects of the repository that `repo` is in."""
    toplevel = toplevel_of(repo)
    objects, shallow = (
        Path(_text(_asked(repo, "rev-parse", "--path-format=absolute", "--git-path", name)))
        for name in ("objects", "shallow")
    )
    form = _text(_asked(repo, "rev-parse", "--show-object-format"))
    partial = _asked(repo, "config", "--get-regexp", r"^remote\..*\.promisor$", ok=None)
    with temporary("git") as scratch:
        own = scratch / "git"
        bare = ("--quiet", "--bare", "--template=", f"--object-format={form}")
        git.git("init", *bare, str(own), cwd=scratch)
        for name, content in (
            ("info/attributes", ATTRIBUTES),
            ("objects/info/alternates", f"{objects}\n"),
        ):
            (own / name).parent.mkdir(exist_ok=True)
            (own / name).write_text(content)
        if shallow.is_file():
            shutil.copyfile(shallow, own / "shallow")
        yield Objects(
            repo=toplevel,
            place=objects,
            is_shallow=shallow.is_file(),
            is_partial=partial.returncode == 0,
            own=own,
        )


def _asked(path: Path, *arguments: str, ok: tuple[int, ...] | None = (0,)) -> Completed:
    """Ask git about the user's repository, with the user's settings."""
    argv = [require("git"), *arguments]
    deadline = Deadline.after(git.LIMIT_S, f"git {arguments[0]}")
    return run(argv, cwd=path, env=_QUIET, deadline=deadline, stdout_apart=True, ok=ok)


def _next_step(repo: Path, ref: str) -> str:
    names = _text(_asked(repo, "for-each-ref", "--format=%(refname:short)")).splitlines()
    if ref in names:
        return f"what it has by this name is no commit; git -C {repo} show {ref} tells what it is"
    if close := difflib.get_close_matches(ref, names, n=_CLOSE_NAMES):
        return f"it has {', '.join(close)}"
    if _text(_asked(repo, "rev-parse", "--is-shallow-repository")) == "true":
        return f"it is a shallow clone; get the rest: git -C {repo} fetch --unshallow"
    return "git branch --all and git tag list what it has; git fetch gets what is new"


def _text(done: Completed) -> str:
    return done.raw.decode(errors="replace").strip()


def _told(done: Completed) -> str:
    """Return git's first complaint, without what it advises."""
    lines = [line.strip() for line in done.output.splitlines()]
    found = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (found or lines or ["git said nothing"])[0]

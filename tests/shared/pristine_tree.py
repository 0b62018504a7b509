# SPDX-License-Identifier: GPL-2.0-only
"""Who takes exported mails: git am and quilt, on a pristine tree, with their own reading of it."""

import shutil
import subprocess  # noqa: TID251 - the judges share nothing with the harness
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.host.few_files import FileState, state_of


def git(*arguments: str, cwd: Path) -> str:
    """Run git as somebody, whose settings are not the user's."""
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgSign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True
    )
    return done.stdout


def committed(tree: Path) -> Path:
    """Make `tree` a repository with one commit of all that is in it."""
    git("init", "--quiet", cwd=tree)
    git("add", "--all", "--force", ".", cwd=tree)
    git("commit", "--quiet", "--message=pristine", cwd=tree)
    return tree


def with_git_am(tree: Path, mails: Iterable[Path]) -> Path:
    """Let git am take the mails, one by one, on a tree that is committed."""
    for mail in mails:
        git("am", "--quiet", str(mail.absolute()), cwd=tree)
    return tree


def with_quilt(tree: Path, mails: Path) -> str:
    """Let quilt push the series of a folder; return what it said."""
    done = subprocess.run(
        ["quilt", "--quiltrc", "-", "push", "-a"],
        cwd=tree,
        env={"PATH": "/usr/bin:/bin", "QUILT_PATCHES": str(mails.absolute()), "LC_ALL": "C.UTF-8"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(tree / ".pc")
    return done.stdout


def contents(tree: Path) -> dict[str, FileState]:
    """Return every file of a tree but git's own."""
    return {name: state_of(tree / name) for name in _names(tree)}


def _names(tree: Path) -> Iterator[str]:
    for path in tree.rglob("*"):
        if ".git" not in path.parts and (path.is_symlink() or not path.is_dir()):
            yield path.relative_to(tree).as_posix()

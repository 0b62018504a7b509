# SPDX-License-Identifier: GPL-2.0-only
"""The few files of a kernel tree that a series touches: copied out, compared, put back.

Patches are applied to such copies: what comes of them is known before 75,000 files are cloned.
"""

import stat
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.digest import sha256_bytes
from harness.errors import StageError

_EXECUTABLE = 0o100


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as git sees it: what it is, in git's words, and its bytes or a link's target."""

    kind: str
    content: bytes = b""

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.kind in {"100644", "100755"}

    @property
    def digest(self) -> str:
        """Digest of the content."""
        return sha256_bytes(self.content)


ABSENT = FileState("absent")
_DIRECTORY = FileState("directory")


def state_of(path: Path) -> FileState:
    """Return what stands at `path`."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    if stat.S_ISLNK(mode):
        return FileState("120000", str(path.readlink()).encode())
    if stat.S_ISDIR(mode):
        return _DIRECTORY
    return FileState("100755" if mode & _EXECUTABLE else "100644", path.read_bytes())


def copy_out(tree: Path, names: Iterable[str], target: Path, *, known: Container[str]) -> None:
    """Copy `names` of `tree`, those that are there, to `target`, and what is in their way.

    What is `known` was copied before. A name that leads out of the tree is left to git, which
    refuses it.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in sorted(name for name in names if name not in known):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            continue
        for folder in reversed([each for each in path.parents[:-1] if str(each) not in known]):
            state = state_of(tree / folder)
            if state.kind == "120000":
                raise StageError(
                    "patch", f"{name} lies behind the link {folder}; name the file itself"
                )
            if state not in (ABSENT, _DIRECTORY):
                put(state, target / folder)
        put(state_of(tree / path), target / path)


def put_back(source: Path, names: Iterable[str], tree: Path) -> None:
    """Make `names` of `tree` what they are below `source`; no other file is written to.

    Files of `tree` may be linked to another tree's: each gets an inode of its own.
    """
    for name in names:
        state = state_of(source / name)
        if state == _DIRECTORY:
            raise StageError("patch", f"{name} became a directory; only files can be patched")
        (tree / name).unlink(missing_ok=True)
        put(state, tree / name)


def put(state: FileState, path: Path) -> None:
    """Make `state` stand at `path`, where nothing does."""
    if state == ABSENT:
        return
    if state == _DIRECTORY:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if state.kind == "120000":
        path.symlink_to(state.content.decode())
        return
    path.write_bytes(state.content)
    path.chmod(0o755 if state.kind == "100755" else 0o644)

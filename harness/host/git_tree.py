# SPDX-License-Identifier: GPL-2.0-only
"""Trees of commits, written out as files, byte for byte what git would check out.

A kernel has 80,000 files; of two commits most are the same. Where one was written out before, the
other is made of links to it and of the files that differ.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.host.git_commits import Objects
from harness.host.pristine import contents_of
from harness.host.source_tree import clone

_WRITE_LIMIT_S = 1200.0
_ADDED, _DELETED = "A", "D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A tree that was written out before, as the cache has it."""

    tree: str  # git's name of it
    place: Path
    contents: dict[str, str]  # what its files are (harness.host.pristine)


def tree_of(objects: Objects, commit: str, below: str = "") -> str:
    """Return git's name of what a commit holds, in all or in the folder `below`."""
    return objects.git("rev-parse", "--verify", f"{commit}:{below}").raw.decode().strip()


def read(objects: Objects, tree: str, name: str) -> bytes | None:
    """Return a file of a tree; None if it has none of this name."""
    if not objects.git("ls-tree", "-z", tree, "--", name).raw:
        return None
    return objects.git("cat-file", "blob", f"{tree}:{name}").raw


def write_out(
    objects: Objects, tree: str, target: Path, scratch: Path, *, before: Written | None
) -> dict[str, str]:
    """Write a tree below `target`, which is not there yet; return what its files are.

    Raises UserError if the repository lacks some of it.
    """
    changes = None if before is None else _changes(objects, before.tree, tree)
    env = {"GIT_WORK_TREE": str(target), "GIT_INDEX_FILE": str(scratch / "index")}
    write = ("checkout-index", "--force")
    if before is None or changes is None:
        target.mkdir()
        objects.git("read-tree", tree, env=env)
        objects.git(*write, "--all", env=env, limit_s=_WRITE_LIMIT_S)
        return contents_of(target)
    clone(before.place, target, own={})
    for name, status in changes.items():
        if status != _ADDED:
            _remove(target, name)
    objects.git("read-tree", tree, env=env)
    new = [name for name, status in changes.items() if status != _DELETED]
    names = scratch / "names"
    names.write_bytes(b"".join(name.encode(errors="surrogateescape") + b"\0" for name in new))
    objects.git(*write, "-z", "--stdin", env=env, stdin_path=names, limit_s=_WRITE_LIMIT_S)
    same = {name: what for name, what in before.contents.items() if name not in changes}
    # What is written of a submodule is a directory.
    return same | contents_of(target, (name for name in new if not _is_folder(target / name)))


def _changes(objects: Objects, before: str, tree: str) -> dict[str, str] | None:
    """Return the files that differ and what happened to each; None without `before`."""
    try:
        listed = objects.git("diff-tree", "-r", "-z", "--no-renames", "--name-status", before, tree)
    except UserError:
        return None
    words = listed.raw.decode(errors="surrogateescape").split("\0")[:-1]
    return dict(zip(words[1::2], words[::2], strict=True))


def _remove(root: Path, name: str) -> None:
    """Remove a file, and the folders that are empty then."""
    path = root / name
    if _is_folder(path):
        path.rmdir()  # what was written of a submodule
    else:
        path.unlink()
    for folder in path.parents:
        if folder == root or any(folder.iterdir()):
            break
        folder.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()

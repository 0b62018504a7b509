# SPDX-License-Identifier: GPL-2.0-only
"""Kernel trees of the cache, held to what they were when they were cached.

To read 78,000 files takes 5 to 10 s, to list them 0.2 s. So what each file is was noted once, by
digest; before a tree is used its files are listed, and those are read again whose size, time,
mode or inode is another. What keeps all four, as a broken disk may, is not seen.

    sources/<digest>/files.json      all files of the tree
    trees/<key>/files.json           those that the series touches; the others are the source's
    stamps/<kind>-<key>.json         what the listing showed when the files were last read
"""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from harness.encoding import UNREADABLE
from harness.errors import StageError
from harness.host.cache import KEY_LENGTH, Cache
from harness.host.command import run
from harness.host.deadline import Deadline
from harness.host.files import atomic_write, sha256_file
from harness.values import KernelSource, PatchedTree

logger = logging.getLogger("fetch")

CONTENTS = "files.json"
SOURCES, TREES = "sources", "trees"
_LIST_LIMIT_S = 600.0
_MANY_FILES = 10_000
_ABSENT = ""

# Path below a tree -> what the file is, or what the listing shows of it.
Table = Mapping[str, str]


def content_of(path: Path) -> str:
    """Say what a file is: whether it is executable and its digest, or where a link leads."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if not path.is_file():
        return _ABSENT
    executable = "x" if os.access(path, os.X_OK) else "-"
    return f"{executable} {sha256_file(path)}"


def contents_of(tree: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """Read `names` of a tree, or all its files."""
    return {name: content_of(tree / name) for name in (_listed(tree) if names is None else names)}


def note(entry: Path, contents: Table) -> None:
    """Keep what a tree's files are, in an entry that is not published yet."""
    atomic_write(entry / CONTENTS, msgspec.json.encode(contents))


def noted(source: KernelSource) -> dict[str, str]:
    """Return what all files of a source are."""
    return msgspec.json.decode((source.tree.parent / CONTENTS).read_bytes(), type=dict[str, str])


def remember(source: KernelSource, cache: Cache) -> None:
    """Keep how a source that was just published is listed, so that nobody reads it again."""
    _remember(_stamps_file(SOURCES, source.digest, cache), _listed(source.tree))


def require_source(source: KernelSource, cache: Cache) -> None:
    """Raise StageError, naming the file, unless a source is what was cached."""
    cache.require_unaltered(SOURCES, source.digest, (CONTENTS,))
    stamps = _stamps_file(SOURCES, source.digest, cache)
    _require(source.tree, noted(source), _recalled(stamps), stamps)


def require_tree(tree: PatchedTree, cache: Cache) -> None:
    """Raise StageError, naming the file, unless a patched tree is what was made of its source."""
    cache.require_unaltered(TREES, tree.key, (CONTENTS,))
    cache.require_unaltered(SOURCES, tree.source.digest, (CONTENTS,))
    own = msgspec.json.decode((tree.tree.parent / CONTENTS).read_bytes(), type=dict[str, str])
    contents = {name: what for name, what in (noted(tree.source) | own).items() if what != _ABSENT}
    stamps = _stamps_file(TREES, tree.key, cache)
    # Its files are links to the source's: the same inodes.
    known = _recalled(stamps) or _recalled(_stamps_file(SOURCES, tree.source.digest, cache))
    _require(tree.tree, contents, known, stamps, own=own)


def _require(
    tree: Path, contents: Table, known: Table, stamps: Path, *, own: Table | None = None
) -> None:
    listed = _listed(tree)
    if strange := sorted(listed.keys() ^ contents.keys()):
        what = "was added" if strange[0] in listed else "is gone"
        raise _altered(tree, f"{tree / strange[0]} {what}")
    differing = [name for name, stamp in listed.items() if stamp != known.get(name)]
    if len(differing) > _MANY_FILES:
        logger.info("reading %d files again: the cache was moved or copied", len(differing))
    for name in differing:
        now = content_of(tree / name)
        if now != contents[name]:
            raise _altered(tree, f"{tree / name} is {now[:18]}, was {contents[name][:18]}")
    # A tree's own files are few, and read each time.
    if set(differing) - (own or {}).keys():
        _remember(stamps, listed)


def _altered(tree: Path, fact: str) -> StageError:
    return StageError(
        "fetch",
        f"a cached source was altered: {fact}; remove {tree.parent} and give the same command "
        "again (a series is changed in patches/, and a source of your own named with --kernel)",
    )


def _listed(tree: Path) -> dict[str, str]:
    """List files and links with what `stat` says; find does it in a quarter of our time."""
    argv = ["find", ".", "-not", "-type", "d", "-printf", r"%P\t%m %s %T@ %i\n"]
    deadline = Deadline.after(_LIST_LIMIT_S, f"listing {tree}")
    lines = run(argv, cwd=tree, deadline=deadline).output.split("\n")
    return dict(line.split("\t", 1) for line in lines if line)


def _stamps_file(kind: str, key: str, cache: Cache) -> Path:
    return cache.root / "stamps" / f"{kind}-{key[:KEY_LENGTH]}.json"


def _recalled(stamps: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(stamps.read_bytes(), type=dict[str, str])
    except (OSError, *UNREADABLE):
        return {}


def _remember(stamps: Path, listed: Table) -> None:
    atomic_write(stamps, msgspec.json.encode(listed))

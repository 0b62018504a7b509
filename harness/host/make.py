# SPDX-License-Identifier: GPL-2.0-only
"""make in a slot: a working directory that stays, so that an edit costs only itself.

Patched trees are immutable and keyed by digest, but make knows files by path and time.
A slot therefore has one fixed path whose top-level entries are links into the patched
tree of the moment; `obj` beside it keeps the objects. When the slot turns to another
tree, every file that differs from the one before gets the present time, so that exactly
those are compiled again: also when the slot turns back to an older tree.
"""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.digest import sha256_text
from harness.errors import UserError
from harness.host import pristine, source_tree
from harness.host.cache import CACHE_ELSEWHERE, Cache
from harness.host.command import CommandFailedError, lines_of
from harness.host.deadline import Deadline
from harness.host.files import atomic_write, remove_tree
from harness.texts.build.build_log import first_error
from harness.values import PatchedTree

# Nothing of the builder, the clock or the path enters the image.
REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "buddylab",
    "KBUILD_BUILD_HOST": "buddylab",
    "KBUILD_BUILD_VERSION": "1",
    "SOURCE_DATE_EPOCH": "0",
}
_TREE_FILE = "tree-key"
_MODULES = "kmod-"
_MAKING = "making"  # there while make works, dated when it began
# tools/ asks the shell where it is and would see behind a link: objtool, and with it every
# object, would be built again for each tree. It gets a directory of the slot's own.
_TOOLS = "tools"


# make splits names at spaces and colons, kbuild at more ($, #, %, ', and the linker's comma).
_MAKEABLE = re.compile(r"[\w./+@~-]+")


def require_makeable(cache: Cache) -> None:
    """Refuse a cache in whose path make would see something else than a path; UserError."""
    if not _MAKEABLE.fullmatch(str(cache.root)):
        strange = next(each for each in str(cache.root) if not _MAKEABLE.fullmatch(each))
        raise UserError(
            f"the cache's path {str(cache.root)!r} has the character {strange!r}, which make does "
            f"not take as part of a name; {CACHE_ELSEWHERE}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A working directory of make; who works in it holds its lock."""

    root: Path
    lock: int = -1  # the descriptor, see `held`

    @property
    def source(self) -> Path:
        """The kernel source as make sees it."""
        return self.root / "src"

    @property
    def objects(self) -> Path:
        """The output directory (make O=)."""
        return self.root / "obj"

    def modules_of(self, sources: Path, digest: str) -> Path:
        """Return the directory (make M=) where modules of `sources` are made, and stay made.

        `digest` is that of the sources: other sources are made from nothing.
        """
        place = self.root / f"{_MODULES}{digest[:16]}"
        if not place.exists():
            self._remove_modules()
            copy = self.root / f".{_MODULES}"
            remove_tree(copy)
            shutil.copytree(sources, copy)
            copy.rename(place)
        return place

    def _remove_modules(self) -> None:
        for place in self.root.glob(f"{_MODULES}*"):
            remove_tree(place)

    def turn_to(self, tree: PatchedTree, cache: Cache) -> None:
        """Make `tree` the source of this slot and date what differs from the tree before.

        StageError if the tree is not what was patched.
        """
        pristine.require_tree(tree, cache)
        current = self.root / _TREE_FILE
        before_key = current.read_text() if current.exists() else None
        if before_key == tree.key and self._leads_to(tree):
            return
        before = cache.load("trees", before_key, PatchedTree) if before_key else None
        current.unlink(missing_ok=True)
        # make knows files by path: of a slot that was moved, or copied, nothing can be used.
        if before is None or not self._leads_to(before):
            remove_tree(self.objects)
            self._remove_modules()
        else:
            for name in sorted(_differing(before, tree)):
                _date_now(tree.tree / name)
        self._link(tree.tree)
        self.objects.mkdir(parents=True, exist_ok=True)
        atomic_write(current, tree.key)

    def _leads_to(self, tree: PatchedTree) -> bool:
        link = self.source / "Makefile"
        return link.is_symlink() and link.readlink() == tree.tree / "Makefile"

    def _link(self, tree: Path) -> None:
        remove_tree(self.source)
        self.source.mkdir(parents=True)
        for item in tree.iterdir():
            if item.name == _TOOLS:
                source_tree.clone(item, self.source / item.name, own={})
            else:
                (self.source / item.name).symlink_to(item)

    @contextlib.contextmanager
    def held(self, cache: Cache) -> Iterator["Slot"]:
        """Hold the slot's lock: it is another's again once all that make started has ended."""
        with cache.locked(f"slot-{self.root.name}") as lock:
            self.root.mkdir(parents=True, exist_ok=True)
            self._remove_torn()
            yield replace(self, lock=lock)

    def make(self, targets: Sequence[str], *, deadline: Deadline, log_path: Path) -> Iterator[str]:
        """Run make and yield its lines; CommandFailedError when it fails."""
        argv = [
            "make",
            f"--jobs={os.cpu_count() or 1}",
            "-C",
            str(self.source),
            f"O={self.objects}",
            *compiler_arguments(),
            *targets,
        ]
        making = self.root / _MAKING
        making.touch()

        def ended(status: int) -> None:
            # Told to end, make removes what it was about to make; killed, it cannot.
            if status >= 0 or status == -signal.SIGTERM:
                making.unlink()

        yield from lines_of(
            argv,
            deadline=deadline,
            log_path=log_path,
            env=REPRODUCIBLE,
            pass_fds=(self.lock,),
            ended=ended,
        )

    def _remove_torn(self) -> None:
        """Remove what a make that was killed made: it may be cut, and looks up to date."""
        making = self.root / _MAKING
        if not making.exists():
            return
        since_ns = making.stat().st_mtime_ns
        self._remove_modules()
        for name in _files(self.objects):
            path = self.objects / name
            if path.lstat().st_mtime_ns >= since_ns:
                path.unlink()
        making.unlink()


def told(error: CommandFailedError) -> str:
    """Return what make failed with: the first real error, or that its deadline passed."""
    if error.late_after_s is not None:
        return (
            f"not done within {error.late_after_s:.0f} s, and ended; give the same command again "
            "when this machine has less to do"
        )
    return first_error(error.completed.output)


def compiler_arguments() -> list[str]:
    """Route compilation through ccache where it is present."""
    return ["CC=ccache gcc", "HOSTCC=ccache gcc"] if shutil.which("ccache") else []


def slot_for(tree: PatchedTree, flavour: str, compiler: str, cache: Cache) -> Slot:
    """Name the slot of a kernel line, a configuration flavour and a compiler."""
    line = sha256_text(tree.series_name, flavour, compiler)[:8]
    return Slot(root=cache.root / "slots" / f"{tree.series_name}-{flavour}-{line}")


def _differing(before: PatchedTree, after: PatchedTree) -> set[str]:
    names: Iterable[str] = _files(after.tree)
    if before.source.digest == after.source.digest:
        names = {*before.touched, *after.touched}
    return {name for name in names if not _same(before.tree / name, after.tree / name)}


def _files(root: Path) -> Iterator[str]:
    for directory, _, names in os.walk(root):
        relative = os.path.relpath(directory, root)
        for name in names:
            yield os.path.normpath(os.path.join(relative, name))  # noqa: PTH118 - 75,000 files


def _same(one: Path, other: Path) -> bool:
    """Whether two files are one inode, or equal in content and time."""
    try:
        a, b = one.lstat(), other.lstat()
    except FileNotFoundError:
        return False
    if (a.st_ino, a.st_dev) == (b.st_ino, b.st_dev):
        return True
    if a.st_size != b.st_size:
        return False
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    if one.read_bytes() != other.read_bytes():
        return False
    # The same content under another date: give it the date that make has seen.
    os.utime(other, ns=(b.st_atime_ns, a.st_mtime_ns))
    return True


def _date_now(file: Path) -> None:
    if file.exists() and not file.is_symlink():
        os.utime(file)

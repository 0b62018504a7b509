# SPDX-License-Identifier: GPL-2.0-only
"""The cache: what stages made, kept for the next run.

Layout, each entry immutable once its manifest.json exists (written last). No manifest says where
the cache is: it can be moved and copied.

    downloads/            archives and packages as they came, checked
    digests/              what was found out once: digests of large files, keys of trees
    sources/<digest>/     tree/ is a pristine kernel source
    trees/<key>/          tree/ is a patched source
    slots/<name>/         working directories of make, reused between builds
    kernels/<key>/        what a build left
    userspaces/<key>/     files of every guest, whatever its kernel
    guests/<key>/         initramfs
    arms/<key>/, states/<key>/  texts of arms that were judged, and of their preparing guests
    stamps/               how the files of trees were listed when they were last read
    tmp/                  work in progress, see scratch.py; swept when its process is gone
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec
import platformdirs

from harness.encoding import UNREADABLE, encode
from harness.errors import HostError, StageError, UserError
from harness.host.deadline import Deadline
from harness.host.disk import disk_full_told
from harness.host.files import atomic_write, remove_tree, sha256_file
from harness.host.lock import held
from harness.host.scratch import scratch, sweep
from harness.record import schema

logger = logging.getLogger("buddylab")

MANIFEST = "manifest.json"
CACHE_ELSEWHERE = "move the cache with BUDDYLAB_CACHE"
Value = TypeVar("Value")

KEY_LENGTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file at the top of an entry, as it was published."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    """What an entry is, and what belongs to it."""

    schema: int
    key: str
    payload: dict[str, _File | None]  # name -> the file; None: a directory
    value: msgspec.Raw  # its paths begin at the cache's root


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache directory; every entry is complete or absent."""

    root: Path

    @classmethod
    def default(cls) -> "Cache":
        """Use $BUDDYLAB_CACHE, else the platform's cache directory; UserError if it is no text."""
        configured = os.environ.get("BUDDYLAB_CACHE")
        root = Path(configured) if configured else platformdirs.user_cache_path("buddylab")
        try:
            str(root).encode()
        except UnicodeEncodeError:
            raise UserError(
                f"the cache's path {str(root)!a} is not UTF-8; {CACHE_ELSEWHERE}"
            ) from None
        return cls(root.absolute())

    def entry(self, kind: str, key: str) -> Path:
        """Name an entry's directory."""
        return self.root / kind / key[:KEY_LENGTH]

    def load(self, kind: str, key: str, value_type: type[Value]) -> Value | None:
        """Return a complete entry's value; None if it is absent, incomplete or of another form."""
        manifest = self._manifest(kind, key)
        if manifest is None or not self._is_whole(self.entry(kind, key), manifest):
            return None
        try:
            return msgspec.json.decode(manifest.value, type=value_type, dec_hook=self._located)
        except UNREADABLE:
            return None

    def names(self, kind: str) -> list[str]:
        """Name the entries of a kind, complete or not, as `load` takes them."""
        return sorted(path.name for path in (self.root / kind).glob("*") if path.is_dir())

    def require_unaltered(self, kind: str, key: str, names: Iterable[str]) -> None:
        """Digest files of an entry that are about to be used; StageError if one was altered."""
        manifest, folder = self._manifest(kind, key), self.entry(kind, key)
        for name in names:
            before = manifest.payload.get(name) if manifest else None
            now = sha256_file(folder / name) if (folder / name).is_file() else "absent"
            if before is None or now != before.sha256:
                was = f"was {before.sha256[:16]}" if before else "and nothing says what it was"
                raise StageError(
                    "cache",
                    f"{folder / name} was altered since it was cached: sha256 {now[:16]}, {was}; "
                    f"remove {folder} and give the same command again",
                )

    def _manifest(self, kind: str, key: str) -> _Manifest | None:
        try:
            content = (self.entry(kind, key) / MANIFEST).read_bytes()
            manifest = msgspec.json.decode(content, type=_Manifest)
        except (FileNotFoundError, NotADirectoryError, *UNREADABLE):
            return None
        is_ours = manifest.schema == schema.MANIFEST.number and manifest.key.startswith(key)
        return manifest if is_ours else None

    @staticmethod
    def _is_whole(folder: Path, manifest: _Manifest) -> bool:
        for name, file in manifest.payload.items():
            path = folder / name
            if file is None:
                whole = path.is_dir()
            else:
                whole = path.is_file() and path.stat().st_size == file.size_bytes
            if not whole:
                logger.info("%s is absent or incomplete; making it again", path)
                return False
        return True

    def _located(self, value_type: type, value: object) -> object:
        if value_type is not Path or not isinstance(value, str):
            raise NotImplementedError(value_type)
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{value!r} leads out of the cache")
        return self.root / path

    def _portable(self, value: object) -> object:
        if isinstance(value, Path):
            return value.relative_to(self.root).as_posix()
        raise NotImplementedError(type(value))

    def recall(self, fingerprint: str) -> str | None:
        """Return what was found out once about what `fingerprint` is a digest of."""
        try:
            return msgspec.json.decode(self._memory(fingerprint).read_bytes(), type=str)
        except (OSError, *UNREADABLE):
            return None

    def remember(self, fingerprint: str, found: str) -> None:
        """Keep what took time to find out, for `recall`."""
        atomic_write(self._memory(fingerprint), msgspec.json.encode(found))

    def _memory(self, fingerprint: str) -> Path:
        return self.root / "digests" / fingerprint[:32]

    @contextlib.contextmanager
    def building(self, name: str) -> Iterator[Path]:
        """Give a scratch directory on the cache's own file system; it is gone afterwards."""
        # Asked before what was cut is removed, and once more for the directory itself.
        told = partial(disk_full_told, self.root, CACHE_ELSEWHERE)
        with told(), scratch(self.root / "tmp", name) as work, told():
            yield work

    def publish(self, work: Path, kind: str, key: str, value: object) -> Path:
        """Make `work` the entry: manifest last, then one rename. Replaces a broken entry.

        ValueError if the value holds a path outside of the cache.
        """
        manifest = _Manifest(
            schema=schema.MANIFEST.number,
            key=key,
            payload={path.name: _described(path) for path in sorted(work.iterdir())},
            value=msgspec.Raw(msgspec.json.encode(value, enc_hook=self._portable)),
        )
        atomic_write(work / MANIFEST, encode(manifest))
        final = self.entry(kind, key)
        final.parent.mkdir(parents=True, exist_ok=True)
        remove_tree(final)
        work.rename(final)
        return final

    @contextlib.contextmanager
    def locked(self, name: str, *, wait_s: float = 3600.0) -> Iterator[int]:
        """Hold the cache's lock `name`; another run's work on the same thing is waited for.

        Gives the descriptor that holds it, for children whose work must not outlive the lock.
        """
        path = self.root / "locks" / f"{name}.lock"

        def tell() -> None:
            logger.info("waiting for another buddylab that works on %s, or what it left", name)

        with contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context(
                    held(path, Deadline.after(wait_s, f"the lock {name}"), when_busy=tell)
                )
            except TimeoutError:
                raise HostError(
                    f"another buddylab, or a process that it left, has held {path} for "
                    f"{wait_s:.0f} s; end that process, or use another cache with BUDDYLAB_CACHE"
                ) from None
            yield lock

    def sweep(self) -> None:
        """Remove work in progress whose process is gone (killed, or the power failed)."""
        sweep(self.root / "tmp")


def _described(path: Path) -> _File | None:
    if path.is_dir():
        return None
    return _File(size_bytes=path.stat().st_size, sha256=sha256_file(path))

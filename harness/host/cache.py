# SPDX-License-Identifier: GPL-2.0-only
"""The cache: what stages made, kept for the next run.

Layout, each entry immutable once its manifest.json exists (written last):

    downloads/            archives and packages as they came, checked
    digests/              what was found out once: digests of large files, keys of trees
    sources/<digest>/     tree/ is a pristine kernel source
    trees/<key>/          tree/ is a patched source
    slots/<name>/         working directories of make, reused between builds
    kernels/<key>/        what a build left
    guests/<key>/         initramfs
    tmp/                  work in progress, see scratch.py; swept when its process is gone
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import platformdirs

from harness.encoding import encode
from harness.errors import HostError, UserError
from harness.host.deadline import Deadline
from harness.host.disk import disk_full_told
from harness.host.files import atomic_write, remove_tree
from harness.host.lock import held
from harness.host.scratch import scratch, sweep

logger = logging.getLogger("buddylab")

MANIFEST = "manifest.json"
CACHE_ELSEWHERE = "move the cache with BUDDYLAB_CACHE"
Value = TypeVar("Value")

KEY_LENGTH = 16


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
        """Return a complete entry's manifest, or None (absent, or of another layout)."""
        manifest = self.entry(kind, key) / MANIFEST
        try:
            return msgspec.json.decode(
                manifest.read_bytes(), type=value_type, dec_hook=_decode_path
            )
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return None

    def recall(self, fingerprint: str) -> str | None:
        """Return what was found out once about what `fingerprint` is a digest of."""
        try:
            return msgspec.json.decode(self._memory(fingerprint).read_bytes(), type=str)
        except (OSError, msgspec.DecodeError):
            return None

    def remember(self, fingerprint: str, found: str) -> None:
        """Keep what took time to find out, for `recall`."""
        atomic_write(self._memory(fingerprint), msgspec.json.encode(found))

    def _memory(self, fingerprint: str) -> Path:
        return self.root / "digests" / fingerprint[:32]

    @contextlib.contextmanager
    def building(self, name: str) -> Iterator[Path]:
        """Give a scratch directory on the cache's own file system; it is gone afterwards."""
        with disk_full_told(self.root, CACHE_ELSEWHERE), scratch(self.root / "tmp", name) as work:
            yield work

    def publish(self, work: Path, kind: str, key: str, value: object) -> Path:
        """Make `work` the entry: manifest last, then one rename. Replaces a broken entry."""
        atomic_write(work / MANIFEST, encode(value))
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


def _decode_path(value_type: type, value: object) -> object:
    if value_type is Path:
        return Path(str(value))
    raise NotImplementedError(value_type)

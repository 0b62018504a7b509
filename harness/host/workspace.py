"""Where things are kept: the project's own files, the cache, and a run's folder.

Cache layout, each entry immutable once its manifest.json exists (written last):

    downloads/            archives and packages as they came, checked
    sources/<digest>/     tree/ is a pristine kernel source
    trees/<key>/          tree/ is a patched source
    slots/<name>/         working directories of make, reused between builds
    kernels/<key>/        what a build left
    guests/<key>/         initramfs
    tmp/<pid>-<name>/     work in progress; swept when its process is gone
"""

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import filelock
import msgspec
import platformdirs

from harness.errors import HostError, UserError

logger = logging.getLogger("buddylab")

MANIFEST = "manifest.json"
CACHE_ELSEWHERE = "move the cache with BUDDYLAB_CACHE"
Value = TypeVar("Value")

KEY_LENGTH = 16
_PACKAGE = Path(__file__).resolve().parent.parent
_CHUNK_BYTES = 1 << 20


def asset(name: str) -> Path:
    """Return a directory of the project (patches, kmod, vm), in a checkout or installed."""
    checkout = _PACKAGE.parent / name
    return checkout if (_PACKAGE.parent / "pyproject.toml").exists() else _PACKAGE / "data" / name


def sha256_file(path: Path) -> str:
    """Digest a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_text(*parts: str) -> str:
    """Digest a sequence of strings; the split between them counts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def sha256_tree(root: Path) -> str:
    """Digest the names, kinds and contents below `root` (small trees: our own assets)."""
    parts = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            mode = "x" if os.access(path, os.X_OK) else "-"
            parts += [path.relative_to(root).as_posix(), mode, sha256_file(path)]
    return sha256_text(*parts)


def git_blob_id(content: bytes) -> str:
    """Name `content` as git does."""
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content).hexdigest()  # noqa: S324 - git's naming


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write `path` whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache directory; every entry is complete or absent."""

    root: Path

    @classmethod
    def default(cls) -> "Cache":
        """Use $BUDDYLAB_CACHE, else the platform's cache directory."""
        configured = os.environ.get("BUDDYLAB_CACHE")
        root = Path(configured) if configured else platformdirs.user_cache_path("buddylab")
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

    @contextlib.contextmanager
    def building(self, name: str) -> Iterator[Path]:
        """Give a scratch directory on the cache's own file system; it is gone afterwards."""
        scratch = self.root / "tmp" / f"{os.getpid()}-{name}"
        remove_tree(scratch)
        scratch.mkdir(parents=True)
        try:
            with disk_full_told(self.root, CACHE_ELSEWHERE):
                yield scratch
        finally:
            remove_tree(scratch)

    def publish(self, scratch: Path, kind: str, key: str, value: object) -> Path:
        """Make `scratch` the entry: manifest last, then one rename. Replaces a broken entry."""
        atomic_write(scratch / MANIFEST, encode(value))
        final = self.entry(kind, key)
        final.parent.mkdir(parents=True, exist_ok=True)
        remove_tree(final)
        scratch.rename(final)
        return final

    @contextlib.contextmanager
    def locked(self, name: str, *, wait_s: float = 3600.0) -> Iterator[None]:
        """Hold the cache's lock `name`; another run's work on the same thing is waited for."""
        path = self.root / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            logger.info("waiting for another buddylab that works on %s", name)
            try:
                lock.acquire(timeout=wait_s)
            except filelock.Timeout:
                raise HostError(
                    f"another buddylab has held {path} for {wait_s:.0f} s; "
                    "end that process, or use another cache with BUDDYLAB_CACHE"
                ) from None
        try:
            yield
        finally:
            lock.release()

    def sweep(self) -> None:
        """Remove work in progress whose process is gone (killed, or the power failed)."""
        for scratch in (self.root / "tmp").glob("*-*"):
            pid = scratch.name.partition("-")[0]
            if not Path("/proc", pid).exists():
                # Another run may be sweeping it away at the same moment.
                shutil.rmtree(scratch, ignore_errors=True)


def encode(value: object) -> bytes:
    """Encode a frozen value as indented JSON in a fixed order."""
    raw = msgspec.json.encode(value, order="deterministic", enc_hook=str)
    return msgspec.json.format(raw, indent=2) + b"\n"


def remove_tree(path: Path) -> None:
    """Remove a directory of ours, if it is there."""
    if path.exists():
        shutil.rmtree(path)


def _decode_path(value_type: type, value: object) -> object:
    if value_type is Path:
        return Path(str(value))
    raise NotImplementedError(value_type)


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Make `folder`, or take it while it is empty, for this process alone."""
    require_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        require_free(folder)  # the one before us may have ended meanwhile
        with disk_full_told(folder, "name a folder elsewhere with --output"):
            yield folder
    except BlockingIOError:
        raise UserError(
            f"another buddylab writes to {folder}; name a new folder with --output"
        ) from None
    finally:
        os.close(handle)


def require_free(folder: Path) -> None:
    """Refuse a folder that holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is no folder"
        raise UserError(f"{folder} {what}; name a new folder with --output")


def is_disk_full(error: OSError) -> bool:
    """Whether a disk or a quota is full; shutil.copytree says so in its text alone."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return error.errno in full or any(os.strerror(number) in str(error) for number in full)


def disk_full(root: Path, instead: str) -> HostError:
    """Say that no space is left below `root`, and what to do."""
    existing = next(path for path in (root, *root.absolute().parents) if path.exists())
    free_mib = shutil.disk_usage(existing).free >> 20
    return HostError(
        f"no space left below {root} ({free_mib} MiB free); "
        f"free some, or {instead}; what was complete is kept"
    )


@contextlib.contextmanager
def disk_full_told(root: Path, instead: str) -> Iterator[None]:
    """Turn a full disk below `root` into an error that says so."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise disk_full(root, instead) from error

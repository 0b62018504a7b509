# SPDX-License-Identifier: GPL-2.0-only
"""Files below one folder and nowhere else: no symbolic link is followed, nothing is waited for."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.errors import RecordError

_FILE_BYTES_MAX = 64 << 20


class TooLargeError(OSError):
    """A file is larger than what is read into memory at once."""


@contextmanager
def directory(root: Path, parts: Sequence[str] = ()) -> Iterator[int]:
    """Open the directory `parts` below `root`; OSError if a part is a link, or none is there."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            inner = os.open(part, _flags(os.O_DIRECTORY), dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def head_of(handle: int, name: str, limit: int = _FILE_BYTES_MAX, *, tail: bool = False) -> bytes:
    """Read the first or last `limit` bytes of a regular file of a directory; OSError for others."""
    file = os.open(name, _flags(os.O_NONBLOCK), dir_fd=handle)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(f"{name} is no regular file")
        start = max(0, found.st_size - limit) if tail else 0
        return os.pread(file, limit, start)
    finally:
        os.close(file)


def whole(handle: int, name: str) -> bytes:
    """Read all of a regular file of a directory; TooLargeError above 64 MiB."""
    content = head_of(handle, name, _FILE_BYTES_MAX + 1)
    if len(content) > _FILE_BYTES_MAX:
        raise TooLargeError(f"{name} has more than {_FILE_BYTES_MAX >> 20} MiB")
    return content


def require_no_links(folder: Path) -> None:
    """Raise RecordError if a symbolic link lies below `folder`: a reader would follow it."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if os.path.islink(os.path.join(place, name)):  # noqa: PTH114, PTH118 - by thousands
                raise RecordError(f"{name} in it is a symbolic link, which is not followed")


def write_locks() -> frozenset[tuple[int, int]]:
    """Return device and inode of each file that some process here holds a lock of (flock)."""
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return frozenset()
    found = set()
    for line in lines:
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[3] == "WRITE":  # noqa: PLR2004
            major, minor, inode = words[5].split(":")
            found.add((os.makedev(int(major, 16), int(minor, 16)), int(inode)))
    return frozenset(found)


def _flags(more: int) -> int:
    return os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | more

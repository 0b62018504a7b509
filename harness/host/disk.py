# SPDX-License-Identifier: GPL-2.0-only
"""A full disk, told as what it is and where it is."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.errors import HostError
from harness.host.scratch import TMPFS

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Where less is free, something that was to be written had no room.
FULL_BYTES = 64 << 10
_SHARED_ADVICE = {
    TMPFS: f"enlarge {TMPFS}",
    Path("/tmp"): "set TMPDIR to a directory elsewhere",  # noqa: S108 - named, not used
}


def is_disk_full(error: OSError) -> bool:
    """Whether a disk or a quota is full; shutil.copytree says so in its text alone."""
    return error.errno in _FULL or any(os.strerror(number) in str(error) for number in _FULL)


def is_full(place: Path) -> bool:
    """Whether the file system that has, or would have, `place` takes nothing more."""
    try:
        status = os.statvfs(_existing(place))
    except OSError:
        return False
    # Some file systems do not count inodes, and say that they have none.
    no_inodes = status.f_files > 0 and status.f_favail == 0
    return no_inodes or status.f_bavail * status.f_frsize < FULL_BYTES


def is_reserved(path: Path, size_bytes: int) -> bool:
    """Make a file of this user's alone, with all its room taken; False where there is too little.

    Who maps a file whose pages find no room as they are written to is killed by SIGBUS (mmap(2)).
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, size_bytes)
    except OSError as error:
        if not is_disk_full(error):
            raise
        return False
    finally:
        os.close(file)
    return True


def disk_full(error: OSError, root: Path, instead: str) -> HostError:
    """Say where no space is left, and what to do: `instead` where that is below `root`.

    The error names the file, or else whichever place is full now is named. What was cut may be
    gone by then, with the space it took: then nothing is blamed that was not seen full.
    """
    named = _named(error)
    place = named or next((place for place in (root, *_others()) if is_full(place)), None)
    if place is None:
        return HostError(
            f"no space left ({error}), but {_with_free(root)} now, and no other place that is "
            f"written to is full; free some there, or {instead}; what was complete is kept"
        )
    is_ours = place.absolute().is_relative_to(root.absolute()) and _device(place) == _device(root)
    where = root if is_ours else _existing(place)
    advice = instead if is_ours else _advice(where)
    return HostError(
        f"no space left below {_with_free(where)}; free some, or {advice}; "
        "what was complete is kept"
    )


@contextlib.contextmanager
def disk_full_told(root: Path, instead: str) -> Iterator[None]:
    """Turn a full disk into an error that says where; `instead` is for what is below `root`."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise disk_full(error, root, instead) from error


@contextlib.contextmanager
def written(path: Path) -> Iterator[None]:
    """Let an error of writing to an open file name it, as one of opening it does."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def _named(error: OSError) -> Path | None:
    """Return the file that the error is about; of a copy, the one that is written."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        told = [entry[1] for entry in error.args[0] if os.strerror(errno.ENOSPC) in str(entry[2])]
        return Path(told[0]) if told else None
    name = error.filename2 or error.filename
    return Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None


def _others() -> tuple[Path, ...]:
    return (Path(tempfile.gettempdir()), *_SHARED_ADVICE, Path.cwd(), Path.home())


def _device(place: Path) -> int:
    return _existing(place).stat().st_dev


def _existing(place: Path) -> Path:
    """Return the directory that is there, for a file that may not be."""
    absolute = place.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.is_dir())


def free_mib(place: Path) -> int:
    """Return what is free where `place` is, or would be."""
    return shutil.disk_usage(_existing(place)).free >> 20


def _with_free(place: Path) -> str:
    return f"{place} ({free_mib(place)} MiB free)"


def _advice(place: Path) -> str:
    if place.is_relative_to(tempfile.gettempdir()):
        return "set TMPDIR to a directory elsewhere"
    for shared, advice in _SHARED_ADVICE.items():
        if place.is_relative_to(shared):
            return advice
    return "lead what is written there to another disk"

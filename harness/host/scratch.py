# SPDX-License-Identifier: GPL-2.0-only
"""Scratch directories: their mark tells whose they are, a held lock that they are in use.

    <parent>/buddylab-<name>-<random>/
        .buddylab-scratch    the mark: it names this directory; whoever works here holds its lock
        work/                what is handed out

The kernel drops an flock when the last descriptor of it closes, however that happens, and
holds it against processes of other PID namespaces and containers that share the file system.
Neither a name nor a process number says that much, so neither is asked.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "buddylab-"
MARK = ".buddylab-scratch"
_WORK = "work"
# What is read of a file on it costs nothing, and no disk is written.
TMPFS = Path("/dev/shm")  # noqa: S108 - only directories of our own are made in it
# A directory with so long a path leaves a socket in it the 107 bytes that unix(7) gives.
_SHORT_BYTES = 48
_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


@contextlib.contextmanager
def scratch(parent: Path, name: str) -> Iterator[Path]:
    """Give a new directory below `parent`, readable by this user alone; it is gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-", dir=parent))
    lock = None
    try:
        lock = _marked(directory)
        work = directory / _WORK
        work.mkdir(mode=0o700)
        yield work
    finally:
        _remove(directory)
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def temporary(name: str) -> Iterator[Path]:
    """Give a new directory whose path is short enough for sockets; it is gone afterwards."""
    place = next((place for place in _shared() if _is_short(place)), TMPFS)
    with scratch(place, name) as work:
        yield work


def _shared() -> tuple[Path, ...]:
    """List where others, too, have what they need for a while."""
    return (Path(tempfile.gettempdir()), Path("/tmp"), TMPFS)  # noqa: S108 - as above


def _is_short(place: Path) -> bool:
    return len(os.fsencode(place)) <= _SHORT_BYTES and os.access(place, os.W_OK | os.X_OK)


def sweep_shared() -> None:
    """Remove what killed runs left outside of their cache: keys, sockets, a guest's memory."""
    for place in set(_shared()):
        sweep(place)


def sweep(parent: Path) -> None:
    """Remove below `parent` what killed runs left: directories of ours whose lock is free."""
    for directory in parent.glob(f"{PREFIX}*"):
        # Another run may be sweeping it away at the same moment; another user's is not ours.
        with contextlib.suppress(OSError):
            lock = _abandoned(directory)
            if lock is not None:
                _remove(directory)
                os.close(lock)


def _marked(directory: Path) -> int:
    """Mark a new directory; return the descriptor that holds its lock."""
    unseen = directory / f"{MARK}.new"
    lock = os.open(unseen, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        # Held before the mark can be seen: no sweeper ever finds it free while we live.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, _mark_text(directory))
        unseen.rename(directory / MARK)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _mark_text(directory: Path) -> bytes:
    """Say what a directory is for; one that was renamed or copied no longer carries its mark."""
    said = "a scratch directory of buddylab: removed when its work is done, or its process gone"
    return f"{directory.name}: {said}\n".encode()


def _abandoned(directory: Path) -> int | None:
    """Take the lock of a directory that is ours and in nobody's use; None for any other."""
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return None
    # Without O_NONBLOCK, somebody's named pipe of that name would hold us.
    lock = os.open(directory / MARK, _OPEN | os.O_NONBLOCK)
    try:
        if _is_mark(lock, directory):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _is_mark(descriptor: int, directory: Path) -> bool:
    text = _mark_text(directory)
    is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    return is_file and os.read(descriptor, len(text) + 1) == text


def _remove(directory: Path) -> None:
    """Remove a scratch directory of ours, its mark last: what cannot go now is swept later."""
    work = directory / _WORK
    shutil.rmtree(work, ignore_errors=True)
    if work.exists():
        return
    for name in (MARK, f"{MARK}.new"):
        (directory / name).unlink(missing_ok=True)
    directory.rmdir()

# SPDX-License-Identifier: GPL-2.0-only
"""A lock that lasts as long as any process that was given it, and no longer."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.host.deadline import Deadline

_POLL_S = 0.05


@contextlib.contextmanager
def held(path: Path, deadline: Deadline, *, when_busy: Callable[[], None]) -> Iterator[int]:
    """Hold the lock of the file `path`; give the descriptor that holds it.

    Raises TimeoutError after the deadline; `when_busy` is called once before it is waited for.
    A child that inherits the descriptor holds the lock, too, and so does all that it starts,
    whoever of them is killed: it is only closed here, never unlocked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _taken(descriptor):
            when_busy()
            while not _taken(descriptor):
                if deadline.expired:
                    raise TimeoutError(f"{path} was not free within {deadline.limit_s:.0f} s")
                time.sleep(_POLL_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

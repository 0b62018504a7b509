# SPDX-License-Identifier: GPL-2.0-only
"""A folder that the user names for what a command writes: free, and for one process alone."""

import contextlib
import datetime as dt
import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.errors import UserError
from harness.host.disk import disk_full_told, is_disk_full

# Where results go that the user names no folder for.
RUNS = Path("runs")


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


def require_writable(folder: Path) -> None:
    """Refuse a folder in which nothing can be written, by doing so; nothing stays behind."""
    made: list[Path] = []
    try:
        for each in reversed((folder, *folder.parents)):
            if not each.is_dir():
                each.mkdir()
                made.append(each)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if is_disk_full(error):
            raise
        raise UserError(
            f"nothing can be written in {folder} ({error.strerror}); name another place with "
            "--output, or give the command elsewhere"
        ) from error
    finally:
        for each in reversed(made):
            with contextlib.suppress(OSError):  # another took it meanwhile
                each.rmdir()


def new_folder(what: str) -> Path:
    """Make a folder below ./runs, named by the time; two runs at once never share one."""
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    for number in itertools.count(1):
        folder = RUNS / f"{now}-{what}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError

# SPDX-License-Identifier: GPL-2.0-only
"""A full disk, told as what it is."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.errors import HostError


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

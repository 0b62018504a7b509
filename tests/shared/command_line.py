# SPDX-License-Identifier: GPL-2.0-only
"""The `buddylab` command as a process: how tests start it, refuse it and look at its cache."""

import contextlib
import os
import subprocess  # noqa: TID251 - the command as a user types it
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.errors import Exit
from harness.host.cache import Cache
from harness.values import GuestImage, KernelBuild, KernelSource, PatchedTree

LIMIT_S = 60
KINDS = {
    "sources": KernelSource,
    "trees": PatchedTree,
    "kernels": KernelBuild,
    "guests": GuestImage,
}


def argv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness", *arguments]


def buddylab(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; it has no terminal."""
    return subprocess.run(
        argv(*arguments),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**os.environ, **(env or {})},
    )


def started(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the command beside the test."""
    return subprocess.Popen(
        argv(*arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(env or {})},
    )


def refused(done: subprocess.CompletedProcess[str], code: Exit, *texts: str) -> None:
    """Assert a clear refusal: its exit code, what its message says, and no traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    for text in texts:
        assert text in done.stderr


def entries(cache: Cache) -> set[Path]:
    """Return what the cache holds, all of it whole, and assert that no work is left behind."""
    assert list(cache.root.glob("tmp/*")) == []
    found = {path for kind in KINDS for path in cache.root.glob(f"{kind}/*")}
    for path in found:
        kind = path.parent.name
        assert cache.load(kind, path.name, KINDS[kind]) is not None, path
    return found


def names(cache: Cache) -> list[str]:
    """Return the kinds of the entries that the cache holds."""
    return sorted(path.parent.name for path in entries(cache))


def descendants(pid: int) -> set[int]:
    """Return the processes below `pid`."""
    below = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                child = int(status.parent.name)
                below |= {child} | descendants(child)
    return below

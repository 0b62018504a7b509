# SPDX-License-Identifier: GPL-2.0-only
"""The `buddylab` command as a process: how tests start it, refuse it and look at its cache."""

import atexit
import contextlib
import functools
import json
import os
import select
import subprocess  # noqa: TID251 - the command as a user types it
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.errors import Exit
from harness.host.cache import Cache
from harness.values import GuestImage, KernelBuild, KernelSource, PatchedTree

ROOT = Path(__file__).parents[2]
# For programs that tests start: the project, and what tests share.
CHILDS_PATH = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
LIMIT_S = 60
KINDS = {
    "sources": KernelSource,
    "trees": PatchedTree,
    "kernels": KernelBuild,
    "guests": GuestImage,
}


def argv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness", *arguments]


@functools.cache
def _warm() -> subprocess.Popen[str]:
    """Start, once, what runs the command without importing it each time."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("warm_command.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": CHILDS_PATH},
    )
    atexit.register(server.communicate)
    return server


def buddylab(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; it has no terminal."""
    server = _warm()
    assert server.stdin
    assert server.stdout
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        request = {
            "arguments": arguments,
            "env": {**os.environ, **(env or {})},
            "cwd": str(Path.cwd()),
            "out": out.name,
            "err": err.name,
        }
        try:
            server.stdin.write(f"{json.dumps(request)}\n")
            server.stdin.flush()
            ready, _, _ = select.select([server.stdout], [], [], LIMIT_S)
            assert ready, f"{arguments} did not end in {LIMIT_S} s: {err.read()!r}"
            status = int(server.stdout.readline())
        except BaseException:
            # The test's own deadline, too: its answer must not be taken for the next one's.
            server.kill()
            _warm.cache_clear()
            raise
        return subprocess.CompletedProcess(
            args=arguments,
            returncode=status,
            stdout=Path(out.name).read_text(),
            stderr=Path(err.name).read_text(),
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

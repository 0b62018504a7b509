# SPDX-License-Identifier: GPL-2.0-only
"""The `buddylab` command as a process: how tests start it, and its least promises."""

import contextlib
import os
import subprocess  # noqa: TID251 - the command as a user types it
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "VERB"),
        (("fly",), "invalid choice: 'fly'"),
        (("run", "--scale", "huge"), "invalid choice: 'huge'"),
        (("run", "--cpus", "0"), "no whole number above 0"),
        (("check",), "RUN"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage_is_two(cache: Cache, arguments: tuple[str, ...], text: str) -> None:
    refused(buddylab(*arguments), Exit.USAGE, "usage: buddylab", text)
    assert not cache.root.exists()


def test_version_needs_nothing() -> None:
    done = buddylab("--version", env={"PATH": "", "HOME": "/nonexistent"})

    assert (done.returncode, done.stdout.split()[0]) == (0, "buddylab")


def test_doctor_says_what_to_type(tmp_path: Path) -> None:
    done = buddylab("doctor", env={"PATH": str(tmp_path)})

    refused(done, Exit.HOST, "missing: qemu-system-x86", "as root: apt-get install")


def test_cache_that_cannot_be_written_is_the_hosts_matter(
    cache: Cache, fake_kernel: Path, tmp_path: Path
) -> None:
    """A file where the cache's directory should be; root may write anywhere else."""
    (tmp_path / "file").write_text("")
    done = buddylab(
        "fetch", "--kernel", str(fake_kernel), env={"BUDDYLAB_CACHE": str(tmp_path / "file/cache")}
    )

    refused(done, Exit.HOST, str(tmp_path / "file"), "BUDDYLAB_CACHE")
    assert not cache.root.exists()

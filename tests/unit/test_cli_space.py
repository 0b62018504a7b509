# SPDX-License-Identifier: GPL-2.0-only
"""No space left, on a file system that is really full, wherever it is met."""

import shutil
import subprocess  # noqa: TID251 - mount
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import buddylab, entries, names, refused
from saved_folder import write_run

from harness.errors import Exit
from harness.host.cache import Cache

Resize = Callable[[int], None]
STEP_KIB = 12
ENOUGH_KIB = 2048


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Resize]]:
    """A file system of its own, and how to make it larger."""
    point = tmp_path / "disk"
    point.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=8k", "buddylab-test", str(point)]
    try:
        subprocess.run(argv, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a full file system needs the right to mount one")

    def resize(kib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kib}k", str(point)], check=True)

    yield point, resize
    subprocess.run(["umount", str(point)], check=True)


def test_cache_grows_by_what_is_complete(
    fake_kernel: Path, disk: tuple[Path, Resize], cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in another place each time: each is told, and nothing half is kept."""
    point, resize = disk
    cache = Cache(point / "cache")
    monkeypatch.setenv("BUDDYLAB_CACHE", str(cache.root))
    seen: list[list[str]] = []
    for kib in range(STEP_KIB, ENOUGH_KIB, STEP_KIB):
        resize(kib)
        done = buddylab("build", "--kernel", str(fake_kernel), "--upto", "0")
        if done.returncode == 0:
            break
        refused(
            done,
            Exit.HOST,
            f"no space left below {cache.root} (0 MiB free)",
            "free some, or move the cache with BUDDYLAB_CACHE",
            "what was complete is kept",
        )
        seen.append(names(cache))
    assert done.returncode == 0, done.stderr
    assert names(cache) == ["kernels", "sources", "trees"]
    # It was met with nothing in the cache, with a source, and with a patched tree.
    assert {tuple(kinds) for kinds in seen} == {(), ("sources",), ("sources", "trees")}


def test_archive_that_does_not_fit(
    archive: Path, disk: tuple[Path, Resize], monkeypatch: pytest.MonkeyPatch
) -> None:
    point, resize = disk
    resize(20)
    cache = Cache(point / "cache")
    monkeypatch.setenv("BUDDYLAB_CACHE", str(cache.root))

    refused(buddylab("fetch", "--kernel", str(archive)), Exit.HOST, "no space left below")
    assert entries(cache) == set()

    resize(ENOUGH_KIB)
    assert buddylab("fetch", "--kernel", str(archive)).returncode == 0


def test_reports_that_do_not_fit_beside_a_run(disk: tuple[Path, Resize]) -> None:
    point, resize = disk
    resize(ENOUGH_KIB)
    saved = write_run(point / "run")
    used_kib = -(-shutil.disk_usage(point).used // 1024)
    resize(used_kib + 4)

    refused(
        buddylab("report", str(saved)),
        Exit.HOST,
        f"no space left below {saved}",
        "copy the run folder to another disk",
    )
    assert not (saved / "run.json").exists()
    assert list(saved.glob(".*")) == []

    resize(ENOUGH_KIB)
    assert buddylab("report", str(saved)).returncode == 0

# SPDX-License-Identifier: GPL-2.0-only
"""No space left, on a file system that is really full, wherever it is met."""

import errno
import os
import shutil
import subprocess  # noqa: TID251 - mount
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import buddylab, entries, names, refused
from saved_folder import write_run

from harness.cli import net
from harness.errors import Exit, HostError
from harness.host.cache import Cache
from harness.host.command import run
from harness.host.deadline import Deadline
from harness.host.disk import disk_full_told
from harness.host.files import atomic_write

Resize = Callable[[int], None]
STEP_KIB = 12
FEW_KIB = 180
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
    # The source is small, and our modules are not: small steps while only it is there.
    for kib in (*range(STEP_KIB, FEW_KIB, STEP_KIB), *range(FEW_KIB, ENOUGH_KIB, 4 * STEP_KIB)):
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


def no_space(file: Path | None = None) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *(() if file is None else (str(file),)))


def test_the_file_of_the_error_is_named_not_the_nearest_handler(
    tmp_path: Path, disk: tuple[Path, Resize]
) -> None:
    point, _ = disk
    elsewhere = "name a folder elsewhere"
    with pytest.raises(HostError) as error, disk_full_told(tmp_path / "run", elsewhere):
        raise no_space(point / "cache/tmp/file")
    assert f"no space left below {point} (0 MiB free)" in str(error.value)
    assert elsewhere not in str(error.value)

    with pytest.raises(HostError, match=elsewhere) as error, disk_full_told(point, elsewhere):
        raise no_space(point / "run/console.log")
    assert f"no space left below {point}" in str(error.value)


def test_a_full_temporary_directory_is_named(
    tmp_path: Path, disk: tuple[Path, Resize], monkeypatch: pytest.MonkeyPatch
) -> None:
    point, _ = disk
    monkeypatch.setattr(tempfile, "tempdir", str(point))
    (point / "all").write_bytes(bytes(8192))
    with pytest.raises(HostError) as error, disk_full_told(tmp_path, "move it"):
        raise no_space()
    assert f"no space left below {point} (0 MiB free)" in str(error.value)
    assert "set TMPDIR to a directory elsewhere" in str(error.value)


def test_nothing_is_blamed_that_was_not_seen_full(tmp_path: Path) -> None:
    with pytest.raises(HostError) as error, disk_full_told(tmp_path, "move it"):
        raise no_space()
    said = str(error.value)
    assert f"but {tmp_path} (" in said
    assert "no other place that is written to is full" in said
    assert "(0 MiB free)" not in said


def test_a_file_that_is_cut_while_it_is_written_is_named(
    tmp_path: Path, disk: tuple[Path, Resize]
) -> None:
    """It is removed before anybody could see that the disk was full."""
    point, _ = disk
    with pytest.raises(HostError) as error, disk_full_told(tmp_path, "move it"):
        atomic_write(point / "results.json.gz", bytes(100_000))
    assert f"no space left below {point}" in str(error.value)
    assert list(point.iterdir()) == []


def test_a_copy_that_does_not_fit_names_where_it_goes(
    tmp_path: Path, disk: tuple[Path, Resize]
) -> None:
    point, _ = disk
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/large").write_bytes(bytes(100_000))
    with pytest.raises(HostError) as error, disk_full_told(tmp_path, "move it"):
        shutil.copytree(tmp_path / "tree", point / "tree")
    assert f"no space left below {point}" in str(error.value)
    with pytest.raises(HostError) as error, disk_full_told(tmp_path, "move it"):
        shutil.copy2(tmp_path / "tree/large", point / "large")
    assert f"no space left below {point}" in str(error.value)


def test_what_a_tool_could_not_write_is_named(tmp_path: Path, disk: tuple[Path, Resize]) -> None:
    """Not a file that stands first in its message."""
    point, _ = disk
    (tmp_path / "large").write_bytes(bytes(100_000))
    script = f"echo '/bin/sh: No space left on device'; cp {tmp_path}/large {point}/out"
    limit = Deadline.after(30.0, "the test")
    with pytest.raises(HostError) as error, disk_full_told(tmp_path, "move it"):
        run(["sh", "-c", script], deadline=limit)
    assert f"no space left below {point}" in str(error.value)


@pytest.mark.parametrize(
    ("error", "said", "not_said"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n", "BUDDYLAB_CACHE"),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "/elsewhere/x"),
            "/elsewhere/x",
            "CACHE",
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error", "CACHE"),
        (OSError(errno.EACCES, "Permission denied", "CACHE/tmp"), "BUDDYLAB_CACHE", "ulimit"),
    ],
)
def test_the_cache_is_blamed_for_its_own_files_alone(
    cache: Cache, error: OSError, said: str, not_said: str, caplog: pytest.LogCaptureFixture
) -> None:
    if error.filename == "CACHE/tmp":
        error.filename = str(cache.root / "tmp")
    assert net.status_of(error, []) == Exit.HOST
    assert "this host refused: " in caplog.text
    assert said in caplog.text
    assert not_said not in caplog.text

# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest's memory lies while arms go on from it, and what stays of others there."""

import shutil
import stat
import subprocess  # noqa: TID251 - mount
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.host import scratch
from harness.jobs import arm

MIB = 1 << 20
MEMORY = {"memory-0": 4, "memory-1": 12}  # of two nodes, in MiB


@pytest.fixture
def tmpfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "shm"
    place.mkdir()
    for module in (arm, scratch):
        monkeypatch.setattr(module, "TMPFS", place)
    monkeypatch.setattr(arm, "ROOM_MARGIN_MIB", 1)
    return place


def with_free(monkeypatch: pytest.MonkeyPatch, tmpfs_mib: int, disk_mib: int) -> None:
    def usage(path: Path) -> tuple[int, int, int]:
        free = (tmpfs_mib if path == scratch.TMPFS else disk_mib) * MIB
        return shutil._ntuple_diskusage(free, 0, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)


@pytest.mark.parametrize(("free_mib", "where"), [(17, "shm"), (16, "work")])
def test_memory_lies_where_there_is_room(
    free_mib: int, where: str, tmpfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free(monkeypatch, free_mib, 17)
    folder = tmp_path / "work"
    folder.mkdir()
    with arm._room(MEMORY, folder) as room:
        assert room.is_relative_to(tmp_path / where)
        assert {path.name: path.stat().st_size for path in room.iterdir()} == {
            "memory-0": 4 * MIB,
            "memory-1": 12 * MIB,
        }
        for path in room.iterdir():
            assert path.stat().st_blocks * 512 >= path.stat().st_size
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not room.exists()
    assert list(tmpfs.iterdir()) == []


def test_no_room_anywhere(tmpfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 16, 16)
    with pytest.raises(HostError, match=f"16 MiB has no room in {tmpfs} nor in {tmp_path}"):
        arm._room(MEMORY, tmp_path).__enter__()


def test_room_that_another_job_takes_meanwhile_is_not_built_upon(
    tmpfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest that writes to a page which finds no room is killed by SIGBUS."""
    argv = ["mount", "-t", "tmpfs", "-o", "size=8m", "buddylab-test", str(tmpfs)]
    try:
        subprocess.run(argv, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a full file system needs the right to mount one")
    try:
        with_free(monkeypatch, 4096, 4096)  # as it was when it was asked
        with arm._room(MEMORY, tmp_path) as room:
            assert not room.is_relative_to(tmpfs)
            assert list(tmpfs.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmpfs)], check=True)


def test_notes_of_a_user_on_tmpfs_stay(tmpfs: Path) -> None:
    notes = tmpfs / "buddylab-my-notes"
    notes.mkdir()
    (notes / "thoughts").write_text("irreplaceable")
    scratch.sweep_shared()
    assert (notes / "thoughts").exists()


def test_memory_of_a_comparison_that_runs_stays(
    tmpfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free(monkeypatch, 17, 17)
    with arm._room(MEMORY, tmp_path) as room:
        scratch.sweep_shared()
        assert room.is_relative_to(tmpfs)
        assert room.exists()

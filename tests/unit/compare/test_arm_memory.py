# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest's memory lies while arms go on from it, and what stays of others there."""

import shutil
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.host import scratch
from harness.jobs import arm

MIB = 1 << 20


@pytest.fixture
def tmpfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "shm"
    place.mkdir()
    for module in (arm, scratch):
        monkeypatch.setattr(module, "TMPFS", place)
    return place


def with_free(monkeypatch: pytest.MonkeyPatch, tmpfs_mib: int, disk_mib: int) -> None:
    def usage(path: Path) -> tuple[int, int, int]:
        free = (tmpfs_mib if path == scratch.TMPFS else disk_mib) * MIB
        return shutil._ntuple_diskusage(free, 0, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)


@pytest.mark.parametrize(("free_mib", "where"), [(1536, "shm"), (1535, "work")])
def test_memory_lies_where_there_is_room(
    free_mib: int, where: str, tmpfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free(monkeypatch, free_mib, 768)
    folder = tmp_path / "work"
    with arm._room(512, folder) as room:
        assert room.is_relative_to(tmp_path / where)
        (room / arm.MEMORY).write_bytes(b"\0")
    assert not room.exists()
    assert list(tmpfs.iterdir()) == []


def test_no_room_anywhere(tmpfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 1535, 767)
    with pytest.raises(HostError, match=f"512 MiB has no room in {tmpfs} nor in {tmp_path}"):
        arm._room(512, tmp_path).__enter__()


def test_notes_of_a_user_on_tmpfs_stay(tmpfs: Path) -> None:
    notes = tmpfs / "buddylab-my-notes"
    notes.mkdir()
    (notes / "thoughts").write_text("irreplaceable")
    scratch.sweep_shared()
    assert (notes / "thoughts").exists()


def test_memory_of_a_comparison_that_runs_stays(
    tmpfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free(monkeypatch, 1536, 768)
    with arm._room(512, tmp_path) as room:
        scratch.sweep_shared()
        assert room.is_relative_to(tmpfs)
        assert room.exists()

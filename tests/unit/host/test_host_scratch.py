# SPDX-License-Identifier: GPL-2.0-only
"""What is ours is told by a mark, and whether it is in use by a lock: nothing else is removed."""

import os
import shutil
import socket  # noqa: TID251 - what a short path is for
import subprocess  # noqa: TID251 - other processes that hold, or sweep
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.scratch import MARK, scratch, sweep, sweep_shared, temporary

LIMIT_S = 60
HOLDER = """
import sys
import tempfile
from pathlib import Path
from harness.host.scratch import scratch
with scratch(Path(sys.argv[1]), "held") as work:
    (work / "precious").write_text("work of hours")
    print(work, flush=True)
    sys.stdin.read()
"""
SWEEPER = """
import sys
import tempfile
from pathlib import Path
from harness.host.scratch import sweep
sweep(Path(sys.argv[1]))
"""
CACHE_SWEEPER = "from harness.host.cache import Cache; Cache.default().sweep()"


def python(text: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", text, *arguments]


@pytest.fixture
def elsewhere() -> list[str]:
    """How to begin a command in a PID namespace of its own."""
    namespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    for argv in (namespace, [*namespace, "--user", "--map-root-user"]):
        if subprocess.run([*argv, "true"], check=False, capture_output=True).returncode == 0:
            return argv
    pytest.skip("another PID namespace needs the right to make one")


@contextmanager
def holding(
    parent: Path, within: Sequence[str] = ()
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Let another process hold a scratch directory below `parent`."""
    process = subprocess.Popen(
        [*within, *python(HOLDER, str(parent))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Path(process.stdout.readline().strip()), process
    finally:
        process.communicate(timeout=LIMIT_S)


def swept_from(within: Sequence[str], text: str, *arguments: str) -> None:
    subprocess.run([*within, *python(text, *arguments)], check=True, timeout=LIMIT_S)


def test_it_is_gone_when_its_work_is_done(tmp_path: Path) -> None:
    with scratch(tmp_path / "tmp", "mine") as work:
        (work / "a").mkdir()
        (work / "a/file").write_text("")
        assert work.parent.stat().st_mode & 0o077 == 0
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_was_published_stays(tmp_path: Path) -> None:
    with scratch(tmp_path / "tmp", "mine") as work:
        (work / "file").write_text("kept")
        work.rename(tmp_path / "entry")
    assert (tmp_path / "entry/file").read_text() == "kept"
    assert list((tmp_path / "entry").iterdir()) == [tmp_path / "entry/file"]
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["buddylab-my-notes", "buddylab-4194305-memory", "4194305-kernel", "notes-of-mine"]
)
def test_folders_of_a_user_stay(tmp_path: Path, name: str) -> None:
    """Whatever they are called; 4194305 is no process on any Linux."""
    cache = Cache(tmp_path)
    notes = tmp_path / "tmp" / name
    notes.mkdir(parents=True)
    (notes / "thoughts").write_text("irreplaceable")
    cache.sweep()
    assert (notes / "thoughts").read_text() == "irreplaceable"


def test_work_in_progress_stays(tmp_path: Path) -> None:
    with holding(tmp_path) as (work, _):
        sweep(tmp_path)
        assert (work / "precious").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_sweeper_in_another_pid_namespace_leaves_it(tmp_path: Path, elsewhere: list[str]) -> None:
    with holding(tmp_path) as (work, _):
        swept_from(elsewhere, SWEEPER, str(tmp_path))
        assert (work / "precious").exists()


def test_work_in_another_pid_namespace_stays(tmp_path: Path, elsewhere: list[str]) -> None:
    with holding(tmp_path, elsewhere) as (work, _):
        sweep(tmp_path)
        assert (work / "precious").exists()


def test_a_shared_cache_is_swept_with_care(cache: Cache, elsewhere: list[str]) -> None:
    with cache.building("kernel") as work:
        (work / "vmlinux").write_text("half")
        swept_from(elsewhere, CACHE_SWEEPER)
        assert (work / "vmlinux").exists()


def test_what_a_killed_one_left_goes(tmp_path: Path, elsewhere: list[str]) -> None:
    with holding(tmp_path) as (work, process):
        process.kill()
        process.wait(timeout=LIMIT_S)
        assert (work / "precious").exists()
        swept_from(elsewhere, SWEEPER, str(tmp_path))
        assert not work.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def abandoned(tmp_path: Path) -> Path:
    """A scratch directory whose process was killed, with something in it."""
    with holding(tmp_path / "tmp") as (work, process):
        process.kill()
    return work.parent


def test_copied_or_renamed_it_is_the_users(abandoned: Path) -> None:
    kept = [abandoned.with_name("buddylab-to-look-at"), abandoned.with_name("buddylab-copy")]
    shutil.copytree(abandoned, kept[1])
    abandoned.rename(kept[0])
    sweep(abandoned.parent)
    assert all((one / "work/precious").exists() for one in kept)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "link", "other text", "longer text", "nothing"])
def test_a_mark_that_is_none(abandoned: Path, kind: str) -> None:
    mark = abandoned / MARK
    text = mark.read_bytes()
    mark.unlink()
    if kind == "pipe":
        os.mkfifo(mark)
    elif kind == "link":
        (abandoned / "text").write_bytes(text)
        mark.symlink_to("text")
    elif kind != "nothing":
        mark.write_bytes(text + b"and more\n" if kind == "longer text" else text[:-1])
    sweep(abandoned.parent)
    assert (abandoned / "work/precious").exists()


def test_a_link_to_it_is_not_followed(abandoned: Path, tmp_path: Path) -> None:
    (tmp_path / "shm").mkdir()
    (tmp_path / "shm" / abandoned.name).symlink_to(abandoned)
    sweep(tmp_path / "shm")
    assert (abandoned / "work/precious").exists()


def test_two_that_sweep_at_once(abandoned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one removes a file between our listing and our removing."""
    unlink = os.unlink

    def raced(name: str, **where: int) -> None:
        unlink(name, **where)
        unlink(name, **where)

    monkeypatch.setattr(os, "unlink", raced)
    sweep(abandoned.parent)
    assert not (abandoned / "work/precious").exists()
    monkeypatch.undo()
    sweep(abandoned.parent)
    assert not abandoned.exists()


def test_what_cannot_go_now_goes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An orphan still writes there: the end of the work is no failure of it."""
    with scratch(tmp_path, "mine") as work:
        (work / "file").write_text("")
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    assert (work / "file").exists()
    monkeypatch.undo()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sockets_fit_whatever_the_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path of 107 bytes is the longest that unix(7) takes."""
    long = tmp_path / ("d" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with temporary("live") as work, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(work / "a-socket-of-a-name-so-long"))
        sweep_shared()
        assert work.exists()
    assert not work.exists()

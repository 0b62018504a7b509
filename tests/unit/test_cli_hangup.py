# SPDX-License-Identifier: GPL-2.0-only
"""A terminal that is closed: all ends and nothing stays behind, keys least of all."""

import contextlib
import fcntl
import os
import pty
import shutil
import signal
import subprocess  # noqa: TID251 - the command as a user types it
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

import fake_guest
import pytest
from command_line import CHILDS_PATH, LIMIT_S, argv, buddylab, descendants, names, started
from interrupting import hold, signalled, wait_for

from harness.errors import Exit
from harness.host.cache import Cache
from harness.stages import boot
from harness.values import RunMode

LIVE = """
from pathlib import Path
import fake_guest
from harness import pipeline
from harness.cli.main import entry
bench = fake_guest.make_bench(Path({folder!r}))
pipeline.bootable = lambda *_, **__: (bench.build, bench.image)
entry()
"""


@pytest.fixture
def building(cache: Cache, fake_kernel: Path, tmp_path: Path) -> tuple[tuple[str, ...], Path]:
    """A build that stops in the midst of its modules if BUDDYLAB_HOLD is set, and its mark."""
    assert cache.root == tmp_path / "cache"
    mark = tmp_path / "reached"
    hold(fake_kernel, "modules", mark)
    return ("build", "--kernel", str(fake_kernel), "--upto", "0"), mark


def test_a_hangup_ends_as_sigterm_does(
    building: tuple[tuple[str, ...], Path], cache: Cache
) -> None:
    command, mark = building
    build = started(*command, env={"BUDDYLAB_HOLD": "1"})
    wait_for(mark.exists)
    os.kill(build.pid, signal.SIGHUP)  # as the kernel does; and, once more, the shell
    assert "interrupted; what was complete is kept" in signalled(build, signal.SIGHUP)
    assert names(cache) == ["sources", "trees"]


def test_a_closed_terminal_leaves_nothing(
    building: tuple[tuple[str, ...], Path], cache: Cache
) -> None:
    """Whatever is still printed as it ends fails."""
    command, mark = building
    ours, theirs = pty.openpty()
    build = subprocess.Popen(
        argv(*command),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - its terminal
        env={**os.environ, "BUDDYLAB_HOLD": "1"},
    )
    os.close(theirs)
    wait_for(mark.exists)
    below = descendants(build.pid)
    os.close(ours)
    assert build.wait(timeout=LIMIT_S) == Exit.INTERRUPTED
    wait_for(lambda: not any(Path("/proc", str(pid)).exists() for pid in below))
    assert names(cache) == ["sources", "trees"]
    assert list(cache.root.glob("buddylab-bug-*")) == []


def test_nohup_lets_it_go_on(
    building: tuple[tuple[str, ...], Path], cache: Cache, fake_kernel: Path
) -> None:
    command, mark = building
    makefile = fake_kernel / "Makefile"
    makefile.write_text(makefile.read_text().replace("sleep 600", "sleep 1"))
    build = subprocess.Popen(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *argv(*command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "BUDDYLAB_HOLD": "1"},
    )
    wait_for(mark.exists)
    os.kill(build.pid, signal.SIGHUP)
    assert build.wait(timeout=LIMIT_S) == Exit.OK
    assert names(cache) == ["kernels", "sources", "trees"]


@pytest.fixture
def private() -> Iterator[Path]:
    """A temporary directory with a path as short as users have it."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def live(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache, private: Path
) -> Iterator[subprocess.Popen[str]]:
    """A live run whose guest is never ready; its ssh key is made."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("a live run needs ssh-keygen")
    bench = fake_guest.make_bench(tmp_path)
    qemu = fake_guest.install(monkeypatch, tmp_path, "good")
    boot.measured_speed(bench.what, fake_guest.make_settings(RunMode.LIVE), cache)
    qemu.log.unlink()
    script = LIVE.format(folder=str(tmp_path))
    words = ("run", "--scale", "small", "--mode", "live", "--output", str(tmp_path / "out"))
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            "PYTHONPATH": CHILDS_PATH,
            "BUDDYLAB_FAKE_QEMU": "silent",
            "TMPDIR": str(private),
        },
    )
    wait_for(lambda: bool(qemu.starts()) or process.poll() is not None)
    keys = [path for path in private.rglob("*.pub") if path.with_suffix("").exists()]
    assert keys, process.communicate()
    yield process
    process.kill()
    process.communicate()
    wait_for(lambda: qemu.survivors() == [])


def test_keys_of_a_run_go_with_its_terminal(live: subprocess.Popen[str], private: Path) -> None:
    assert "interrupted" in signalled(live, signal.SIGHUP)
    assert list(private.iterdir()) == []


def test_keys_of_a_killed_run_go_with_the_next(
    live: subprocess.Popen[str], private: Path, fake_kernel: Path
) -> None:
    live.kill()
    live.communicate(timeout=LIMIT_S)
    assert list(private.rglob("*.pub"))
    fetch = ("fetch", "--kernel", str(fake_kernel))
    assert buddylab(*fetch, env={"TMPDIR": str(private)}).returncode == Exit.OK
    assert list(private.iterdir()) == []


def test_keys_of_a_run_that_lives_stay(
    live: subprocess.Popen[str], private: Path, fake_kernel: Path
) -> None:
    fetch = ("fetch", "--kernel", str(fake_kernel))
    assert buddylab(*fetch, env={"TMPDIR": str(private)}).returncode == Exit.OK
    assert list(private.rglob("*.pub"))
    with contextlib.suppress(ProcessLookupError):
        live.terminate()

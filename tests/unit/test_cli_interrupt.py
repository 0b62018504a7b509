# SPDX-License-Identifier: GPL-2.0-only
"""SIGINT and SIGTERM at any moment, and two runs at once: the cache stays whole."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess  # noqa: TID251 - the command as a user types it
import sys
from pathlib import Path

import pytest
from command_line import CHILDS_PATH, LIMIT_S, buddylab, descendants, entries, names, started
from interrupting import hold, killed_at_once, signalled, wait_for

from harness.errors import Exit, UserError
from harness.host.cache import Cache
from harness.host.folder import claimed

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("target", ["tinyconfig", "vmlinux", "modules"])
def test_interrupted_build_ends_make_and_a_following_one_works(
    cache: Cache, fake_kernel: Path, tmp_path: Path, target: str, number: signal.Signals
) -> None:
    mark = tmp_path / "reached"
    hold(fake_kernel, target, mark)
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")
    build = started(*command, env={"BUDDYLAB_HOLD": "1"})
    wait_for(mark.exists)

    assert "interrupted; what was complete is kept" in signalled(build, number)
    assert names(cache) == ["sources", "trees"]

    assert buddylab(*command).returncode == 0
    assert names(cache) == ["kernels", "sources", "trees"]


@pytest.mark.parametrize("number", SIGNALS)
def test_interrupt_at_any_moment(cache: Cache, fake_kernel: Path, number: signal.Signals) -> None:
    """After every other line in which it tells a step; the signals take turns."""
    command = ("--verbose", "build", "--kernel", str(fake_kernel), "--upto", "0")
    interrupted = 0
    for line in itertools.count(1 + 2 * SIGNALS.index(number), 4):
        shutil.rmtree(cache.root, ignore_errors=True)
        build = started(*command)
        reached = _lines(build, line)
        if reached:
            os.kill(build.pid, number)
        answer, said = build.communicate(timeout=LIMIT_S)
        assert "Traceback" not in said, said
        entries(cache)
        if answer:  # it was through; Python itself may still meet the signal on its way out
            break
        assert build.returncode == Exit.INTERRUPTED, said
        interrupted += 1
    assert interrupted > 2  # of a source, a tree, a configuration, an image and modules
    assert buddylab(*command).returncode == 0


def _lines(process: subprocess.Popen[str], number: int) -> bool:
    """Read so many lines of a process's messages; return whether there were as many."""
    assert process.stderr is not None
    return all(process.stderr.readline() for _ in range(number))


_IN_A_FINALIZER = """
import os, signal, sys, time
from harness.cli import main

class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)

def work():
    Last()
    time.sleep(10)

main.main = work
main.entry()
"""


def test_interrupt_in_a_finalizer_is_not_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_FINALIZER],
        check=False,
        stderr=subprocess.PIPE,
        timeout=LIMIT_S / 2,
    )

    assert (done.returncode, done.stderr) == (Exit.INTERRUPTED, b"")


_IN_A_TEXT = """
from harness.cli import main

main.main = lambda: exec("raise KeyboardInterrupt")
main.entry()
"""


def test_interrupt_while_python_makes_a_class_has_our_code(tmp_path: Path) -> None:
    """Dataclasses execute texts; `python -m` ends itself by SIGINT where one was interrupted."""
    (tmp_path / "interrupted.py").write_text(_IN_A_TEXT)
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        check=False,
        env={**os.environ, "PYTHONPATH": f"{CHILDS_PATH}{os.pathsep}{tmp_path}"},
        stderr=subprocess.PIPE,
        timeout=LIMIT_S / 2,
    )

    assert (done.returncode, done.stderr) == (Exit.INTERRUPTED, b"")


def test_what_a_killed_run_left_is_swept(cache: Cache, fake_kernel: Path, tmp_path: Path) -> None:
    mark = tmp_path / "reached"
    hold(fake_kernel, "modules", mark)
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")
    build = started(*command, env={"BUDDYLAB_HOLD": "1"})
    wait_for(mark.exists)
    (dead,) = cache.root.glob("tmp/buddylab-kernel-*")
    below = descendants(build.pid)
    build.kill()
    for pid in below:  # make dies with the harness; what it had started is ended here
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    build.communicate(timeout=LIMIT_S)
    assert dead.exists()

    assert buddylab(*command).returncode == 0
    assert not dead.exists()
    assert names(cache) == ["kernels", "sources", "trees"]


def test_two_builds_at_once_make_everything_once(cache: Cache, fake_kernel: Path) -> None:
    """Both find nothing in the cache; the second takes what the first has made meanwhile."""
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")
    assert buddylab(*command).returncode == 0
    locks = [path.name.removesuffix(".lock") for path in cache.root.glob("locks/*")]
    (tree_lock,) = (name for name in locks if name.startswith("tree-"))
    (slot_lock,) = (name for name in locks if name.startswith("slot-"))
    for kind in ("trees", "kernels"):
        shutil.rmtree(cache.root / kind)

    with cache.locked(slot_lock):
        with cache.locked(tree_lock):
            both = [started(*command), started(*command)]
            said = [_said(process, f"works on {tree_lock}") for process in both]
        said = [
            text + _said(process, f"works on {slot_lock}")
            for text, process in zip(said, both, strict=True)
        ]
    ends = [process.communicate(timeout=LIMIT_S) for process in both]

    assert [process.returncode for process in both] == [0, 0], ends
    assert ends[0][0] == ends[1][0] != ""
    everything = "".join(said) + "".join(end[1] for end in ends)
    assert everything.count("applied 0 patches") == 1
    assert everything.count("kernel image and modules") == 1
    assert names(cache) == ["kernels", "sources", "trees"]


def _said(process: subprocess.Popen[str], until: str) -> str:
    """Read a process's messages up to the one that holds `until`."""
    text = ""
    assert process.stderr is not None
    while until not in text:
        line = process.stderr.readline()
        assert line, text
        text += line
    return text


def test_many_builds_at_once_from_nothing(cache: Cache, fake_kernel: Path) -> None:
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")
    builds = [started(*command) for _ in range(4)]
    ends = [build.communicate(timeout=LIMIT_S) for build in builds]

    assert [build.returncode for build in builds] == [0] * 4, ends
    assert len({out for out, _ in ends}) == 1
    assert "Traceback" not in "".join(said for _, said in ends)
    assert names(cache) == ["kernels", "sources", "trees"]


def test_folder_of_a_run_is_nobody_elses(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with claimed(folder):
        with pytest.raises(UserError, match="another buddylab writes to .*run; name a new folder"):
            claimed(folder).__enter__()
        (folder / "console.log").write_text("")
    with pytest.raises(UserError, match="is not empty; name a new folder"):
        claimed(folder).__enter__()


def test_claim_ends_with_its_process(tmp_path: Path) -> None:
    with claimed(tmp_path / "run"):
        pass
    with claimed(tmp_path / "run") as folder:
        assert folder.is_dir()


# vmlinux is made in two halves, by a child of make's that says nothing; only if it is not there.
SLOW = """
vmlinux: $(O)/vmlinux
$(O)/made.o:
	@mkdir -p $(O) && echo made > $@
$(O)/vmlinux: $(O)/made.o
	@$(MAKE) -s --no-print-directory slow
slow:
	@printf 'one half, ' > $(O)/vmlinux
	@if [ ! -e {mark} ]; then touch {mark}; for n in `seq 99`; do [ -e {go} ] || sleep 0.3; done; fi
	@printf 'the other half' >> $(O)/vmlinux
"""
WHOLE = "one half, the other half"


@pytest.fixture
def slow(cache: Cache, fake_kernel: Path, tmp_path: Path) -> tuple[tuple[str, ...], Path, Path]:
    """A build that stops half-way in vmlinux the first time; its mark, and what lets it go on."""
    assert names(cache) == []
    mark, go = tmp_path / "reached", tmp_path / "go"
    makefile = fake_kernel / "Makefile"
    text = makefile.read_text().replace("\t@cp $(O)/mm/page_alloc.o $(O)/vmlinux\n", "")
    makefile.write_text(text + SLOW.format(mark=mark, go=go))
    return ("build", "--kernel", str(fake_kernel), "--upto", "0"), mark, go


def vmlinux(cache: Cache) -> list[str]:
    return [path.read_text() for path in cache.root.glob("kernels/*/vmlinux")]


def test_a_lock_is_held_as_long_as_what_make_started(
    cache: Cache, slow: tuple[tuple[str, ...], Path, Path]
) -> None:
    """The harness and make itself are killed; a make below still works, and says nothing."""
    command, mark, go = slow
    torn = started(*command)
    wait_for(mark.exists)
    below = descendants(torn.pid)
    torn.kill()
    torn.communicate(timeout=LIMIT_S)
    wait_for(lambda: len([pid for pid in below if Path("/proc", str(pid)).exists()]) < len(below))

    following = started(*command)
    said = _said(following, "waiting for another buddylab that works on slot-")
    go.touch()
    answer, rest = following.communicate(timeout=LIMIT_S)
    assert following.returncode == 0, said + rest
    assert answer
    assert vmlinux(cache) == [WHOLE]
    wait_for(lambda: not any(Path("/proc", str(pid)).exists() for pid in below))


def test_what_a_killed_make_left_half_done_is_made_anew(
    cache: Cache, slow: tuple[tuple[str, ...], Path, Path]
) -> None:
    """As when a container is stopped: nobody is left to remove what is cut."""
    command, mark, _ = slow
    torn = started(*command)
    wait_for(mark.exists)
    killed_at_once(torn)
    (cut,) = cache.root.glob("slots/*/obj/vmlinux")
    assert cut.read_text() == "one half, "

    assert buddylab(*command).returncode == 0
    assert vmlinux(cache) == [WHOLE]


def test_what_an_interrupted_make_has_made_is_kept(
    cache: Cache, slow: tuple[tuple[str, ...], Path, Path]
) -> None:
    command, mark, _ = slow
    build = started(*command)
    wait_for(mark.exists)
    (made,) = cache.root.glob("slots/*/obj/made.o")
    before = made.stat().st_mtime_ns
    signalled(build, signal.SIGINT)

    assert buddylab(*command).returncode == 0
    assert made.stat().st_mtime_ns == before
    assert vmlinux(cache) == [WHOLE]

# SPDX-License-Identifier: GPL-2.0-only
"""Real workers that are stopped or cut off, a submitter that is killed: nothing lost or twice."""

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_guest
import pytest
from fake_work import Made, tasks

from harness.engines.dask_runner import DaskRunner, Limits
from harness.engines.target import Target
from harness.host.cache import Cache
from harness.jobs.runner import Task

pytest.importorskip("distributed")
pytestmark = pytest.mark.timeout(300)
# Short, and yet longer than a busy machine lets a worker wait.
QUICK = Limits(collect_s=0.2, answer_s=15.0, workers_s=200.0, scheduler_s=30.0)
UNIT_S = 0.5


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The submitter's and the workers' cache, with a pretended QEMU."""
    fake_guest.install(monkeypatch, tmp_path, "good")
    monkeypatch.setenv("BUDDYLAB_CACHE", str(tmp_path / "cache"))
    return Cache(tmp_path / "cache")


@contextlib.contextmanager
def workers(count: int) -> Iterator[str]:
    from fake_cluster import cluster  # noqa: PLC0415 - of the extra

    with cluster(count) as address:
        yield address


class Kept:
    """Keeps what comes as a comparison does: a file for each unit; what has one is not asked."""

    def __init__(self, folder: Path, first: Callable[[Made], None] = lambda _made: None) -> None:
        self.folder = folder / "kept"
        self.folder.mkdir(exist_ok=True)
        self._first = first
        self._lock = threading.Lock()

    def __call__(self, _task: Task, made: Made) -> bool:
        with self._lock:
            # Fails for a unit that came before.
            with (self.folder / made.unit).open("x") as file:
                file.write(str(made.pid))
            if len(self.pids) == 1:
                self._first(made)
        return True

    @property
    def pids(self) -> dict[str, int]:
        return {path.name: int(path.read_text() or 0) for path in self.folder.iterdir()}

    def missing(self, asked: list[Task]) -> list[Task]:
        there = set(self.pids)
        left = []
        for task in asked:
            units = [unit for unit in task.work.units if unit not in there]
            if units:
                work = task.work.only(units)
                left.append(Task(title=task.title, what=task.what, memory_mib=1, work=work))
        return left


def names(asked: list[Task]) -> set[str]:
    return {unit for task in asked for unit in task.work.units}


def run(asked: list[Task], address: str, cache: Cache, kept: Kept) -> list[object]:
    runner = DaskRunner(target=Target(address=address), share=0.0, limits=QUICK)
    return list(runner.run(asked, cache, kept))


def test_a_worker_that_is_stopped_is_named_and_its_work_done_elsewhere(
    tmp_path: Path, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    stopped: list[int] = []

    def stop(made: Made) -> None:
        stopped.append(made.pid)
        os.kill(made.pid, signal.SIGSTOP)

    asked = tasks(tmp_path, 8, 6, unit_s=UNIT_S)
    kept = Kept(tmp_path, stop)

    def wake() -> None:
        """Let it go on when the others have taken over, while there is work."""
        end_s = time.monotonic() + 120
        while "goes elsewhere" not in caplog.text and time.monotonic() < end_s:
            time.sleep(0.1)
        os.kill(stopped[0], signal.SIGCONT)

    waking = threading.Thread(target=wake)
    with workers(2) as address:
        waking.start()
        problems = run(asked, address, cache, kept)
        waking.join()
    assert problems == []
    assert set(kept.pids) == names(asked)
    assert "did not answer (not within 15 s); what is left of it goes elsewhere" in caplog.text
    assert len(set(kept.pids.values())) == 2


def test_a_worker_that_is_cut_off_is_named_and_its_work_done_elsewhere(
    tmp_path: Path, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    from fake_cluster import Net, worker_behind  # noqa: PLC0415 - of the extra

    net = Net()
    asked = tasks(tmp_path, 8, 6, unit_s=UNIT_S)
    kept = Kept(tmp_path, lambda _: net.cut())

    def mend() -> None:
        end_s = time.monotonic() + 120
        while "goes elsewhere" not in caplog.text and time.monotonic() < end_s:
            time.sleep(0.1)
        net.mend()

    mending = threading.Thread(target=mend)
    with workers(1) as address, worker_behind(address, net):
        _wait_for_workers(address, 2)
        mending.start()
        problems = run(asked, address, cache, kept)
        mending.join()
    assert problems == []
    assert set(kept.pids) == names(asked)
    assert "goes elsewhere" in caplog.text
    assert "did not answer" in caplog.text


def _submit(address: str, folder: Path) -> None:
    asked = tasks(folder, 6, 4, unit_s=UNIT_S)
    kept = Kept(folder)
    run(kept.missing(asked), address, Cache(folder / "cache"), kept)


def test_a_submitter_that_is_killed_and_started_again_loses_nothing(
    tmp_path: Path, cache: Cache
) -> None:
    assert cache.root.parent == tmp_path
    from fake_cluster import _FORKS  # noqa: PLC0415 - of the extra

    kept, asked = Kept(tmp_path), tasks(tmp_path, 6, 4)
    with workers(2) as address:
        first = _FORKS.Process(target=_submit, args=(address, tmp_path))
        first.start()
        _wait(lambda: len(kept.pids) > 4)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        first.join()
        before = kept.pids
        assert len(before) < len(names(asked))

        again = _FORKS.Process(target=_submit, args=(address, tmp_path))
        again.start()
        again.join(120)
    assert again.exitcode == 0  # a unit that came twice would have ended it
    assert set(kept.pids) == names(asked)
    assert Counter(before) <= Counter(kept.pids)


def _wait(until: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 120
    while not until():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def _wait_for_workers(address: str, count: int) -> None:
    from distributed import Client  # noqa: PLC0415, TID251 - of the extra

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=120)

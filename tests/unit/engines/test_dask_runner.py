# SPDX-License-Identifier: GPL-2.0-only
"""Tasks on real workers of Dask's, which are killed, lied to, and lie."""

import argparse
import socket  # noqa: TID251 - this host's name
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import fake_guest
import pytest
from fake_work import Made, tasks

from harness.cli.cluster import percent
from harness.cli.main import main
from harness.engines.dask_runner import DaskRunner, Limits
from harness.engines.target import Target
from harness.errors import Exit, HarnessError, HostError
from harness.host.cache import Cache
from harness.jobs.runner import Task, WorkerNow, WorkerState

pytest.importorskip("distributed")
pytestmark = pytest.mark.timeout(300)
QUICK = Limits(collect_s=0.2, answer_s=20.0, workers_s=200.0, scheduler_s=30.0)
# Those that the tests kill, and two.
WORKERS = 6


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    """The submitter's and the workers' cache, with a pretended QEMU."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch:
        fake_guest.install(patch, folder, "good")
        patch.setenv("BUDDYLAB_CACHE", str(folder / "cache"))
        yield Cache(folder / "cache")


@pytest.fixture(scope="module")
def address(cache: Cache) -> Iterator[str]:
    """A scheduler with its workers: starting them takes seconds."""
    assert cache.root.name == "cache"  # the workers get its environment
    from fake_cluster import cluster  # noqa: PLC0415 - of the extra

    with cluster(WORKERS) as where:
        yield where


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the tasks of a test have their files."""
    return tmp_path


class Taken:
    """What came, by unit."""

    def __init__(self, first: Callable[[Made], None] = lambda _made: None) -> None:
        self.made: list[Made] = []
        self._first = first

    def __call__(self, _task: Task, produced: Made) -> bool:
        if not self.made:
            self._first(produced)
        self.made.append(produced)
        return True

    @property
    def units(self) -> Counter[str]:
        return Counter(one.unit for one in self.made)

    @property
    def pids(self) -> set[int]:
        return {one.pid for one in self.made}


def done(
    found: Iterable[Task], address: str, cache: Cache, taken: Taken, *, share: float = 0.0
) -> list[HarnessError]:
    runner = DaskRunner(target=Target(address=address), share=share, limits=QUICK)
    return list(runner.run(found, cache, taken))


def units(found: list[Task]) -> Counter[str]:
    return Counter(unit for task in found for unit in task.work.units)


def test_each_unit_is_done_once_by_several_workers(
    folder: Path, address: str, cache: Cache
) -> None:
    asked, taken = tasks(folder, 6, 3, unit_s=0.1), Taken()
    assert done(asked, address, cache, taken, share=1.0) == []
    assert taken.units == units(asked)
    assert len(taken.pids) > 1


def test_a_worker_that_is_not_exact_is_named(folder: Path, address: str, cache: Cache) -> None:
    asked = tasks(folder, 6, 2, unit_s=0.1)
    odd: list[int] = []

    def lie(made: Made) -> None:
        odd.append(made.pid)
        (folder / "inexact").write_text(str(made.pid))

    problems = done(asked, address, cache, Taken(lie), share=1.0)
    assert odd
    assert any("the same guests differ in" in str(each) for each in problems)
    assert any("is not exact" in str(each) for each in problems)


def test_a_host_that_lacks_something_gets_no_more_work(
    folder: Path, address: str, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    asked = tasks(folder, 24, 2, unit_s=0.1)

    def lack(made: Made) -> None:
        (folder / "lacks").write_text(str(made.pid))

    taken = Taken(lack)
    assert done(asked, address, cache, taken) == []
    assert taken.units == units(asked)
    assert "gets no work: no space is left on this host" in caplog.text


def test_no_worker_fits(folder: Path, address: str, cache: Cache) -> None:
    (task,) = tasks(folder, 1, 1)
    huge = Task(title="huge", what=task.what, memory_mib=1 << 30, work=task.work)
    began_s = time.monotonic()
    with pytest.raises(HostError, match=r"no worker can do it:\n.* MiB needs"):
        done([huge], address, cache, Taken())
    assert time.monotonic() - began_s < 60


def test_tasks_are_made_while_others_are_done(folder: Path, address: str, cache: Cache) -> None:
    asked, taken = tasks(folder, 4, 2), Taken()

    def made() -> Iterator[Task]:
        yield asked[0]
        end_s = time.monotonic() + 60
        while not taken.made and time.monotonic() < end_s:
            time.sleep(0.05)
        assert taken.made, "the first is done before the next is made"
        yield from asked[1:]

    assert done(made(), address, cache, taken) == []
    assert taken.units == units(asked)


def test_what_ends_the_making_of_tasks_ends_the_job(
    folder: Path, address: str, cache: Cache
) -> None:
    def made() -> Iterator[Task]:
        yield from tasks(folder, 1, 1)
        raise HostError("it does not build")

    with pytest.raises(HostError, match="it does not build"):
        done(made(), address, cache, Taken())


def test_who_watches_is_told_who_works_and_why_one_does_not(
    folder: Path, address: str, cache: Cache
) -> None:
    asked = tasks(folder, 12, 4, unit_s=0.4)
    told: list[tuple[WorkerNow, ...]] = []

    def lack(made: Made) -> None:
        (folder / "lacks").write_text(str(made.pid))

    runner = DaskRunner(target=Target(address=address), share=0.0, limits=QUICK)
    assert list(runner.run(asked, cache, Taken(lack), told.append)) == []
    assert any(one.state is WorkerState.WORKING and one.now for each in told for one in each)
    last = told[-1]
    assert sum(one.done for one in last) == len(units(asked))
    (refused,) = (one for one in last if one.state is WorkerState.REFUSED)
    assert refused.now == "no space is left on this host"
    assert {one.host for one in last} == {socket.gethostname()}


# These come last: the workers that they kill are gone.


def test_a_worker_that_is_killed_loses_nothing(folder: Path, address: str, cache: Cache) -> None:
    asked, taken = tasks(folder, 4, 4, unit_s=0.1), Taken()
    (folder / "kill-2-3").write_text("once")
    assert done(asked, address, cache, taken) == []
    assert taken.units == units(asked)
    assert not (folder / "kill-2-3").exists()


def test_what_keeps_killing_its_worker_is_set_aside(
    folder: Path, address: str, cache: Cache
) -> None:
    asked, taken = tasks(folder, 3, 2), Taken()
    (folder / "kill-1-0").write_text("always")
    (problem,) = done(asked, address, cache, taken)
    assert taken.units == units(asked) - Counter(["1-0", "1-1"])
    assert "task 1 is set aside after 3 tries, 2 of its results are missing" in str(problem)


def test_no_scheduler_is_told_at_once() -> None:
    runner = DaskRunner(target=Target(scheduler_file=Path("/nowhere/sched.json")))
    with pytest.raises(HostError, match="start one with `dask scheduler"):
        runner.require_room(512)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--on", "nothing"], "is none of"),
        (["--artefacts", "/tmp"], "say --on"),
        (["--on", "local:2", "--jobs", "3"], "as many as it has threads"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: list[str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["compare", "vm/plans/smoke.toml", *options]) == Exit.USAGE
    assert why in caplog.text


@pytest.mark.parametrize("text", ["101", "-1", "some", "nan"])
def test_a_share_is_a_number_from_0_to_100(text: str) -> None:
    assert percent("2.5") == 0.025
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to 100"):
        percent(text)

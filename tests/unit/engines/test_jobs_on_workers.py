# SPDX-License-Identifier: GPL-2.0-only
"""What makes many boots gives the same on workers as here, by guests that are files."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_guest
import pytest
from pretended_comparison import TEXT, SavedTexts

from harness.compare.drawn import without_undrawn
from harness.compare.judging import Subject, judged_text
from harness.compare.plan_text import parse_plan, with_number
from harness.compare.verdict_page import Asked
from harness.engines.dask_runner import DaskRunner, Limits
from harness.engines.target import Target
from harness.errors import StageError
from harness.host.cache import Cache
from harness.jobs.arm import Lab, Prepared
from harness.jobs.arm_columns import COLUMNS, kept_arms
from harness.jobs.compare import Job, compare
from harness.jobs.exactness import exactness
from harness.jobs.judge import Judged, judge, variants
from harness.jobs.predict import Forecasts, predictions
from harness.jobs.runner import Task
from harness.jobs.trial import Trial, TrialWork
from harness.stages.run import made
from harness.values import StagePlan

pytest.importorskip("distributed")
pytestmark = pytest.mark.timeout(300)
QUICK = Limits(collect_s=0.2, answer_s=20.0, workers_s=200.0, scheduler_s=30.0)
WORKERS = 2


class Sent(SavedTexts):
    """Guests that can be pickled, and begin anew where they arrive."""

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "spoil"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self.spoil: Callable[[int, dict[str, bytes]], dict[str, bytes]] = lambda _, files: files


class Failing(Sent):
    """Guests of a kernel that does not boot."""

    @contextlib.contextmanager
    def prepared(self, lab: Lab, state_stage: StagePlan, work: Path) -> Iterator[Prepared]:
        del lab, state_stage, work
        yield from ()
        raise StageError("boot", "it does not boot")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a pretended QEMU, and with the cache of this process and of the workers."""
    folder = tmp_path_factory.mktemp("jobs")
    with pytest.MonkeyPatch.context() as patch:
        fake_guest.install(patch, folder, "good")
        patch.setenv("BUDDYLAB_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def runner(folder: Path) -> Iterator[DaskRunner]:
    assert folder.is_dir()  # the workers get its environment
    from fake_cluster import cluster  # noqa: PLC0415 - of the extra

    with cluster(WORKERS) as address:
        yield DaskRunner(target=Target(address=address), share=0.0, limits=QUICK)


def test_exactness_on_workers_is_that_of_here(folder: Path, runner: DaskRunner) -> None:
    plan = parse_plan(with_number(TEXT, "cpus", 2), "small")
    guests, cache = Sent(folder), Cache(folder / "cache")

    def found(where: DaskRunner | None = None) -> object:
        return exactness(guests.what, plan, cache, times=5, boots=3, guests=guests, runner=where)

    here = found()
    boots = guests.boots
    assert boots == 3
    assert found(runner) == here
    assert guests.boots == boots  # none of them here


def test_the_first_failure_of_exactness_ends_it(folder: Path, runner: DaskRunner) -> None:
    guests = Failing(folder)
    plan = parse_plan(TEXT, "small")
    with pytest.raises(StageError, match="it does not boot"):
        exactness(
            guests.what,
            plan,
            Cache(folder / "cache"),
            times=2,
            boots=1,
            guests=guests,
            runner=runner,
        )


def test_a_judgement_on_workers_is_that_of_here(
    folder: Path, runner: DaskRunner, tmp_path: Path
) -> None:
    subject = Subject(source="5.15", before=(), changes=("a",), config="", each=False)
    text = judged_text(parse_plan(TEXT, "small"), subject)
    plan = parse_plan(text, "small")
    guests = Sent(folder)
    kernels = dict.fromkeys(variants(plan), (guests.kernel, guests.image))
    asked = Asked(change="a", kernel="5.15", command="buddylab judge a")

    def found(where: str, on: DaskRunner | None = None) -> object:
        it = Judged(plan=plan, text=text, folder=tmp_path / where)
        # What was run before is not run again: a cache of its own.
        cache = Cache(tmp_path / f"cache-{where}")
        results, verdicts = judge(it, asked, kernels, cache, jobs=2, guests=guests, runner=on)
        assert results.arms
        return results, verdicts

    here = found("here")
    commands = len(guests.commands)
    assert commands
    assert found("there", runner) == here
    assert len(guests.commands) == commands  # none of them here


def test_predictions_on_workers_are_kept_here(
    folder: Path, runner: DaskRunner, tmp_path: Path
) -> None:
    guests, told = Sent(folder), list[Forecasts]()
    found = predictions(
        guests.kernel,
        guests.image,
        Cache(folder / "cache"),
        seeds=3,
        memories_mib=(64,),
        cpus=1,
        folder=tmp_path,
        runner=runner,
        tell=told.append,
    )

    # The pretended guest boots and makes no burst: what it left is kept, and named.
    assert [(one.seed, one.misses) for one in found] == [
        (seed, (f"RecordError, see {tmp_path / f'64-{seed}'}",)) for seed in (1, 2, 3)
    ]
    assert told == list(found)
    assert all((tmp_path / f"64-{seed}" / "console.log").stat().st_size for seed in (1, 2, 3))


def test_a_mutant_on_a_worker_is_judged_there(folder: Path, runner: DaskRunner) -> None:
    guests = Sent(folder)
    work = TrialWork(mutant=None, known=made(guests.kernel, guests.image), cpus=1)
    came: list[Trial] = []

    def take(_task: Task, trial: Trial) -> bool:
        came.append(trial)
        return True

    asked = [Task(title="it", what=guests.what, memory_mib=64, work=work)]
    assert runner.run(asked, Cache(folder / "cache"), take) == []
    (trial,) = came
    assert (trial.name, trial.caught_by, trial.digest) == ("unmutated", ("RecordError",), "")


def test_arms_of_workers_are_kept_by_column(
    folder: Path, runner: DaskRunner, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    plan, guests, cache = parse_plan(TEXT, "small"), Sent(folder), Cache(folder / "cache")
    kernels = {plan.arms[0].kernel: (guests.kernel, guests.image)}

    def job(name: str) -> Job:
        return Job(plan=plan, text=TEXT, folder=tmp_path / name, jobs=2)

    there = compare(job("there"), kernels, cache, guests, runner)
    here = compare(job("here"), kernels, cache, guests)

    assert len(list((tmp_path / "there" / COLUMNS).iterdir())) == 1
    assert not (tmp_path / "here" / COLUMNS).exists()
    assert len(kept_arms(tmp_path / "there")) == len(here.arms)
    assert without_undrawn(there) == without_undrawn(here)
    same = [(tmp_path / name / "results.json.gz").read_bytes() for name in ("there", "here")]
    assert same[0] == same[1]

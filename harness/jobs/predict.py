# SPDX-License-Identifier: GPL-2.0-only
"""predictions: the predicted stages alone, on many seeds and sizes of memory."""

import itertools
import logging
import os
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.checks.forecast import PredictedCounter, predicted_counters
from harness.errors import GuestLostError, RecordError, StageError, UserError
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.host.files import atomic_write, contents
from harness.host.progress import progress
from harness.jobs.in_order import InOrder
from harness.jobs.runner import LocalRunner, Outcome, Place, Runner, Task
from harness.jobs.trial import run_digest, run_kept
from harness.stages.boot import RunSettings, measured_speed
from harness.stages.boot_files import BootFiles, boot_files, require_unaltered
from harness.stages.check import read
from harness.stages.run import Made, made
from harness.texts.build.provides import MONITOR
from harness.texts.build.rules import Rule, rules_in
from harness.values import GuestImage, KernelBuild, PatchedTree, RunMode
from harness.workloads.paper import Scale, prediction_stages

logger = logging.getLogger("predict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """How the predictions of one seed and size of memory fared."""

    memory_mib: int
    seed: int
    exact: int  # counters of which one value was said, and that value came
    ranged: int  # counters of which a range was said, and that held
    misses: tuple[str, ...]
    digest: str = ""  # of what the guest said; empty: it came to no end

    def __str__(self) -> str:
        """Print as a line of a table, each miss below it."""
        line = (
            f"{self.memory_mib:>6} MiB  seed {self.seed:<4} {self.exact:>4} exact  "
            f"{self.ranged:>4} in range  {len(self.misses):>3} missed"
        )
        return "\n".join([line, *(f"        MISSED {miss}" for miss in self.misses)])


def require_rules(tree: PatchedTree) -> None:
    """Raise UserError if the model does not know the rules of this kernel."""
    if Rule.NOT_KNOWN in rules_in(tree.provides):
        raise UserError(
            f"the model does not know the rules of Linux {tree.source.release} and cannot predict "
            "its bursts; `run` makes them without"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run, wherever it was: its folder's files, path inside -> content, and how it fared."""

    unit: str
    files: Mapping[str, bytes]
    forecasts: Forecasts


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictWork:
    """The predicted stages of one seed and size of memory as a task's work, of one unit."""

    settings: RunSettings
    known: Made
    folder: Path  # where the run is kept, by whoever takes it

    @property
    def units(self) -> tuple[str, ...]:
        """Name it."""
        return (self.folder.name,)

    def only(self, units: Collection[str]) -> "PredictWork":
        """Return it: it has no parts."""
        assert set(units) <= set(self.units)  # noqa: S101 - of no other task
        return self

    def execute(self, what: BootFiles, place: Place) -> Generator[Ran, None, None]:
        """Run it at a place, and hold what was observed to what was predicted."""
        with place.cache.building("predict") as scratch:
            forecasts = self._forecasts(what, place, scratch / "run")
            files = contents(scratch / "run")
        yield Ran(unit=self.folder.name, files=files, forecasts=forecasts)

    def outcome(self, produced: Ran) -> Outcome:
        """Tell it by what its guest said."""
        return Outcome(unit=produced.unit, digest=produced.forecasts.digest)

    def _forecasts(self, what: BootFiles, place: Place, folder: Path) -> Forecasts:
        settings, monitored = self.settings, MONITOR in self.known.provides
        plan = prediction_stages(settings.memory_mib, seed=settings.seed, monitored=monitored)
        require_unaltered(what)
        try:
            identity = run_kept(what, self.known, plan, settings, place=place, folder=folder)
            stages = read(folder).stages
        except (GuestLostError, RecordError, StageError) as error:
            logger.warning("%s: %s", self.folder, str(error).replace(str(folder), str(self.folder)))
            return _forecasts(settings, [], (f"{type(error).__name__}, see {self.folder}",))
        said = [(stage.name, each) for stage in stages for each in predicted_counters(stage)]
        missed = tuple(
            f"{stage}: {each.counter} predicted {each.said}, observed {each.observed}"
            for stage, each in said
            if not each.hit
        )
        hits = [each for _stage, each in said if each.hit]
        return replace(
            _forecasts(settings, hits, missed), digest=run_digest(folder, identity.digest)
        )


def predictions(
    kernel: KernelBuild,
    image: GuestImage,
    cache: Cache,
    *,
    seeds: int,
    memories_mib: Sequence[int],
    cpus: int,
    folder: Path,
    runner: Runner | None = None,
    tell: Callable[[Forecasts], None] = lambda _: None,
) -> tuple[Forecasts, ...]:
    """Run the predicted stages for each memory and seed, each in a run folder of its own.

    On this machine, as many at a time as it has CPUs, or where `runner` runs them; they are told
    in their order.
    """
    # A repeatable guest keeps one CPU of the host busy.
    runner = runner or LocalRunner(os.cpu_count() or 1)
    jobs = list(itertools.product(memories_mib, range(1, seeds + 1)))
    what, known = boot_files(kernel, image), made(kernel, image)
    # Measured once, by one: what the runs then find in the cache.
    measured_speed(what, _settings(*jobs[0], cpus), cache)
    places = {f"{memory_mib}-{seed}": place for place, (memory_mib, seed) in enumerate(jobs)}
    tasks = [
        Task(
            title=f"{settings.memory_mib} MiB, seed {settings.seed}",
            what=what,
            memory_mib=settings.memory_mib,
            work=PredictWork(settings=settings, known=known, folder=folder / name),
        )
        for name, settings in zip(places, (_settings(*job, cpus) for job in jobs), strict=True)
    ]
    found = InOrder(tell)
    with progress("predict", total=len(jobs), unit="runs") as advance:

        def take(task: Task, ran: Ran) -> bool:
            for name, content in ran.files.items():
                atomic_write(folder / ran.unit / name, content)
            advance(found.came(places[ran.unit], ran.forecasts), task.title)
            return True

        problems = runner.run(tasks, cache, take)
    told = found.end()
    for error in problems:
        raise error
    return told


def _settings(memory_mib: int, seed: int, cpus: int) -> RunSettings:
    return RunSettings(
        mode=RunMode.REPEATABLE,
        memory_mib=memory_mib,
        cpus=cpus,
        seed=seed,
        scale=Scale.SMALL,
        accelerator=AcceleratorChoice.TCG,
    )


def _forecasts(
    settings: RunSettings, hits: Sequence[PredictedCounter], misses: tuple[str, ...]
) -> Forecasts:
    exact = sum(each.forecast.exact for each in hits)
    return Forecasts(
        memory_mib=settings.memory_mib,
        seed=settings.seed,
        exact=exact,
        ranged=len(hits) - exact,
        misses=misses,
    )

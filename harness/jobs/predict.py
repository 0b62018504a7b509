# SPDX-License-Identifier: GPL-2.0-only
"""predictions: the predicted stages alone, on many seeds and sizes of memory."""

import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.checks.forecast import PredictedCounter, predicted_counters
from harness.errors import GuestLostError, RecordError, StageError, UserError
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.host.progress import progress
from harness.stages.boot import RunSettings, measured_speed
from harness.stages.boot_files import boot_files
from harness.stages.check import read, save_key
from harness.stages.run import run
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


def predictions(
    kernel: KernelBuild,
    image: GuestImage,
    cache: Cache,
    *,
    seeds: int,
    memories_mib: Sequence[int],
    cpus: int,
    folder: Path,
) -> Iterator[Forecasts]:
    """Run the predicted stages for each memory and seed, each in a run folder of its own."""
    jobs = list(itertools.product(memories_mib, range(1, seeds + 1)))
    # Measured once, by one: what the runs then find in the cache.
    measured_speed(boot_files(kernel, image), _settings(*jobs[0], cpus), cache)

    def trial(job: tuple[int, int]) -> Forecasts:
        return _trial(kernel, image, cache, _settings(*job, cpus), folder)

    with (
        # A repeatable guest keeps one CPU of the host busy.
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="predict") as pool,
        progress("predict", total=len(jobs), unit="runs") as advance,
    ):
        try:
            for number, forecasts in enumerate(pool.map(trial, jobs), start=1):
                advance(number, f"{forecasts.memory_mib} MiB, seed {forecasts.seed}")
                yield forecasts
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _settings(memory_mib: int, seed: int, cpus: int) -> RunSettings:
    return RunSettings(
        mode=RunMode.REPEATABLE,
        memory_mib=memory_mib,
        cpus=cpus,
        seed=seed,
        scale=Scale.SMALL,
        accelerator=AcceleratorChoice.TCG,
    )


def _trial(
    kernel: KernelBuild, image: GuestImage, cache: Cache, settings: RunSettings, parent: Path
) -> Forecasts:
    folder = parent / f"{settings.memory_mib}-{settings.seed}"
    monitored = MONITOR in kernel.provides
    plan = prediction_stages(settings.memory_mib, seed=settings.seed, monitored=monitored)
    try:
        key = run(kernel, image, plan, settings, folder=folder, cache=cache)
        save_key(folder, key)
        stages = read(folder).stages
    except (GuestLostError, RecordError, StageError) as error:
        logger.warning("%s: %s", folder, error)
        return _forecasts(settings, [], (f"{type(error).__name__}, see {folder}",))
    said = [(stage.name, each) for stage in stages for each in predicted_counters(stage)]
    missed = tuple(
        f"{stage}: {each.counter} predicted {each.said}, observed {each.observed}"
        for stage, each in said
        if not each.hit
    )
    return _forecasts(settings, [each for _stage, each in said if each.hit], missed)


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

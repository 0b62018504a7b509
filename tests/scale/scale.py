# SPDX-License-Identifier: GPL-2.0-only
"""How many workers one scheduler keeps busy, and what the engine adds: `nox -s scale`.

The guests are waits of an arm's length, so that many fit on one machine; all else is real: the
scheduler, the workers (many in each of a few processes), the messages, texts as long as an arm's.
"""

import argparse
import contextlib
import cProfile
import os
import pstats
import tempfile
import time
from pathlib import Path

import fake_work
from fake_cluster import ROOMY, cluster, cpu_s

from harness.engines.dask_runner import DaskRunner, Limits
from harness.engines.target import Target
from harness.host.cache import Cache
from harness.jobs.runner import LocalRunner, Runner, Task

ARM_S = 1.5
ARMS_OF_A_TASK = 40
_TEXTS_BYTES = 25_000  # of an arm, compressed
_SIZES = (18 << 20, 22 << 20)  # of vmlinux and initramfs, bytes
_WORKERS_OF_A_PROCESS = 125


def timed(runner: Runner, tasks: list[Task], cache: Cache) -> tuple[float, list[float]]:
    """Do the tasks; return how long it took, and when each unit came."""
    came: list[float] = []

    def take(_task: Task, _produced: fake_work.Made) -> bool:
        came.append(time.monotonic())
        return True

    began_s = time.monotonic()
    problems = runner.run(tasks, cache, take)
    assert not problems, problems
    return time.monotonic() - began_s, came


def tell_overhead(folder: Path, cache: Cache, arms: int) -> None:
    """Compare two workers with two threads of this process."""
    each = 25
    asked = fake_work.tasks(folder, arms // each, each, unit_s=ARM_S)
    local_s, _ = timed(LocalRunner(2), asked, cache)
    runner = DaskRunner(target=Target(workers=2), share=0.0)
    there_s, _ = timed(runner, asked, cache)
    more = 100 * (there_s / local_s - 1)
    print(
        f"{arms} arms of {ARM_S} s: 2 threads {local_s:.1f} s, 2 workers {there_s:.1f} s: "
        f"{more:+.1f} %; load of this machine {_load()}"
    )


def tell_busy(
    folder: Path, cache: Cache, workers: int, minutes: float, *, is_profiled: bool
) -> None:
    """Keep many workers busy for some minutes; print which share of the time they were."""
    rounds = max(1, round(minutes * 60 / (ARM_S * ARMS_OF_A_TASK)))
    asked = fake_work.tasks(
        folder,
        workers * rounds,
        ARMS_OF_A_TASK,
        unit_s=ARM_S,
        texts=_TEXTS_BYTES,
        sizes=_SIZES,
    )
    processes = -(-workers // _WORKERS_OF_A_PROCESS)
    with cluster(processes, workers // processes, {ROOMY: "1"}) as address:
        limits = Limits(collect_s=15.0)
        runner = DaskRunner(target=Target(address=address), share=0.0, limits=limits)
        before_s, profile = _cpu_s(address), cProfile.Profile()
        with profile if is_profiled else contextlib.nullcontext():
            seconds, came = timed(runner, asked, cache)
        taken_s = [after - before for after, before in zip(_cpu_s(address), before_s, strict=True)]
    workers = processes * (workers // processes)
    arms = len(came)
    busy = 100 * arms * ARM_S / (workers * seconds)
    print(
        f"{workers} workers, {arms} arms of {ARM_S} s in {seconds:.0f} s, first to last: "
        f"busy {busy:.1f} % of the time, {arms / seconds:.0f} arms a second"
    )
    # What one CPU each allows, however busy this machine is with other things.
    names = ("the command", "the scheduler", "all workers")
    each = ", ".join(
        f"{name} {1000 * cpu_s / arms:.2f} ms" for name, cpu_s in zip(names, taken_s, strict=True)
    )
    most = arms / max(taken_s[:2])
    print(
        f"CPU time of an arm: {each}; one CPU for each of the first two carries {most:.0f} arms a "
        f"second, {most * ARM_S:.0f} such workers; load of this machine {_load()}"
    )
    if is_profiled:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def _cpu_s(address: str) -> tuple[float, float, float]:
    """Return the CPU time so far of this process, the scheduler and all workers."""
    return (time.process_time(), *cpu_s(address))


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def main() -> None:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--arms", type=int, default=1000, help="0: do not measure the overhead")
    parser.add_argument("--profile", action="store_true", help="what the command spends time on")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BUDDYLAB_CACHE"] = str(folder / "cache")
        cache = Cache.default()
        if asked.arms:
            tell_overhead(folder, cache, asked.arms)
        if asked.workers:
            tell_busy(folder, cache, asked.workers, asked.minutes, is_profiled=asked.profile)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-2.0-only
"""bench: measure the times that the README promises, on this machine, and print them."""

import json
import logging
import os
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness.errors import GuestLostError
from harness.forecast.stored import FREE, TEXTS, predict_stage
from harness.host import emulator, source_tree, ssh
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.files import remove_tree
from harness.host.progress import progress
from harness.jobs.bench_compare import (
    SEVERAL_CPUS,
    VERDICT_GOALS_S,
    against_one_cpu,
    arms_an_hour,
    edit_to_verdict,
)
from harness.jobs.figure import Figure, duration, rate, timed
from harness.model.speed import measure
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import boot_files
from harness.stages.build import build
from harness.stages.fetch import fetch
from harness.stages.guest import guest
from harness.stages.patch import patch
from harness.stages.run import HOST_FACTS, run
from harness.values import PREDICTIONS, GuestImage, KernelBuild, KernelSource, RunMode
from harness.workloads.paper import Scale, memory_mib, stages

logger = logging.getLogger("bench")

EDITED_FILE = "mm/page_alloc.c"
BOOT_LIMIT_S = 60.0
MODEL_TIMES = 10  # as fast as the guest
MODEL_PER_SECOND = 200_000


def bench(kernel: str | None, cache: Cache, *, boots: int) -> Iterator[Figure]:
    """Measure everything, yielding each figure as it is known.

    A cache of its own below the given one: nothing built before is lost or helps.
    """
    with cache.building("bench") as scratch:
        private = Cache(scratch / "cache")
        source = source_tree.adopted(fetch(kernel, cache), private)
        built, cold = _cold(source, private)
        yield cold
        image = guest(built, private)
        _, again_s = timed(lambda: _again(kernel, cache, private))
        yield duration("the same again, nothing changed", again_s, goal_s=1)
        changed = edited(source, private, "build")
        _, edit_s = timed(lambda: build(patch(changed, private), private))
        yield duration(f"after an edit of {EDITED_FILE}", edit_s, goal_s=30)
        yield _live_boots(built, image, private, scratch, boots)
        yield _small_run(built, image, private, scratch)
        yield _model_against_guest(scratch / "run")
        yield from _arms(built, image, private, scratch)
        for memory_mib in VERDICT_GOALS_S:
            changed = edited(source, private, f"verdict_{memory_mib}")
            yield edit_to_verdict(changed, private, scratch, memory_mib=memory_mib)
        speed = measure(time.perf_counter)
        yield rate("model: operations", speed.per_second, unit="a second", goal=MODEL_PER_SECOND)


def _arms(built: KernelBuild, image: GuestImage, cache: Cache, scratch: Path) -> Iterator[Figure]:
    one = arms_an_hour(built, image, cache, scratch, cpus=1)
    yield one
    if not emulator.repeats_several_cpus(emulator.find(cache).version):
        logger.warning("nothing is measured with several CPUs: they need QEMU 10 (buddylab doctor)")
        return
    for cpus in SEVERAL_CPUS:
        several = arms_an_hour(built, image, cache, scratch, cpus=cpus)
        yield several
        yield against_one_cpu(one, several, cpus)


def _again(kernel: str | None, cache: Cache, private: Cache) -> GuestImage:
    """Go through all stages before a boot; a source directory is looked through for edits."""
    return guest(build(patch(fetch(kernel, cache), private), private), private)


def _cold(source: KernelSource, cache: Cache) -> tuple[KernelBuild, Figure]:
    # What a compiler cache remembers of other builds would make cold look warm.
    before = os.environ.get("CCACHE_DISABLE")
    os.environ["CCACHE_DISABLE"] = "1"
    try:
        built, cold_s = timed(lambda: build(patch(source, cache), cache))
    finally:
        if before is None:
            del os.environ["CCACHE_DISABLE"]
    what = "kernel and module from unpacked source"
    return built, duration(what, cold_s, goal_s=300, note=built.release)


def edited(source: KernelSource, cache: Cache, name: str) -> KernelSource:
    """Return the source with one line more in the page allocator, another one for each name."""
    content = (source.tree / EDITED_FILE).read_bytes()
    own = {EDITED_FILE: content + f"\nint buddylab_bench_{name};\n".encode()}
    return source_tree.adopted(source, cache, own=own)


def _settings(mode: RunMode, scale: Scale) -> RunSettings:
    return RunSettings(
        mode=mode,
        memory_mib=memory_mib(scale),
        cpus=2 if mode is RunMode.LIVE else 1,
        seed=1,
        scale=scale,
        accelerator=AcceleratorChoice.TCG,
    )


def _live_boots(
    built: KernelBuild, image: GuestImage, cache: Cache, scratch: Path, boots: int
) -> Figure:
    """Boot live guests under TCG until a stage could start over ssh; count those that do not."""
    settings, what = _settings(RunMode.LIVE, Scale.SMALL), boot_files(built, image)
    speed = boot.measured_speed(what, settings, cache)
    times_s, lost = [], 0
    with progress("bench", total=boots, unit="boots") as advance:
        for number in range(1, boots + 1):
            folder = scratch / "boot"
            remove_tree(folder)
            folder.mkdir()
            start_s = time.monotonic()
            try:
                with boot.live_guest(what, settings, speed, folder) as live:
                    deadline = Deadline.after(BOOT_LIMIT_S, "ssh")
                    with ssh.connected(live.address, deadline):
                        times_s.append(time.monotonic() - start_s)
            except GuestLostError as error:
                lost += 1
                logger.warning("boot %d: %s", number, error)
            advance(number, f"{lost} lost")
    spread = f"{min(times_s):.1f} to {max(times_s):.1f} s" if times_s else "none came up"
    return duration(
        "power-on to first stage, live, TCG (median)",
        statistics.median(times_s) if times_s else float("inf"),
        goal_s=3,
        note=f"{boots} boots, {lost} lost, {spread}",
    )


def _small_run(built: KernelBuild, image: GuestImage, cache: Cache, scratch: Path) -> Figure:
    settings = _settings(RunMode.REPEATABLE, Scale.SMALL)
    plan = stages(Scale.SMALL)
    _, run_s = timed(lambda: run(built, image, plan, settings, folder=scratch / "run", cache=cache))
    return duration("--scale small, repeatable", run_s, goal_s=90)


def _model_against_guest(folder: Path) -> Figure:
    """Predict the finished run's stages once more, and compare with what they took to run.

    A stage's time in the guest has its preparation in it, and the model's the reading of the
    guest's texts.
    """
    guest_s = json.loads((folder / HOST_FACTS).read_text())["stage_s"]
    predicted = {stage.name: stage.burst for stage in stages(Scale.SMALL) if stage.burst}
    spent_s = 0.0
    for stage, burst in predicted.items():
        raw = folder / "raw" / stage
        texts = {name: (raw / name).read_bytes() for name in TEXTS}
        free = (folder / PREDICTIONS / f"{stage}.{FREE}").read_bytes()
        _, once_s = timed(partial(predict_stage, stage, burst, texts, free))
        spent_s += once_s
    run_s = sum(guest_s[stage] for stage in predicted)
    return rate(
        f"model: {len(predicted)} stages of it, against the guest",
        run_s / spent_s,
        unit="times",
        goal=MODEL_TIMES,
        note=f"{spent_s:.2f} s, {run_s:.1f} s in the guest",
    )

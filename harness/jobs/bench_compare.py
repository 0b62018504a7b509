# SPDX-License-Identifier: GPL-2.0-only
"""bench of comparisons: arms an hour, and the time from an edit to the verdict."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.plan import PATCHED
from harness.compare.plan_text import parse_plan, with_number
from harness.compare.results import Results
from harness.errors import UserError
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.jobs.compare import Job, compare
from harness.jobs.figure import Figure, duration, rate, timed
from harness.jobs.lab import lab_of
from harness.stages.boot_files import boot_files
from harness.stages.build import build
from harness.stages.guest import guest
from harness.stages.patch import patch
from harness.values import GuestImage, KernelBuild, KernelSource

ARMS_PLAN = "bench.toml"
EDIT_PLAN = "bench_edit.toml"
ARMS_AN_HOUR = 3000
ARM_OF_SEVERAL_CPUS = 1.2  # of the time of an arm with one
SEVERAL_CPUS = (2, 4)
# Guests of so many MiB -> seconds from an edit to the verdict.
VERDICT_GOALS_S: Mapping[int, float] = {1024: 120, 512: 60}
_HOUR_S = 3600


def arms_an_hour(
    kernel: KernelBuild, image: GuestImage, cache: Cache, scratch: Path, *, cpus: int
) -> Figure:
    """Run a small plan whole: boots, preparations, the arms run twice and the report count."""
    job = _job(with_number(_text(ARMS_PLAN), "cpus", cpus), scratch / f"compare-{cpus}-cpus")
    # Boots once to see how fast: once for each kernel.
    lab_of(boot_files(kernel, image), job.plan, cache)
    results, seconds = timed(lambda: _compared(job, kernel, image, cache))
    return arms_rate(results, seconds, job.jobs)


def against_one_cpu(one: Figure, several: Figure, cpus: int) -> Figure:
    """Tell how much longer an arm takes with several CPUs, from the rates of both."""
    return Figure(
        what=f"an arm with {cpus} CPUs, against one",
        value=one.value / several.value,
        unit="times",
        goal=ARM_OF_SEVERAL_CPUS,
        goal_is_most=True,
        note=several.note,
    )


def edit_to_verdict(
    edited: KernelSource, cache: Cache, scratch: Path, *, memory_mib: int
) -> Figure:
    """Build an edited source that was not built before, compare its arms, write the report."""
    text = with_memory(_text(EDIT_PLAN), memory_mib)
    job = _job(text, scratch / f"compare-{memory_mib}")

    def verdict() -> Results:
        kernel = build(patch(edited, cache), cache)
        return _compared(job, kernel, guest(kernel, cache), cache)

    results, seconds = timed(verdict)
    return duration(
        f"edit to verdict, guests of {memory_mib} MiB",
        seconds,
        goal_s=VERDICT_GOALS_S[memory_mib],
        note=_counted(results, job.jobs),
    )


def with_memory(text: str, memory_mib: int) -> str:
    """Return a plan's text with guests of another size; UserError if it names none or several."""
    changed, count = re.subn(r"(?m)^memory_mib = \d+$", f"memory_mib = {memory_mib}", text)
    if count != 1:
        raise UserError(f"a plan has {count} lines `memory_mib = N`; it needs one: correct it")
    return changed


def _text(name: str) -> str:
    return (asset("vm") / "plans" / name).read_text()


def _job(text: str, folder: Path) -> Job:
    plan = parse_plan(text, "the plan of bench")
    return Job(plan=plan, text=text, folder=folder, jobs=os.cpu_count() or 1)


def _compared(job: Job, kernel: KernelBuild, image: GuestImage, cache: Cache) -> Results:
    return compare(job, {PATCHED: (kernel, image)}, cache)


def arms_rate(results: Results, seconds: float, jobs: int) -> Figure:
    """Make the figure of a comparison that took so long with `jobs` guests at a time."""
    return rate(
        f"compare: arms, {results.plan.guests}",
        len(results.arms) * _HOUR_S / seconds,
        unit="an hour",
        goal=ARMS_AN_HOUR,
        note=f"{_counted(results, jobs)}, {seconds:.0f} s",
    )


def _counted(results: Results, jobs: int) -> str:
    boots = len(plans.groups(results.plan))
    return f"{len(results.arms)} arms, {boots} boots, {jobs} at a time"

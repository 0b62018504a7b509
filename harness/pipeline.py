# SPDX-License-Identifier: GPL-2.0-only
"""The stages in order, and nothing else.

fetch -> patch -> build -> guest -> run -> check -> report
"""

import datetime as dt
import itertools
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compare.plan import CONFIGURED_OUT, DISCARDED, UNPATCHED, Plan, Variant, read_plan
from harness.compare.report import report_markdown, report_text
from harness.compare.state_lines import broken_promises
from harness.errors import Exit
from harness.host import emulator
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.host.console import require_terminal
from harness.host.disk import disk_full_told
from harness.host.folder import claimed, require_free
from harness.host.progress import progress
from harness.jobs.bench import bench
from harness.jobs.compare import Job, compare, lab_of
from harness.jobs.comparison import saved, write
from harness.jobs.cost import Cost, cost
from harness.jobs.mutants import mutants
from harness.jobs.predict import predictions
from harness.jobs.replay import PLACES, find, replay
from harness.jobs.review import review, table
from harness.jobs.shell import shell
from harness.report.difference import differences
from harness.report.document import Verdict
from harness.report.terminal import terminal_summary
from harness.stages.boot import RunSettings
from harness.stages.build import build
from harness.stages.check import check, read, save_key
from harness.stages.fetch import fetch, name_of
from harness.stages.guest import guest
from harness.stages.patch import discarded_design, patch
from harness.stages.report import report
from harness.stages.run import run
from harness.texts.proc.sysctl import PolicyMode
from harness.values import Counters, GuestImage, KernelBuild, RunMode
from harness.workloads.paper import Scale, memory_mib, stages

logger = logging.getLogger("buddylab")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRequest:
    """Which kernel: a source and how much of the series."""

    kernel: str | None = None
    upto: str | None = None
    counters: Counters = Counters.PERCPU
    discarded: str | None = None  # a design of patches/discarded, on top of the series


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRequest:
    """What the guest is given; None leaves it to the scale."""

    accelerator: AcceleratorChoice = AcceleratorChoice.AUTO
    cpus: int = 2
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The main job as the user asks for it."""

    kernel: KernelRequest
    guest: GuestRequest
    scale: str
    mode: RunMode
    seed: int = 1
    policy: PolicyMode | None = None  # None: the kernel's default
    cross_checks: bool = True
    page_owner: bool = False
    folder: Path | None = None


def open_cache() -> Cache:
    """Open the cache and clear away what killed runs left."""
    cache = Cache.default()
    cache.sweep()
    return cache


def upto_stage(stage: str, request: KernelRequest) -> Path:
    """Run the stages up to `stage` and return where its result lies."""
    cache = open_cache()
    source = fetch(request.kernel, cache)
    if stage == "fetch":
        return source.tree
    tree = patch(source, cache, upto=request.upto)
    if stage == "patch":
        return tree.tree
    kernel = build(tree, cache, counters=request.counters)
    return kernel.directory if stage == "build" else guest(kernel, cache).path


def run_experiments(request: RunRequest) -> int:
    """Do the main job and return the exit code of its verdict."""
    # Minutes of building are not spent on a run that cannot begin.
    if request.folder is not None:
        require_free(request.folder)
    cache = open_cache()
    emulator.find(cache)
    kernel, image = _bootable(request.kernel, cache)
    settings = _settings(request)
    plan = stages(Scale(request.scale))
    new = f"{request.scale}-{request.mode}"
    with claimed(request.folder or _new_folder(new)) as folder:
        logger.info("run folder: %s", folder)
        with progress("run", total=len(plan), unit="stages") as advance:
            key = run(
                kernel,
                image,
                plan,
                settings,
                folder=folder,
                cache=cache,
                progress=lambda name, number, _count: advance(number - 1, name),
            )
        save_key(folder, key)
        return judge_folder(folder, write=True)


def judge_folder(folder: Path, *, write: bool) -> int:
    """Judge a run folder, write its reports if asked to, and print the summary."""
    judged = check(folder, strict=not write)
    if write:
        with disk_full_told(folder, "copy the run folder to another disk"):
            report(judged, folder)
    print(terminal_summary(judged))  # noqa: T201 - the command's answer
    return Exit.OK if judged.verdict is Verdict.ALL_HOLD else Exit.CHECK_FAILED


def compare_counters(one: Path, other: Path) -> int:
    """Print by how much the counters of two saved runs differ."""
    for line in differences(read(one), read(other)):
        print(line)  # noqa: T201 - the command's answer
    return Exit.OK


def open_shell(kernel_request: KernelRequest, guest_request: GuestRequest) -> int:
    """Open a live guest for a person."""
    require_terminal()
    cache = open_cache()
    emulator.find(cache)
    kernel, image = _bootable(kernel_request, cache)
    request = RunRequest(
        kernel=kernel_request, guest=guest_request, scale=Scale.SMALL, mode=RunMode.LIVE
    )
    shell(kernel, image, _settings(request), cache)
    return Exit.OK


def measure(request: KernelRequest, *, boots: int) -> int:
    """Print the promised times and rates as this machine has them."""
    cache = open_cache()
    emulator.find(cache)
    missed = 0
    for figure in bench(request.kernel, cache, boots=boots):
        print(figure, flush=True)  # noqa: T201 - the command's answer
        missed += not figure.met
    return Exit.CHECK_FAILED if missed else Exit.OK


def measure_cost(request: KernelRequest) -> int:
    """Print what the counters cost, by variant."""
    cache = open_cache()
    emulator.find(cache)
    missed = 0
    for line in cost(request.kernel, cache):
        print(line, flush=True)  # noqa: T201 - the command's answer
        missed += isinstance(line, Cost) and not line.met
    return Exit.CHECK_FAILED if missed else Exit.OK


def predict_bursts(request: KernelRequest, *, seeds: int, memories_mib: tuple[int, ...]) -> int:
    """Print how the predictions of each seed and size of memory fared."""
    cache = open_cache()
    emulator.find(cache)
    kernel, image = _bootable(request, cache)
    missed = exact = ranged = 0
    with claimed(_new_folder("predict")) as folder:
        logger.info("run folders: %s", folder)
        for forecasts in predictions(
            kernel, image, cache, seeds=seeds, memories_mib=memories_mib, folder=folder
        ):
            print(forecasts, flush=True)  # noqa: T201 - the command's answer
            missed += len(forecasts.misses)
            exact += forecasts.exact
            ranged += forecasts.ranged
    print(f"{exact} exact, {ranged} in range, {missed} missed")  # noqa: T201
    return Exit.CHECK_FAILED if missed else Exit.OK


def try_mutants(request: KernelRequest, *, directory: Path, only: tuple[str, ...]) -> int:
    """Try wrong versions of the series and print which check caught each."""
    cache = open_cache()
    emulator.find(cache)
    source = fetch(request.kernel, cache)
    trials = []
    for trial in mutants(source, cache, directory=directory, counters=request.counters, only=only):
        print(trial, flush=True)  # noqa: T201 - the command's answer
        trials.append(trial)
    caught = sum(trial.held for trial in trials if trial.expected)
    wrong = len([trial for trial in trials if trial.expected])
    print(f"{caught} of {wrong} mutants caught by the check that names the cause")  # noqa: T201
    return Exit.OK if all(trial.held for trial in trials) else Exit.CHECK_FAILED


def compare_arms(
    request: KernelRequest, *, plan_path: Path, folder: Path | None, jobs: int | None
) -> int:
    """Run a plan's arms, or what is missing of them, and print the report."""
    plan = read_plan(plan_path)
    cache = open_cache()
    emulator.find(cache)
    variants = dict.fromkeys(arm.kernel for arm in plan.arms)
    job = Job(
        plan=plan,
        text=plan_path.read_text(),
        folder=folder or _comparison_folder(plan),
        jobs=jobs or os.cpu_count() or 1,
    )
    kernels = {variant: _bootable(_varied(request, variant), cache) for variant in variants}
    logger.info("results folder: %s", job.folder)
    print(report_text(compare(job, kernels, cache)))  # noqa: T201 - the command's answer
    return Exit.OK


def report_comparison(*, plan_path: Path, folder: Path | None) -> int:
    """Write and print the report of arms that have run, by the plan's present claims."""
    plan = read_plan(plan_path)
    place = folder or _comparison_folder(plan)
    results = saved(place, plan)
    write(place, results, report_markdown(results))
    print(report_text(results))  # noqa: T201 - the command's answer
    broken = broken_promises(results)
    for error in broken:
        logger.error("%s", error)
    return Exit.STAGE if broken else Exit.OK


def _comparison_folder(plan: Plan) -> Path:
    return Path("runs") / f"compare-{plan.name}"


def replay_arm(key: str, *, kernel: str | None, places: tuple[Path, ...]) -> int:
    """Run one arm of a saved comparison again and tell whether its bytes are the same."""
    arm = find(key, places or PLACES)
    cache = open_cache()
    emulator.find(cache)
    # A kernel from a directory has no name: the default may be the same, and is compared.
    named = kernel or name_of(arm.kernel.origin)
    request = _varied(KernelRequest(kernel=named, counters=arm.kernel.counters), arm.run.arm.kernel)
    answer = replay(arm, lab_of(_bootable(request, cache), arm.plan, cache), cache)
    print(answer)  # noqa: T201 - the command's answer
    return Exit.CHECK_FAILED if answer.difference else Exit.OK


def _varied(request: KernelRequest, variant: Variant) -> KernelRequest:
    """Turn the kernel asked for into the variant that an arm runs on."""
    if variant == UNPATCHED:
        return replace(request, upto="0")
    if variant == CONFIGURED_OUT:
        return replace(request, counters=Counters.NONE)
    if variant.startswith(DISCARDED):
        return replace(request, discarded=variant.removeprefix(DISCARDED))
    return request


def review_series(request: KernelRequest, *, only: tuple[str, ...], boots: bool) -> int:
    """Put the series through the gates of a review and print what they found."""
    cache = open_cache()
    outcomes = review(fetch(request.kernel, cache), cache, only=only, boots=boots)
    print(table(outcomes), end="")  # noqa: T201 - the command's answer
    return Exit.OK if all(outcome.held for outcome in outcomes) else Exit.CHECK_FAILED


def _settings(request: RunRequest) -> RunSettings:
    return RunSettings(
        mode=request.mode,
        memory_mib=request.guest.memory_mib or memory_mib(Scale(request.scale)),
        cpus=request.guest.cpus,
        seed=request.seed,
        scale=request.scale,
        accelerator=request.guest.accelerator,
        cross_checks=request.cross_checks,
        page_owner=request.page_owner,
        policy=request.policy,
    )


def _new_folder(what: str) -> Path:
    """Make a folder for the run; two runs at once never share one."""
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H%M%S")
    for number in itertools.count(1):
        folder = Path("runs") / f"{now}-{what}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError


def _bootable(request: KernelRequest, cache: Cache) -> tuple[KernelBuild, GuestImage]:
    source = fetch(request.kernel, cache)
    extra = () if request.discarded is None else (discarded_design(source, request.discarded),)
    tree = patch(source, cache, upto=request.upto, extra=extra)
    kernel = build(tree, cache, counters=request.counters)
    return kernel, guest(kernel, cache)

# SPDX-License-Identifier: GPL-2.0-only
"""compare: run every arm of a plan from the same memory, keep each as it ends, and tell."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.outcome import read_outcome
from harness.compare.page import comparison_page
from harness.compare.plan import ArmRun, Group, Plan, Variant
from harness.compare.results import (
    ArmResult,
    KernelFacts,
    KernelsFile,
    Results,
    first_difference,
    packed,
    short,
)
from harness.compare.state_invariants import StateResult, broken_invariant, state_result
from harness.digest import sha256_text
from harness.encoding import encode
from harness.errors import GuestLostError, HarnessError, RecordError, StageError
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.host.disk import disk_full_told
from harness.host.files import atomic_write, remove_tree
from harness.host.progress import Advance, progress
from harness.host.templates import render
from harness.jobs.arm import Lab, Prepared, prepared, run_arm, spec_of
from harness.jobs.comparison import (
    claim,
    gathered,
    keep_state,
    kept_state,
    raw_path,
    result_path,
    write,
)
from harness.record import schema
from harness.record.key import ReplayKey, plan_lines
from harness.report.page import MARKDOWN
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles, boot_files
from harness.stages.key import provenance, replay_key
from harness.values import GuestImage, KernelBuild, RunMode

logger = logging.getLogger("compare")

Kernels = Mapping[Variant, tuple[KernelBuild, GuestImage]]


# What ends one arm or one boot, and not the others.
_TOLD = (GuestLostError, RecordError, StageError)


class _StoppedError(Exception):
    """The comparison ends; raised in its threads only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A comparison and where its results go."""

    plan: Plan
    text: str  # the plan's file
    folder: Path
    jobs: int  # guests at a time


@dataclass(slots=True)
class _Watch:
    """Counts finished arms and failures, from several threads, and predicts the end."""

    total: int
    advance: Advance
    done: int = 0
    ran: int = 0
    failures: list[HarnessError] = field(default_factory=list)
    started_s: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self, title: str, error: HarnessError) -> None:
        """Note and tell a failure."""
        message = str(error)
        logger.error("%s", message if message.startswith(title) else f"{title}: {message}")
        self.failures.append(error)

    def found(self, count: int) -> None:
        """Note arms that an earlier run has finished."""
        with self._lock:
            self.done += count

    def finished(self, title: str) -> None:
        """Note one arm."""
        with self._lock:
            self.done += 1
            self.ran += 1
            each_s = (time.monotonic() - self.started_s) / self.ran
            left_s = each_s * (self.total - self.done)
            self.advance(
                self.done, f"{title}; {each_s:.1f} s each, about {left_s / 60:.0f} min left"
            )


def lab_of(
    what: BootFiles,
    plan: Plan,
    cache: Cache,
    check_stop: Callable[[], None] = lambda: None,
) -> Lab:
    """Make ready to boot a kernel; the seed is set for each group."""
    settings = RunSettings(
        mode=RunMode.REPEATABLE,
        memory_mib=plan.memory_mib,
        cpus=1,
        seed=plan.seeds[0],
        scale=plan.name,
        icount_shift=plan.icount_shift,
        accelerator=AcceleratorChoice.TCG,
    )
    speed = boot.measured_speed(what, settings, cache)
    return Lab(what=what, settings=settings, speed=speed, check_stop=check_stop)


def seeded(lab: Lab, seed: int) -> Lab:
    """Give a lab the seed of one boot."""
    return replace(lab, settings=replace(lab.settings, seed=seed))


def base_key(lab: Lab, plan: Plan, group: Group) -> ReplayKey:
    """Name all that the bytes of a group's arms depend on, but for the arm itself."""
    nowhere = Path("NOWHERE")
    state = plans.state_stage(plan, group)
    spec = spec_of(lab, nowhere, nowhere)
    return replay_key(lab.what, (state,), spec)


def arm_key(base: ReplayKey, plan: Plan, run: ArmRun) -> str:
    """Return the digest of an arm's key."""
    (line,) = plan_lines((plans.arm_stage(plan, run),))
    return replace(base, arm=line).digest


def first_group(plan: Plan, variant: Variant) -> Group:
    """Name the boot whose key stands for all of a kernel's in kernels.json."""
    return Group(variant=variant, state=plan.states[0], seed=plan.seeds[0])


def compare(job: Job, kernels: Kernels, cache: Cache) -> Results:
    """Run what is not there yet and write the tables; the first failure is raised at the end."""
    boot.require_memory(job.plan.memory_mib * job.jobs)
    stop = threading.Event()

    def check_stop() -> None:
        if stop.is_set():
            raise _StoppedError

    labs = {
        variant: lab_of(boot_files(*kernel), job.plan, cache, check_stop)
        for variant, kernel in kernels.items()
    }
    with (
        cache.locked(f"compare-{sha256_text(str(job.folder.absolute()))[:16]}"),
        disk_full_told(job.folder, "name a folder elsewhere with --output"),
    ):
        facts = _kernel_facts(labs, kernels, job.plan)
        facts = claim(job.folder, job.plan, job.text, facts)
        failures = _run_all(job, labs, cache, stop)
        results = gathered(job.folder, job.plan, facts)
        write(job.folder, results, render(MARKDOWN, page=comparison_page(results)))
    if failures:
        logger.error(
            "%d failures; what was complete is kept in %s, the same command goes on",
            len(failures),
            job.folder,
        )
        raise failures[0]
    return results


def _kernel_facts(labs: Mapping[Variant, Lab], kernels: Kernels, plan: Plan) -> KernelsFile:
    return KernelsFile(
        schema=schema.COMPARISON.number,
        key_schema=schema.KEY.number,
        kernels=tuple(
            KernelFacts(
                variant=variant,
                key=base_key(lab, plan, first_group(plan, variant)),
                provenance=provenance(*kernels[variant]),
            )
            for variant, lab in labs.items()
        ),
    )


def _run_all(
    job: Job, labs: Mapping[Variant, Lab], cache: Cache, stop: threading.Event
) -> list[HarnessError]:
    groups = plans.groups(job.plan)
    total = sum(len(plans.runs(job.plan, group)) for group in groups)
    with progress("compare", total=total, unit="arms") as advance:
        watch = _Watch(total=total, advance=advance)

        def one(group: Group) -> None:
            try:
                lab = seeded(labs[group.variant], group.seed)
                _run_group(job, lab, group, cache, watch)
            except _TOLD as error:
                watch.told(group.title, error)

        with ThreadPoolExecutor(max_workers=job.jobs, thread_name_prefix="compare") as pool:
            futures: list[Future[None]] = [pool.submit(one, group) for group in groups]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            finally:
                # However this ends: no thread begins another guest, and all guests are ended.
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
    return watch.failures


def _run_group(
    job: Job,
    lab: Lab,
    group: Group,
    cache: Cache,
    watch: _Watch,
) -> None:
    runs = plans.runs(job.plan, group)
    missing = [run for run in runs if not result_path(job.folder, run).exists()]
    watch.found(len(runs) - len(missing))
    if not missing:
        _tell_broken(group, kept_state(job.folder, group), watch)
        return
    lab.check_stop()
    base = base_key(lab, job.plan, group)
    name = f"compare-{sha256_text(str(job.folder), group.title)[:12]}"
    with (
        cache.building(name) as scratch,
        prepared(lab, plans.state_stage(job.plan, group), scratch) as ready,
    ):
        state = state_result(group, ready.files)
        keep_state(job.folder, group, state, ready.files)
        _tell_broken(group, state, watch)
        for number, run in enumerate(missing):
            folder = scratch / f"arm-{number}"
            try:
                files = run_arm(ready, plans.arm_stage(job.plan, run), folder)
                if number == 0 and group.seed == job.plan.seeds[0]:
                    _require_same_twice(job.plan, run, ready, scratch, files)
                _keep(job, run, arm_key(base, job.plan, run), files)
            except _TOLD as error:
                # The other arms have their own memory and their own answer.
                watch.told(run.path, error)
            remove_tree(folder)
            watch.finished(f"{group.title}, {run.burst.name} {run.arm.name}")


def _tell_broken(group: Group, state: StateResult | None, watch: _Watch) -> None:
    """Tell a broken invariant as a failure; the arms go on, what they say is marked."""
    error = broken_invariant(state) if state else None
    if error:
        watch.told(group.title, error)


def _require_same_twice(
    plan: Plan, run: ArmRun, ready: Prepared, scratch: Path, files: Mapping[str, bytes]
) -> None:
    """Run the first arm of each state once more: what is not repeatable is no evidence."""
    again = run_arm(ready, plans.arm_stage(plan, run), scratch / "again")
    difference = first_difference(files, again)
    if difference:
        raise RecordError(
            f"{run.path}: the same arm differs when run twice ({difference}); "
            "nothing of this host may reach the guest, see docs/guest.md"
        )


def _keep(job: Job, run: ArmRun, key: str, files: Mapping[str, bytes]) -> None:
    result = arm_result(job.plan, run, key, files)
    atomic_write(raw_path(job.folder, run), packed(files))
    atomic_write(result_path(job.folder, run), encode(result))
    logger.debug("%s: %d blocks, key %s", run.path, result.outcome.blocks, short(key))


def arm_result(plan: Plan, run: ArmRun, key: str, files: Mapping[str, bytes]) -> ArmResult:
    """Read what an arm's guest sent; RecordError names the arm."""
    try:
        stage, outcome = read_outcome(files, icount_shift=plan.icount_shift)
    except RecordError as error:
        raise RecordError(f"{run.path}: {error}") from error
    return ArmResult(
        state=run.group.state.name,
        burst=run.burst.name,
        seed=run.group.seed,
        arm=run.arm.name,
        key=key,
        digest=stage.digest,
        outcome=outcome,
    )

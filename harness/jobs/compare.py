# SPDX-License-Identifier: GPL-2.0-only
"""compare: run every arm of a plan from the same memory, keep each as it ends, and tell."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.arm_invariants import arms_beyond_bound
from harness.compare.outcome import read_outcome
from harness.compare.plan import ArmRun, Group, Plan, Variant
from harness.compare.results import (
    ArmResult,
    KernelFacts,
    KernelsFile,
    Results,
    packed,
    short,
)
from harness.compare.state_invariants import StateResult, broken_invariant, state_result
from harness.encoding import encode
from harness.errors import HarnessError, RecordError
from harness.host import columns
from harness.host.cache import Cache
from harness.host.disk import disk_full_told
from harness.host.files import atomic_write
from harness.host.progress import Advance, progress
from harness.jobs.arm import Lab
from harness.jobs.arm_columns import ArmColumns
from harness.jobs.arm_store import ArmStore
from harness.jobs.comparison import (
    claim,
    failed_path,
    gathered,
    keep_state,
    kept_state,
    lock_name,
    raw_path,
    result_path,
    write,
)
from harness.jobs.evidence import forget, keep
from harness.jobs.group import (
    TOLD,
    ArmTexts,
    Boot,
    Failure,
    GroupWork,
    Produced,
    StateTexts,
)
from harness.jobs.guests import QEMU, Guests
from harness.jobs.lab import arm_key, base_key, first_group, lab_of, seeded
from harness.jobs.runner import LocalRunner, Runner, Task
from harness.jobs.workers_file import keep_workers
from harness.record import schema
from harness.record.key import ReplayKey
from harness.stages.boot_files import boot_files
from harness.stages.key import provenance
from harness.values import GuestImage, KernelBuild

logger = logging.getLogger("compare")

Kernels = Mapping[Variant, tuple[KernelBuild, GuestImage]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A comparison and where its results go."""

    plan: Plan
    text: str  # the plan's file
    folder: Path
    jobs: int  # guests at a time
    store: ArmStore | None = None  # what was run before for whatever comparison; None: run all


@dataclass(slots=True)
class _Watch:
    """Counts finished arms and failures, from several threads."""

    advance: Advance = lambda _done, _now: None
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
            self.advance(self.done, f"{title}; {each_s:.1f} s each")


def compare(
    job: Job,
    kernels: Kernels,
    cache: Cache,
    guests: Guests = QEMU,
    runner: Runner | None = None,
) -> Results:
    """Run what is not there yet and write the tables; the first failure is raised at the end.

    On this machine, `job.jobs` guests at a time, or where `runner` runs them.
    """
    runner = runner or LocalRunner(job.jobs)
    runner.require_room(job.plan.most_mib)
    labs = {
        variant: lab_of(boot_files(*kernel), job.plan, cache, guests=guests)
        for variant, kernel in kernels.items()
    }
    with (
        cache.locked(lock_name(job.folder)),
        disk_full_told(job.folder, "name a folder elsewhere with --output"),
    ):
        facts = _kernel_facts(labs, kernels, job.plan)
        facts = claim(job.folder, job.plan, job.text, facts)
        by_column = None
        if not isinstance(runner, LocalRunner) and columns.is_there():
            by_column = ArmColumns(job.folder)
        try:
            failures = _run_all(job, labs, cache, guests, runner=runner, by_column=by_column)
        finally:
            if by_column is not None:
                by_column.close()
        results = gathered(job.folder, job.plan, facts)
        write(job.folder, results)
    for error in arms_beyond_bound(results):
        logger.error("%s", error)
        failures.append(error)
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
    job: Job,
    labs: Mapping[Variant, Lab],
    cache: Cache,
    guests: Guests,
    *,
    runner: Runner,
    by_column: ArmColumns | None,
) -> list[HarnessError]:
    groups = plans.groups(job.plan)
    total = sum(len(plans.runs(job.plan, group)) for group in groups)
    watch = _Watch()

    def lab_for(group: Group) -> Lab:
        return seeded(labs[group.variant], group.seed)

    missing = (_missing(job, lab_for(group), group, watch) for group in groups)
    boots = {boot.group.title: boot for boot in missing if boot}
    tasks = [
        Task(
            title=title,
            what=labs[boot.group.variant].what,
            memory_mib=job.plan.most_mib,
            work=GroupWork(boot=boot, guests=guests),
        )
        for title, boot in boots.items()
    ]
    with progress("compare", total=total, unit="arms", already=watch.done) as advance:
        watch.advance = advance

        def take(task: Task, produced: Produced) -> bool:
            try:
                result = _take(job, boots[task.title], produced, watch)
            except TOLD as error:
                # Not the memory it was before, or texts that cannot be read: no arm is worth it.
                watch.told(task.title, error)
                return False
            if result is not None and by_column is not None:
                by_column.add(result)
            return True

        for error in runner.run(tasks, cache, take, partial(keep_workers, job.folder)):
            watch.told("", error)
    return watch.failures


def _missing(job: Job, lab: Lab, group: Group, watch: _Watch) -> Boot | None:
    """Return the boot with the arms that are not there yet; None where all are."""
    runs = plans.runs(job.plan, group)
    missing = tuple(run for run in runs if not result_path(job.folder, run).exists())
    base = base_key(lab, job.plan, group)
    if missing and job.store is not None and _recalled_state(job, job.store, group, base):
        missing = tuple(run for run in missing if not _recalled_arm(job, job.store, run, base))
    watch.found(len(runs) - len(missing))
    if not missing:
        _tell_broken(group, kept_state(job.folder, group), watch)
        return None
    return Boot(
        plan=job.plan,
        group=group,
        base=base,
        runs=missing,
        proves=group.seed == job.plan.seeds[0],
    )


def _recalled_state(job: Job, store: ArmStore, group: Group, base: ReplayKey) -> bool:
    """Take a boot's state out of the store; return whether it is there."""
    files = store.state(base.digest)
    if files is None:
        return False
    keep_state(job.folder, group, state_result(group, files), files)
    return True


def _recalled_arm(job: Job, store: ArmStore, run: ArmRun, base: ReplayKey) -> bool:
    key = arm_key(base, job.plan, run)
    files = store.arm(key)
    if files is None:
        return False
    _keep(job, run, key, files)
    return True


def _take(job: Job, boot: Boot, produced: Produced, watch: _Watch) -> ArmResult | None:
    """Keep what a boot produced, or tell why it did not; return an arm."""
    group, result = boot.group, None
    match produced:
        case StateTexts(files=files):
            forget(failed_path(job.folder, group, None))
            state = state_result(group, files)
            keep_state(job.folder, group, state, files)
            if job.store is not None:
                job.store.keep_state(boot.base.digest, files)
            _tell_broken(group, state, watch)
        case ArmTexts(run=run, files=files):
            forget(failed_path(job.folder, group, run))
            key = arm_key(boot.base, job.plan, run)
            try:
                result = _keep(job, run, key, files)
                if job.store is not None:
                    job.store.keep_arm(key, files)
            except TOLD as error:
                watch.told(run.path, error)
            watch.finished(f"{group.title}, {run.burst.name} {run.arm.name}")
        case Failure(run=run, error=error, evidence=evidence):
            keep(evidence, failed_path(job.folder, group, run), error)
            watch.told(run.path if run else group.title, error)
            if run:
                watch.finished(f"{group.title}, {run.burst.name} {run.arm.name}")
    return result


def _tell_broken(group: Group, state: StateResult | None, watch: _Watch) -> None:
    """Tell a broken invariant as a failure; the arms go on, what they say is marked."""
    error = broken_invariant(state) if state else None
    if error:
        watch.told(group.title, error)


def _keep(job: Job, run: ArmRun, key: str, files: Mapping[str, bytes]) -> ArmResult:
    result = arm_result(job.plan, run, key, files)
    atomic_write(raw_path(job.folder, run), packed(files))
    atomic_write(result_path(job.folder, run), encode(result))
    logger.debug("%s: %d blocks, key %s", run.path, result.outcome.blocks, short(key))
    return result


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

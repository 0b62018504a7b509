# SPDX-License-Identifier: GPL-2.0-only
"""Run a plan in a guest and bring home what it recorded, complete or not at all."""

import contextlib
import datetime as dt
import io
import logging
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.encoding import encode
from harness.errors import GuestLostError, StageError
from harness.host import qemu, ssh, status_channel
from harness.host.accelerator import Speed
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.files import atomic_write
from harness.host.freeze import FreezePipe
from harness.host.results import check_complete, unpack
from harness.host.scratch import temporary
from harness.record.key import Provenance, ReplayKey, RunIdentity, plan_lines, run_identity
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles, boot_files, require_unaltered
from harness.stages.forecast import Oracle, predictable
from harness.stages.key import provenance, replay_key
from harness.texts.build.rules import Rule, rules_in
from harness.values import (
    CONSOLE_LOG,
    RAW,
    GuestImage,
    KernelBuild,
    RunMode,
    StagePlan,
)

logger = logging.getLogger("run")

Progress = Callable[[str, int, int], None]

HOST_FACTS = "host.json"

# The guest ends an overdue command itself; the host only backs it, for a guest that cannot.
_BACKSTOP_FACTOR = 2.0
_COLLECT_S = 120.0
_CONNECT_LIMIT_S = 30.0
# Beside each other in a directory that is gone after the run.
_PLAN, _FREEZE = "plan", "freeze"


@dataclass(slots=True)
class HostFacts:
    """What varies from run to run; never part of run.json."""

    started_at: str
    accelerator_why: str
    boot_s: float
    slowdown: float
    ready_s: float = 0.0
    total_s: float = 0.0
    stage_s: dict[str, float] = field(default_factory=dict)
    stage_limit_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What is known of a kernel and its initramfs, wherever they are run."""

    provides: tuple[str, ...]  # what the kernel can do
    provenance: Provenance


def made(build: KernelBuild, image: GuestImage) -> Made:
    """Return what is known of what the stages before have made."""
    return Made(provides=build.provides, provenance=provenance(build, image))


def run(
    build: KernelBuild,
    image: GuestImage,
    plan: tuple[StagePlan, ...],
    settings: RunSettings,
    *,
    folder: Path,
    cache: Cache,
    progress: Progress = lambda _name, _index, _count: None,
) -> RunIdentity:
    """Boot, run all stages, and leave folder/raw/<stage>/ complete and checked."""
    what, known = boot_files(build, image), made(build, image)
    return run_made(what, known, plan, settings, folder=folder, cache=cache, progress=progress)


def run_made(
    what: BootFiles,
    known: Made,
    plan: tuple[StagePlan, ...],
    settings: RunSettings,
    *,
    folder: Path,
    cache: Cache,
    progress: Progress = lambda _name, _index, _count: None,
    check_stop: Callable[[], None] = lambda: None,
) -> RunIdentity:
    """Do as `run` does with two files that may have been made on another host.

    `check_stop` is asked all the time; what it raises ends the guest.
    """
    rules = rules_in(known.provides)
    plan = predictable(plan, settings, rules)
    key = run_guest(
        what,
        plan,
        settings,
        folder=folder,
        cache=cache,
        progress=progress,
        rules=rules,
        check_stop=check_stop,
    )
    return run_identity(key, known.provenance, plan, scale=settings.scale)


def run_guest(
    what: BootFiles,
    plan: tuple[StagePlan, ...],
    settings: RunSettings,
    *,
    folder: Path,
    cache: Cache,
    progress: Progress = lambda _name, _index, _count: None,
    rules: frozenset[Rule] = frozenset(),
    check_stop: Callable[[], None] = lambda: None,
) -> ReplayKey:
    """Run all stages in a guest of two files, wherever they came from; return what executed.

    Bursts are predicted by the kernel's `rules`.
    """
    text = plan_text(plan)
    require_unaltered(what)
    folder.mkdir(parents=True, exist_ok=True)
    speed = boot.measured_speed(what, settings, cache)
    facts = HostFacts(
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        accelerator_why=speed.why,
        boot_s=speed.boot_s,
        slowdown=speed.slowdown,
        stage_limit_s={stage.name: _limit_s(stage, speed) for stage in plan},
    )
    # From the start, for who watches: how many stages there are.
    atomic_write(folder / HOST_FACTS, encode(facts))
    clock = _Clock(plan, facts, progress)
    job = _Job(what, plan, settings, folder, speed, facts, clock, rules, check_stop)
    try:
        is_repeatable = settings.mode is RunMode.REPEATABLE
        spec = _run_repeatable(job, text) if is_repeatable else _run_live(job)
    finally:
        facts.total_s = job.clock.elapsed_s
        atomic_write(folder / HOST_FACTS, encode(facts))
        _remove_if_empty(folder / boot.QEMU_LOG)
    return replay_key(what, plan, spec)


def run_key(
    what: BootFiles, plan: tuple[StagePlan, ...], settings: RunSettings, speed: Speed
) -> ReplayKey:
    """Return the key that a repeatable run would have."""
    nowhere = Path("NOWHERE")
    return replay_key(what, plan, _repeatable_spec(what, settings, speed, nowhere, nowhere))


def plan_text(plan: Sequence[StagePlan]) -> str:
    """Write the plan as the guest reads it."""
    return "".join(f"{line}\n" for line in plan_lines(plan))


@dataclass(frozen=True, slots=True)
class _Job:
    what: BootFiles
    plan: tuple[StagePlan, ...]
    settings: RunSettings
    folder: Path
    speed: Speed
    facts: HostFacts
    clock: "_Clock"
    rules: frozenset[Rule]
    check_stop: Callable[[], None]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.plan)


class _Clock:
    """Notes how long each stage takes on the host and tells who watches."""

    def __init__(self, plan: Sequence[StagePlan], facts: HostFacts, progress: Progress) -> None:
        self._names = [stage.name for stage in plan]
        self._facts = facts
        self._progress = progress
        self._start_s = self._stage_start_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return round(time.monotonic() - self._start_s, 3)

    def note(self, event: status_channel.Event) -> None:
        match event:
            case status_channel.Ready():
                self._facts.ready_s = self.elapsed_s
            case status_channel.StageBegin(name):
                self._stage_start_s = time.monotonic()
                self._progress(name, self._names.index(name) + 1, len(self._names))
            case status_channel.StageEnd(name, status):
                self._facts.stage_s[name] = round(time.monotonic() - self._stage_start_s, 3)
                if status != 0:
                    logger.warning("stage %s: its command ended with exit %d", name, status)
            case _:
                pass

    def restart(self) -> None:
        self._start_s = time.monotonic()


def _limit_s(stage: StagePlan, speed: Speed) -> float:
    return round((stage.deadline_s * _BACKSTOP_FACTOR + _COLLECT_S) * speed.slowdown, 1)


def _repeatable_spec(
    what: BootFiles, settings: RunSettings, speed: Speed, folder: Path, private: Path
) -> qemu.GuestSpec:
    spec = boot.spec_of(what, settings, speed, folder)
    ports = replace(spec.ports, freeze=private / _FREEZE)
    return replace(spec, plan=private / _PLAN, ports=ports)


def _run_repeatable(job: _Job, plan: str) -> qemu.GuestSpec:
    boot.require_memory(job.settings.memory_mib)
    whole_s = sum(job.facts.stage_limit_s.values()) + boot.READY_LIMIT_S * job.speed.slowdown
    limits = status_channel.Limits(
        whole=Deadline.after(whole_s, "the run"),
        silence_s=boot.SILENCE_S * job.speed.slowdown,
        stage_s=job.facts.stage_limit_s,
    )
    with contextlib.ExitStack() as stack:
        private = stack.enter_context(temporary("run"))
        (private / _PLAN).write_text(plan)
        spec = _repeatable_spec(job.what, job.settings, job.speed, job.folder, private)
        pipe = stack.enter_context(FreezePipe(private / _FREEZE))
        oracle = Oracle(
            job.plan,
            job.folder,
            pipe,
            job.speed.slowdown,
            rules=job.rules,
        )

        def heed(event: status_channel.Event) -> None:
            job.clock.note(event)
            oracle.note(event)

        job.clock.restart()
        with qemu.launched(spec, log_path=job.folder / boot.QEMU_LOG) as guest:
            end = status_channel.follow(
                status_channel.stoppable(guest, job.check_stop),
                limits,
                until=status_channel.Done,
                on_event=heed,
            )
            boot.wait_for_power_off(guest, job.speed)
    if isinstance(end, status_channel.Failed):
        raise _stage_failed(job, end.stage, f"exit {end.exit}")
    if isinstance(end, status_channel.Done) and end.exit != 0:
        raise _stage_failed(job, "run", f"the guest was done with exit {end.exit}")
    stream = job.folder / boot.RESULTS
    with stream.open("rb") as file:
        unpack(file, job.names, job.folder / RAW)
    check_complete(job.folder / RAW, job.names)
    stream.unlink()
    return spec


def _stage_failed(job: _Job, stage: str, fact: str) -> StageError:
    console = job.folder / CONSOLE_LOG
    lines = status_channel.console_tail(console).splitlines()[-status_channel.CONSOLE_TAIL_LINES :]
    said = "\n".join(lines)
    return StageError(stage, f"failed in the guest: {fact}; its console:\n{said}", log_path=console)


def _run_live(job: _Job) -> qemu.GuestSpec:
    job.clock.restart()
    with boot.live_guest(job.what, job.settings, job.speed, job.folder) as live:
        job.clock.note(status_channel.Ready(0.0))
        connect = Deadline.after(_CONNECT_LIMIT_S * job.speed.slowdown, "ssh")
        try:
            with ssh.connected(live.address, connect) as session:
                for stage in job.plan:
                    _run_stage_live(job, session, stage)
        except GuestLostError as error:
            raise boot.explained(live.guest, error) from error
        boot.power_off(live)
    check_complete(job.folder / RAW, job.names)
    (job.folder / boot.RESULTS).unlink(missing_ok=True)  # the port is not used in live mode
    return live.spec


def _run_stage_live(job: _Job, session: ssh.Session, stage: StagePlan) -> None:
    limit = Deadline.after(job.facts.stage_limit_s[stage.name], f"stage {stage.name}")
    words = (stage.name, stage.prepare, stage.cleanup, str(stage.deadline_s), stage.command)
    job.clock.note(status_channel.StageBegin(stage.name))
    answer = session.run(f"bash -l scripts/run_stage.sh {shlex.join(words)}", limit)
    if answer.exit != 0:
        said = answer.complaint.strip() or answer.output.decode(errors="replace").strip()
        raise _stage_failed(job, stage.name, f"exit {answer.exit}: {said[-2000:]}")
    copy = Deadline.after(_COLLECT_S * job.speed.slowdown, f"the results of {stage.name}")
    archive = session.run(f"tar -C run -cf - {stage.name} && rm -rf run/{stage.name}", copy)
    if archive.exit != 0:
        raise _stage_failed(job, stage.name, f"tar: {archive.complaint.strip()[-2000:]}")
    unpack(io.BytesIO(archive.output), (stage.name,), job.folder / RAW)
    check_complete(job.folder / RAW, (stage.name,))
    status = (job.folder / RAW / stage.name / "exit_status").read_text().strip()
    job.clock.note(status_channel.StageEnd(stage.name, int(status) if status.isdigit() else -1))


def _remove_if_empty(path: Path) -> None:
    if path.exists() and path.stat().st_size == 0:
        path.unlink()

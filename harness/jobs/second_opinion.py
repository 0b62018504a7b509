# SPDX-License-Identifier: GPL-2.0-only
"""The deciding arms of a comparison again in live guests: one boot after the other, each kept."""

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.deciding import BY_CLOCK, Ground, chosen
from harness.compare.measures import Measure
from harness.compare.opinion_page import opinion_page
from harness.compare.outcome import read_live_outcome
from harness.compare.plan import ArmRun, Group, Plan, Variant
from harness.compare.results import packed
from harness.compare.second_opinion import (
    CPUS_LEAST,
    NAME,
    OPINION_JSON,
    Booted,
    Item,
    LiveKernel,
    Order,
    SecondOpinion,
    goes_on,
    live_values,
    order_of,
    told,
)
from harness.compare.state_invariants import state_result
from harness.encoding import encode
from harness.errors import HarnessError, HostError, StageError, UserError
from harness.host.cache import Cache
from harness.host.disk import disk_full_told
from harness.host.files import atomic_write
from harness.host.load import load_average, require_quiet
from harness.host.pages import write_page
from harness.host.progress import progress
from harness.jobs.comparison import decoded, lock_name
from harness.jobs.evidence import gather, keep
from harness.jobs.group import TOLD
from harness.jobs.live_guests import QEMU_LIVE, LiveGuests, Texts
from harness.record import schema
from harness.stages.boot import RunSettings, require_memory
from harness.stages.boot_files import BootFiles, boot_files
from harness.values import Accelerator, GuestImage, KernelBuild, RunMode

logger = logging.getLogger("compare")

_ORDER, _BOOTS, _FAILED = "order.json", "boots", "failed"
# What `compare` mode of vm/guest/init sets and run_arm.sh reads: a live guest has it of this.
_COUNT_EXTFRAG = (
    "echo hist:keys=alloc_order > /sys/kernel/tracing/events/kmem/mm_page_alloc_extfrag/trigger"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is asked of live guests."""

    plan: Plan
    folder: Path  # of the exact comparison
    grounds: tuple[Ground, ...]  # all in which its arms differ
    kernels: Mapping[Variant, BootFiles]
    boots: int  # of each arm


def live_cpus(plan: Plan) -> int:
    """Return how many CPUs a plan's live guests have: its own number, and at least two."""
    return max(CPUS_LEAST, plan.cpus)


def require_host(plan: Plan) -> None:
    """Refuse a host that is too small or too busy, before anything is built.

    And a plan whose guests get memory while they stand still: a live one does not.
    """
    if plan.hotplug_mib:
        raise UserError(
            f"hotplug_mib = {plan.hotplug_mib}: a live guest never stands still to have memory "
            "plugged in; leave --second-opinion out, or take another plan"
        )
    require_memory(plan.most_mib)
    require_quiet(live_cpus(plan), Accelerator.TCG)


def asking(
    plan: Plan,
    folder: Path,
    grounds: tuple[Ground, ...],
    kernels: Mapping[Variant, tuple[KernelBuild, GuestImage]],
    boots: int,
) -> Asking:
    """Put together what is asked."""
    files = {variant: boot_files(*kernel) for variant, kernel in kernels.items()}
    return Asking(plan=plan, folder=folder, grounds=grounds, kernels=files, boots=boots)


def second_opinion(
    it: Asking, subject: str, cache: Cache, live: LiveGuests = QEMU_LIVE
) -> SecondOpinion:
    """Boot what was not booted before, and write what all boots say of the signs.

    A boot that fails is kept as one that failed, and ends no other; the last failure is raised
    where none gave a result. HostError for a host that is too busy, UserError for a folder whose
    live boots were of something else.
    """
    place = it.folder / NAME
    with (
        cache.locked(lock_name(it.folder)),
        disk_full_told(it.folder, "name a folder elsewhere with --output"),
    ):
        order, by_clock = _order(it, cache, live)
        if order.items:
            order = _claimed(place, order)
            accelerator = order.accelerator
            _run_missing(order, place, lambda item: _boot(it, item, accelerator, cache, live))
        booted = tuple(_recalled(place, order))
        opinion = SecondOpinion(
            schema=schema.SECOND_OPINION.number,
            order=order,
            booted=booted,
            told=told(order, booted),
            by_clock=by_clock,
            others=len(it.grounds) - len(by_clock) - len(order.grounds),
        )
        atomic_write(it.folder / OPINION_JSON, encode(opinion))
        write_page(it.folder, opinion_page(opinion, subject), name=NAME)
    if booted and len(opinion.failed) == len(booted):
        raise StageError(
            "compare",
            f"none of {len(booted)} live boots gave a result, the last: {booted[-1].failure}; "
            f"see {place / _FAILED}, and remove {place} to try again",
        )
    return opinion


def _settings(plan: Plan, seed: int) -> RunSettings:
    return RunSettings(
        mode=RunMode.LIVE,
        memory_mib=plan.memory_mib,
        cpus=live_cpus(plan),
        layout=plan.layout,
        seed=seed,
        scale=plan.name,
    )


def _order(it: Asking, cache: Cache, live: LiveGuests) -> tuple[Order, tuple[Ground, ...]]:
    """Return what is to be run, and what only a real accelerator could tell."""
    settings = _settings(it.plan, it.plan.seeds[0])
    differing = _variants(it.plan, it.grounds) or tuple(it.kernels)[:1]
    speeds = [live.speed(it.kernels[variant], settings, cache) for variant in differing]
    if len(used := {speed.accelerator for speed in speeds}) > 1:
        raise HostError(
            f"the kernels boot under different accelerators here ({', '.join(sorted(used))}), so "
            "their boots cannot be compared; use a host with a working KVM, or one without /dev/kvm"
        )
    speed = speeds[0]
    is_real = speed.accelerator is Accelerator.KVM
    by_clock = () if is_real else tuple(one for one in it.grounds if one.measure in BY_CLOCK)
    grounds = chosen([one for one in it.grounds if one not in by_clock])
    order = Order(
        schema=schema.SECOND_OPINION.number,
        accelerator=speed.accelerator,
        why=speed.why,
        qemu_version=speed.emulator.version,
        qemu_digest=speed.emulator.digest,
        cpus=settings.cpus,
        memory_mib=settings.memory_mib,
        kernels=tuple(
            _kernel(variant, it.kernels[variant]) for variant in _variants(it.plan, grounds)
        ),
        grounds=grounds,
        items=order_of(grounds, it.plan.seeds, boots=it.boots, seed=it.plan.seeds[0]),
    )
    return order, by_clock


def _variants(plan: Plan, grounds: Sequence[Ground]) -> tuple[Variant, ...]:
    wanted = {arm for one in grounds for arm in (one.arm, one.against)}
    return tuple(dict.fromkeys(arm.kernel for arm in plan.arms if arm.name in wanted))


def _kernel(variant: Variant, what: BootFiles) -> LiveKernel:
    return LiveKernel(
        variant=variant,
        vmlinux_digest=what.vmlinux_digest,
        initramfs_digest=what.initramfs_digest,
    )


def _claimed(place: Path, order: Order) -> Order:
    """Return the order that is run: the longer of what is kept and what is wanted."""
    path = place / _ORDER
    if path.exists():
        kept = decoded(path, Order)
        schema.SECOND_OPINION.require(kept.schema, str(path))
        if what := ", ".join(goes_on(kept, order)):
            raise UserError(
                f"{place} has live boots of something else: {what} differ; move it away, or name "
                "a new folder with --output"
            )
        order = replace(order, items=max(kept.items, order.items, key=len))
    atomic_write(path, encode(order))
    return order


def _run_missing(order: Order, place: Path, boot: Callable[[Item], Booted]) -> None:
    missing = [one for one in order.items if not _boot_path(place, one).exists()]
    if not missing:
        return
    require_memory(order.memory_mib)
    require_quiet(order.cpus, order.accelerator)
    already = len(order.items) - len(missing)
    with progress("compare", total=len(order.items), unit="live boots", already=already) as advance:
        for done, item in enumerate(missing, already + 1):
            booted = boot(item)
            atomic_write(_boot_path(place, item), encode(booted))
            advance(done, f"{item.arm} {item.state} {item.burst}")


def _boot(
    it: Asking, item: Item, accelerator: Accelerator, cache: Cache, live: LiveGuests
) -> Booted:
    """Run one boot; a guest that fails is a result, what this host lacks ends all."""
    run = _run_of(it.plan, item)
    state = replace(plans.state_stage(it.plan, run.group), prepare=_COUNT_EXTFRAG)
    arm = plans.arm_stage(it.plan, run)
    place = it.folder / NAME
    booted = Booted(
        item=item,
        values=None,
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        took_s=0.0,
        load=load_average(),
    )
    start_s = time.monotonic()
    with cache.building("live") as scratch:
        folder = scratch / "guest"
        try:
            texts = live.run(
                it.kernels[run.group.variant],
                (state, arm),
                _settings(it.plan, item.seed),
                folder,
                cache,
            )
            values, broken = _read(run, texts, accelerator)
        except TOLD as error:
            keep(gather(folder), place / _FAILED / f"{item.number:03}", error)
            logger.error("live boot %d (%s) failed: %s", item.number, item.arm, error)  # noqa: TRY400
            return replace(booted, failure=_in_short(error), took_s=_since(start_s))
        atomic_write(_boot_path(place, item).with_suffix(".tar.gz"), packed(texts[arm.name]))
    return replace(booted, values=values, broken=broken, took_s=_since(start_s))


def _read(
    run: ArmRun, texts: Mapping[str, Texts], accelerator: Accelerator
) -> tuple[dict[Measure, float], tuple[str, ...]]:
    prepared = texts[plans.STATE_STAGE]
    status = prepared["exit_status"].decode(errors="replace").strip()
    if status != "0":
        said = prepared["output"].decode(errors="replace").strip()[-500:]
        raise StageError("compare", f"the state {run.group.state.name} was not made: {said}")
    broken = tuple(str(one) for one in state_result(run.group, prepared).broken)
    return live_values(read_live_outcome(texts[plans.ARM_STAGE]), accelerator), broken


def _run_of(plan: Plan, item: Item) -> ArmRun:
    arm = next(one for one in plan.arms if one.name == item.arm)
    state = next(one for one in plan.states if one.name == item.state)
    burst = next(one for one in plan.bursts if one.name == item.burst)
    group = Group(variant=arm.kernel, state=state, seed=item.seed)
    return ArmRun(group=group, burst=burst, arm=arm)


def _recalled(place: Path, order: Order) -> Sequence[Booted]:
    return [decoded(_boot_path(place, one), Booted) for one in order.items]


def _boot_path(place: Path, item: Item) -> Path:
    return place / _BOOTS / f"{item.number:03}.json"


def _in_short(error: HarnessError) -> str:
    return str(error).splitlines()[0]


def _since(start_s: float) -> float:
    return round(time.monotonic() - start_s, 1)

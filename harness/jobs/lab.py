# SPDX-License-Identifier: GPL-2.0-only
"""What all guests of a comparison's kernel share, and the keys of its arms."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.plan import ArmRun, Group, Plan, Variant
from harness.errors import HostError
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.jobs.arm import Lab, spec_of
from harness.jobs.guests import QEMU, Guests
from harness.jobs.runner import Place
from harness.record.key import ReplayKey, key_differences, plan_lines
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles
from harness.stages.key import replay_key
from harness.values import RunMode


def lab_of(
    what: BootFiles,
    plan: Plan,
    cache: Cache,
    check_stop: Callable[[], None] = lambda: None,
    guests: Guests = QEMU,
) -> Lab:
    """Make ready to boot a kernel; the seed is set for each group."""
    settings = settings_of(plan)
    speed = guests.speed(what, settings, cache)
    return Lab(what=what, settings=settings, speed=speed, check_stop=check_stop)


def settings_of(plan: Plan) -> RunSettings:
    """Return how a plan's guests are run, with its first seed."""
    return RunSettings(
        mode=RunMode.REPEATABLE,
        memory_mib=plan.memory_mib,
        cpus=plan.cpus,
        layout=plan.layout,
        seed=plan.seeds[0],
        scale=plan.name,
        icount_shift=plan.icount_shift,
        accelerator=AcceleratorChoice.TCG,
    )


def seeded(lab: Lab, seed: int) -> Lab:
    """Give a lab the seed of one boot."""
    return replace(lab, settings=replace(lab.settings, seed=seed))


def base_key(lab: Lab, plan: Plan, group: Group) -> ReplayKey:
    """Name all that the bytes of a group's arms depend on, but for the arm itself."""
    nowhere = Path("NOWHERE")
    state = plans.state_stage(plan, group)
    spec = spec_of(lab, nowhere, nowhere, nowhere)
    return replay_key(lab.what, (state,), spec)


def lab_at(
    place: Place, what: BootFiles, *, plan: Plan, group: Group, base: ReplayKey, guests: Guests
) -> Lab:
    """Make ready to boot a group where its task is done.

    HostError if what executes there is not what `base`, made by who gave the task, names.
    """
    settings = replace(settings_of(plan), seed=group.seed)
    speed = place.speed(what, settings, guests)
    lab = Lab(what=what, settings=settings, speed=speed, check_stop=place.check_stop)
    if differences := key_differences(base, base_key(lab, plan, group)):
        told = "\n  ".join(map(str, differences))
        raise HostError(f"{group.title}: its guests would not be the same:\n  {told}")
    return lab


def arm_key(base: ReplayKey, plan: Plan, run: ArmRun) -> str:
    """Return the digest of an arm's key."""
    (line,) = plan_lines((plans.arm_stage(plan, run),))
    return replace(base, arm=line).digest


def first_group(plan: Plan, variant: Variant) -> Group:
    """Name the boot whose key stands for all of a kernel's in kernels.json."""
    return Group(variant=variant, state=plan.states[0], seed=plan.seeds[0])

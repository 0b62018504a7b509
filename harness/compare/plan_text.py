# SPDX-License-Identifier: GPL-2.0-only
"""A plan's text to a Plan, and all that is wrong with it before anything is built. Pure."""

import re
import tomllib
from collections.abc import Iterator, Sequence

import msgspec

from harness.compare.claims import faults as claim_faults
from harness.compare.placement import faults as placement_faults
from harness.compare.plan import (
    ARM_TEXT_BYTES,
    CONFIGURED_OUT,
    DISCARDED,
    PATCHED,
    UNPATCHED,
    Arm,
    Plan,
    arm_command,
    is_predefined,
)
from harness.compare.states import EASY, STATE_NUMBERS, is_state
from harness.compare.turn_faults import faults as turn_faults
from harness.encoding import UNREADABLE
from harness.errors import UserError
from harness.limits import (
    CPUS_MAX,
    DEADLINE_S_MAX,
    ICOUNT_SHIFT_MAX,
    MEMORY_MIB_MAX,
    MEMORY_MIB_MIN,
    REQUESTS_MAX,
    SEED_MAX,
    SYSCTL_MAX,
)
from harness.model.state import GfpClass
from harness.texts.proc.sysctl import MODE_WORDS, Knob

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
_SYSCTL = re.compile(r"[a-z_]+\.[a-z_0-9]+")


def parse_plan(text: str, what: str) -> Plan:
    """Parse and check a plan; `what` names it in messages."""
    try:
        plan = msgspec.convert(tomllib.loads(text), type=Plan)
    except UNREADABLE as error:
        raise UserError(f"{what}: {error}; correct the plan") from error
    for fact in faults(plan):
        raise UserError(f"{what}: {fact}; correct the plan")
    return plan


def with_number(text: str, key: str, number: int | None) -> str:
    """Return a plan's text that says `key = number` at its top; None leaves it as it is."""
    if number is None:
        return text
    head, table, rest = text.partition("\n[")
    kept = [line for line in head.splitlines() if not re.match(rf"\s*{key}\s*=", line)]
    return "\n".join([*kept, f"{key} = {number}", ""]) + table + rest


def faults(plan: Plan) -> Iterator[str]:
    """Say what is wrong with a plan, as facts."""
    for kind, names in (
        ("state", [state.name for state in plan.states]),
        ("burst", [burst.name for burst in plan.bursts]),
        ("arm", [arm.name for arm in plan.arms]),
    ):
        yield from _name_faults(kind, names)
    if not _NAME.fullmatch(plan.name):
        yield f"the name {plan.name!r} is not of a-z, 0-9, _ and -"
    if not plan.seeds or len(set(plan.seeds)) != len(plan.seeds):
        yield f"seeds {list(plan.seeds)[:5]} are none, or given twice"
    if wrong := [seed for seed in plan.seeds if not 0 <= seed <= SEED_MAX]:
        yield f"seed {wrong[0]} is outside 0..{SEED_MAX}"
    if plan.baseline not in {arm.name for arm in plan.arms}:
        yield f"the baseline {plan.baseline!r} is no arm"
    yield from _guest_faults(plan)
    yield from placement_faults(plan)
    yield from _state_faults(plan)
    yield from _burst_faults(plan)
    for arm in plan.arms:
        yield from _arm_faults(plan, arm)
    yield from turn_faults(plan)
    yield from _kernel_faults(plan)
    for claim in plan.claims:
        yield from claim_faults(
            claim,
            baseline=plan.baseline,
            states={state.name for state in plan.states},
            bursts={burst.name for burst in plan.bursts},
            arms={arm.name for arm in plan.arms},
        )


def _guest_faults(plan: Plan) -> Iterator[str]:
    if plan.memory_mib < MEMORY_MIB_MIN:
        yield f"memory_mib = {plan.memory_mib} is less than the {MEMORY_MIB_MIN} a guest boots with"
    elif max(plan.memory_mib, plan.hotplug_mib) > MEMORY_MIB_MAX:
        yield _outside("memory_mib", plan.most_mib, MEMORY_MIB_MIN, MEMORY_MIB_MAX)
    if not 1 <= plan.cpus <= CPUS_MAX:
        yield _outside("cpus", plan.cpus, 1, CPUS_MAX)
    if not 0 <= plan.icount_shift <= ICOUNT_SHIFT_MAX:
        yield f"icount_shift = {plan.icount_shift} is outside 0..{ICOUNT_SHIFT_MAX}"


def _kernel_faults(plan: Plan) -> Iterator[str]:
    names = [kernel.name for kernel in plan.kernels]
    if plan.kernels:
        yield from _name_faults("kernel", names)
    for kernel in plan.kernels:
        if is_predefined(kernel.name):
            yield f"kernel {kernel.name!r} is there without [[kernels]]; give yours another name"
        elif kernel.name not in {arm.kernel for arm in plan.arms}:
            yield f"kernel {kernel.name!r} is of no arm"
        for word in (kernel.source, kernel.config, *kernel.changes):
            if any(ord(each) < ord(" ") for each in word):
                yield f"kernel {kernel.name}: {word!r} is no name or path"
        if not all(kernel.changes):
            yield f"kernel {kernel.name}: a change has no name"


def _outside(what: str, value: int, least: int, most: int) -> str:
    return f"{what} = {value} is outside {least}..{most}"


def _state_faults(plan: Plan) -> Iterator[str]:
    for state in plan.states:
        if not 0 < state.deadline_s <= DEADLINE_S_MAX:
            yield _outside(f"state {state.name}: deadline_s", state.deadline_s, 1, DEADLINE_S_MAX)
        if not state.command.strip() or any(ord(each) < ord(" ") for each in state.command):
            yield f"state {state.name}: {state.command!r} is no command of one line"
        if state.make and not is_state(state.make):
            known = ", ".join(f"{family}_N" for family in STATE_NUMBERS)
            yield (
                f"state {state.name}: make = {state.make!r} is no state of "
                f"vm/guest/scripts/make_state.sh, which has {known} and {EASY}"
            )


def _burst_faults(plan: Plan) -> Iterator[str]:
    for burst in plan.bursts:
        orders = burst.made_by.orders
        if burst.order not in orders:
            what = f"burst {burst.name}: order"
            yield f"{_outside(what, burst.order, orders[0], orders[-1])} of kind {burst.kind}"
        if not 0 <= burst.requests <= REQUESTS_MAX:
            yield _outside(f"burst {burst.name}: requests", burst.requests, 0, REQUESTS_MAX)
        elif burst.asked(plan.memory_mib) > REQUESTS_MAX:
            yield (
                f"burst {burst.name}: requests = 0 asks for the {burst.asked(plan.memory_mib)} "
                f"blocks of {plan.memory_mib} MiB, and the most is {REQUESTS_MAX}; say how many"
            )
        load = burst.background_load
        if not 0 <= load <= REQUESTS_MAX:
            yield _outside(f"burst {burst.name}: background_load", load, 0, REQUESTS_MAX)
        if not 0 < burst.deadline_s <= DEADLINE_S_MAX:
            yield _outside(f"burst {burst.name}: deadline_s", burst.deadline_s, 1, DEADLINE_S_MAX)
        elif not 0 <= plan.settle_s < burst.deadline_s:
            yield (
                f"settle_s = {plan.settle_s} is outside 0..{burst.deadline_s - 1}, what burst "
                f"{burst.name} has time for"
            )


def _arm_faults(plan: Plan, arm: Arm) -> Iterator[str]:
    known = [kernel.name for kernel in plan.kernels]
    if arm.kernel not in known and not (is_predefined(arm.kernel) and _is_name(arm.kernel)):
        here = f"none of its [[kernels]] ({', '.join(known)}), nor" if known else "not"
        yield (
            f"arm {arm.name}: kernel {arm.kernel!r} is {here} {PATCHED}, {UNPATCHED}, "
            f"{CONFIGURED_OUT} or {DISCARDED}NAME"
        )
    if arm.knobs and arm.knobs.mode not in MODE_WORDS:
        yield f"arm {arm.name}: policy {arm.knobs.mode!r} is none of {', '.join(MODE_WORDS)}"
        return
    if arm.knobs and (twice := sorted(set(arm.sysctls) & set(arm.knobs.sysctls))):
        yield f"arm {arm.name}: {twice[0]} is said twice, by policy and in sysctls"
    for name, value in arm.sysctls.items():
        if not _SYSCTL.fullmatch(name) or value < 0:
            yield f"arm {arm.name}: {name} = {value} is no sysctl of a number from 0"
    for name, value in arm.settings.items():
        values = Knob(name).values if name in set(Knob) else range(SYSCTL_MAX + 1)
        if value not in values:
            yield _outside(f"arm {arm.name}: {name}", value, values[0], values[-1])
    if arm.gfp not in set(GfpClass):
        yield f"arm {arm.name}: gfp {arm.gfp!r} is none of {', '.join(GfpClass)}"
    yield from _unused_by_bursts(plan, arm)
    if any(len(arm_command(plan, arm, burst)) > ARM_TEXT_BYTES // 2 for burst in plan.bursts):
        yield f"arm {arm.name}: its settings are too long"


def _unused_by_bursts(plan: Plan, arm: Arm) -> Iterator[str]:
    """Find what an arm says and no burst listens to: it would be the baseline by another name."""
    deaf = [burst for burst in plan.bursts if not burst.made_by.takes_gfp]
    if deaf and arm.gfp != GfpClass.KERNEL:
        yield f"arm {arm.name}: gfp says nothing to burst {deaf[0].name} of kind {deaf[0].kind}"
    if arm.thp_defrag and not any(burst.made_by.takes_thp_defrag for burst in plan.bursts):
        yield f"arm {arm.name}: thp_defrag says nothing to any burst, none faults for huge pages"


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _name_faults(kind: str, names: Sequence[str]) -> Iterator[str]:
    if not names:
        yield f"it has no {kind}"
    for name in names:
        if not _NAME.fullmatch(name):
            yield f"the {kind} name {name!r} is not of a-z, 0-9, _ and -"
    if len(set(names)) != len(names):
        yield f"a {kind} is named twice"

# SPDX-License-Identifier: GPL-2.0-only
"""What ran, in the facts that a report of a comparison or of a judgement begins with. Pure."""

from collections.abc import Collection, Iterator, Sequence

from harness.compare.cells import Cell
from harness.compare.places import Place
from harness.compare.results import ArmResult, KernelFacts, Results, short
from harness.values import LOCAL
from harness.writers.screen import Fact
from harness.writers.words import counted

_SHOWN = 3
# Where a change is shown, and by which arm.
Shown = tuple[Cell, str]


def facts(
    results: Results,
    *,
    command: str,
    largest: Shown | None,
    change: str = "",
) -> tuple[Fact, ...]:
    """Return kernel, change, config, machine, N, a key and the command, where they are known."""
    return tuple(_facts(results, command, largest, change))


def _facts(results: Results, command: str, largest: Shown | None, change: str) -> Iterator[Fact]:
    plan, kernels = results.plan, results.kernels.kernels
    if kernels:
        releases = dict.fromkeys(
            f"{one.provenance.kernel_release} ({one.provenance.origin_told})" for one in kernels
        )
        yield Fact(name="Kernel", value="; ".join(releases))
    yield Fact(name="Change", value=change or _arms_told(results))
    if kernels:
        yield Fact(name="Config", value=_configs(kernels))
        yield Fact(name="Machine", value=_machine(results))
    yield Fact(
        name="N",
        value=f"{len({one.seed for one in results.arms})} of {counted(len(plan.seeds), 'seed')}, "
        f"{counted(len(results.arms), 'arm')} in {counted(len(plan.states), 'state')} and "
        f"{counted(len(plan.bursts), 'kind')} of request",
    )
    if largest and (arm := _first(largest)):
        yield Fact(
            name="Key",
            value=f"`{short(arm.key)}` of the largest change: {arm.state} {arm.burst} {arm.arm}, "
            f"seed {arm.seed}; `buddylab replay` runs it again",
            copied=f"buddylab replay {short(arm.key)}",
        )
    yield Fact(name="Again", value=f"`{command}`", copied=command, is_wide=True)


def largest_of(found: Sequence[Place], *, leaving_out: Collection[str] = ()) -> Shown | None:
    """Return where, and by which arm, a change is largest over its noise."""
    for place in found:
        arms = [arm for arm in place.arms if arm not in leaving_out]
        if arms:
            return place.cell, max(arms, key=lambda arm: abs(place.arms[arm].blocks.mean))
    return None


def _arms_told(results: Results) -> str:
    plan = results.plan
    names = [f"`{arm.name}`" for arm in plan.arms if arm.name != plan.baseline]
    shown = ", ".join(names[:_SHOWN]) or "nothing"
    more = f" and {counted(len(names) - _SHOWN, 'more arm')}" if len(names) > _SHOWN else ""
    return f"{shown}{more}, against `{plan.baseline}`"


def _configs(kernels: Sequence[KernelFacts]) -> str:
    digests = dict.fromkeys(short(one.provenance.config_digest) for one in kernels)
    compilers = dict.fromkeys(one.provenance.compiler.partition(";")[0] for one in kernels)
    known = ", ".join(f"`{digest}`" for digest in digests if digest)
    return "; ".join(part for part in (known, *compilers) if part) or "unknown"


def _machine(results: Results) -> str:
    plan, key = results.plan, results.kernels.kernels[0].key
    return (
        f"QEMU {key.qemu_version}, {key.accelerator}, {counted(key.cpus, 'CPU')}, "
        f"{key.memory_told}; one instruction is {1 << plan.icount_shift} ns of the "
        "guest's clock"
    )


def _first(largest: Shown) -> ArmResult | None:
    cell, name = largest
    return min(cell.of(name), key=lambda one: one.seed, default=None)


def command_of(results: Results) -> str:
    """Return the command that makes a comparison again, from its folder."""
    origins = [one.provenance.kernel_origin for one in results.kernels.kernels]
    origin = origins[0].partition(" ")[0] if origins else ""
    # A source that only its user has is named by what it is.
    name = origin if origin not in ("", LOCAL) else "DIR"
    return f"buddylab compare plan.toml --kernel {name} --output NEW"

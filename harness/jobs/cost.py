# SPDX-License-Identifier: GPL-2.0-only
"""cost: what the counters and the fragmentation check cost, in guest instructions and in ns.

The guest counts instructions (TCG with -icount), so its figures are exact and the same on
every machine. It has one CPU and no caches: what sharing a counter costs between CPUs is
measured on this machine's own, outside of any kernel.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.errors import RecordError, StageError
from harness.host.accelerator import AcceleratorChoice
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.command import CommandFailedError, require
from harness.host.command import run as run_command
from harness.host.deadline import Deadline
from harness.host.scratch import temporary
from harness.stages.boot import RunSettings
from harness.stages.build import build
from harness.stages.fetch import fetch
from harness.stages.guest import guest
from harness.stages.patch import patch
from harness.stages.run import run
from harness.texts.guest.alloc_cost import CostSample, parse_cost
from harness.values import RAW, Counters, KernelBuild, KernelSource, RunMode, StagePlan

logger = logging.getLogger("cost")

FLAVOUR = "lean"
# Goals, in per cent of an unpatched pair's instructions.
PERCPU_GOAL_PCT = 2.0
OFF_GOAL_PCT = 1.0
_CONTENTION_COUNTS = 2_000_000
_NATIVE_LIMIT_S = 120.0
_STAGE = StagePlan(
    name="cost",
    command="bash scripts/run_cost.sh",
    prepare="",
    cleanup="",
    deadline_s=120,
    note="What a pair of allocation and release costs.",
)
_SETTINGS = RunSettings(
    mode=RunMode.REPEATABLE,
    memory_mib=1024,
    cpus=1,
    seed=1,
    scale="small",
    accelerator=AcceleratorChoice.TCG,
    # A probe in the allocation itself would be measured with it.
    cross_checks=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Guest instructions per pair of one way to build and set the kernel."""

    what: str
    instructions: float
    base: float | None  # of the unpatched kernel; None: this is it
    goal_pct: float | None = None

    @property
    def added_pct(self) -> float:
        """Instructions more than unpatched, in per cent of it."""
        return 0.0 if self.base is None else (self.instructions / self.base - 1) * 100

    @property
    def met(self) -> bool:
        """Whether the goal (if there is one) was reached."""
        return self.goal_pct is None or self.added_pct <= self.goal_pct

    def __str__(self) -> str:
        """Print as a line of a table."""
        goal = "" if self.goal_pct is None else f"   goal {self.goal_pct:.0f} %  "
        verdict = "" if self.goal_pct is None else ("met" if self.met else "MISSED")
        return f"{self.what:<44} {self.instructions:8.2f}  {self.added_pct:+6.2f} %{goal}{verdict}"


def cost(kernel: str | None, cache: Cache) -> Iterator[Cost | str]:
    """Measure all variants, yielding each line of the table as it is known."""
    source = fetch(kernel, cache)
    yield f"{source.release}: guest instructions per order-0 allocation and release"
    base = _measured(_built(source, cache, "0", Counters.NONE), cache)["pair_on"]
    shift = _SETTINGS.icount_shift
    unpatched = base.instructions(shift)
    yield Cost(what="unpatched", instructions=unpatched, base=None)
    without = _measured(_built(source, cache, None, Counters.NONE), cache)["pair_on"]
    out = without.instructions(shift)
    yield Cost(what="configured out", instructions=out, base=unpatched, goal_pct=0.0)
    percpu = _measured(_built(source, cache, None, Counters.PERCPU), cache)
    yield Cost(
        what="per-CPU, switched off (vm.buddy_monitor=0)",
        instructions=percpu["pair_off"].instructions(shift),
        base=unpatched,
        goal_pct=OFF_GOAL_PCT,
    )
    yield Cost(
        what="per-CPU",
        instructions=percpu["pair_on"].instructions(shift),
        base=unpatched,
        goal_pct=PERCPU_GOAL_PCT,
    )
    atomic = _measured(_built(source, cache, None, Counters.ATOMIC), cache)
    yield Cost(
        what="shared atomics", instructions=atomic["pair_on"].instructions(shift), base=unpatched
    )
    yield _entry(percpu, shift)
    yield "this machine's CPUs, ns per request of two counts, no kernel involved"
    yield from _contention()


def _built(source: KernelSource, cache: Cache, upto: str | None, counters: Counters) -> KernelBuild:
    return build(patch(source, cache, upto=upto), cache, flavour=FLAVOUR, counters=counters)


def _measured(kernel: KernelBuild, cache: Cache) -> Mapping[str, CostSample]:
    logger.info("%s with %s counters", kernel.release, kernel.counters)
    with temporary("cost") as folder:
        image = guest(kernel, cache)
        run(kernel, image, (_STAGE,), _SETTINGS, folder=folder, cache=cache)
        stage = folder / RAW / _STAGE.name
        output = (stage / "output").read_text(errors="replace")
        if (stage / "exit_status").read_text().strip() != "0":
            raise StageError("cost", f"{_STAGE.command} failed in the guest:\n{output[-2000:]}")
    return parse_cost(output)


def _entry(samples: Mapping[str, CostSample], shift: int) -> str:
    """Tell what the check costs: the same requests with and without being eligible for it."""
    checked, unchecked = samples["entry_checked"], samples["entry_unchecked"]
    for sample in (checked, unchecked):
        if not sample.slowpath or sample.slowpath % sample.pairs:
            raise RecordError(
                f"cost: {sample.slowpath} slowpath entries where each of the requests, "
                f"{sample.pairs} to a loop, should make one; free memory was not between the "
                "watermarks: see set_watermarks in vm/guest/scripts/run_cost.sh"
            )
    with_check, without = checked.instructions(shift), unchecked.instructions(shift)
    return (
        f"{'fragmentation check, per slowpath entry':<44} {with_check - without:8.2f}"
        f"  of {with_check:.2f} for the shortest visit (order {checked.order})"
    )


def _contention() -> Iterator[str]:
    require("gcc")
    deadline = Deadline.after(_NATIVE_LIMIT_S, "the contention measurement")
    with temporary("cost") as folder:
        program = str(folder / "contention")
        source = asset("vm") / "native" / "contention.c"
        try:
            run_command(["gcc", "-O2", "-pthread", "-o", program, str(source)], deadline=deadline)
            output = run_command([program, str(_CONTENTION_COUNTS)], deadline=deadline).output
        except CommandFailedError as error:
            raise StageError("cost", f"contention.c: {error}") from error
    yield from output.splitlines()

# SPDX-License-Identifier: GPL-2.0-only
"""The paper's staged experiments, as data: what each stage runs, and why it is there."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.limits import COMB_RESERVE_MIB, REQUESTS_MAX
from harness.texts.proc.sysctl import Knob
from harness.values import BurstPlan, StagePlan


class Scale(StrEnum):
    """How large the guest and its workloads are."""

    PAPER = "paper"
    SMALL = "small"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """The numbers in which the two scales differ."""

    memory_mib: int
    stress_s: int
    fragment_mib: int
    final_blocks: int
    final_hold_ms: int
    # Memory that is filled, and then given back but for every `keep_one_in`-th page: with
    # what stays free beside it, less than `final_blocks` of order 10 are left whole.
    hold_mib: int
    keep_one_in: int


_SIZES = {
    Scale.PAPER: _Size(
        memory_mib=4096,
        stress_s=60,
        fragment_mib=3072,
        final_blocks=512,
        final_hold_ms=5000,
        hold_mib=2800,
        keep_one_in=4,
    ),
    Scale.SMALL: _Size(
        memory_mib=1024,
        stress_s=5,
        fragment_mib=700,
        final_blocks=128,
        final_hold_ms=0,
        hold_mib=740,
        keep_one_in=4,
    ),
}

# Loads the module with the least it can do, to ask the kernel which module it took.
_VERIFY = (
    'echo "uname_r=$(uname -r)"'
    " && insmod kmod/high_order_test.ko order=0 requests=1"
    ' && echo "module_srcversion=$(cat /sys/module/high_order_test/srcversion)"'
    " && rmmod high_order_test"
)
_VERIFY_MONITOR = " && cat /proc/buddy_monitor"


# Order 9 is left out: with huge pages it is the one above 3 that per-CPU lists keep in stock.
PREDICTED_ORDERS = (4, 5, 6, 7, 8, 10)
HOPELESS_ORDERS = (6, 10)

# Nothing but the burst shall move memory: no proactive compaction, no boost by its steals.
_STILL = {"vm.compaction_proactiveness": 0, "vm.watermark_boost_factor": 0}
_DROP_CACHES = "echo 3 > /proc/sys/vm/drop_caches"
# Undoes each knobs_set() before it.
KNOBS_RESTORE = "bash scripts/knobs.sh restore"
_QUIET_GFP = "kernel_nokswapd"
_MIB_SHIFT = 20
# What a shape of memory may be: touched so much of it, and kept one page in so many.
_HELD_PCT = (10, 45)
_LEAST_HELD_MIB = 16
_KEEP_ONE_IN = (2, 3, 4, 6, 8, 12, 16, 32)
_PAGE_SHIFT = 12


def memory_mib(scale: Scale) -> int:
    """Return the guest's memory at `scale`."""
    return _SIZES[scale].memory_mib


def stages(scale: Scale, *, monitored: bool = True) -> tuple[StagePlan, ...]:
    """Return all stages in the paper's order; `monitored`: the kernel has the monitor."""
    size = _SIZES[scale]
    return (
        *_quiet_stages(monitored=monitored),
        *(easy_stage(order) for order in PREDICTED_ORDERS),
        edge_stage(10, size.memory_mib),
        *_workloads(size),
        *_high_order(size),
        # It needs large blocks, of which the stages after it leave few.
        _torture(),
        *(hopeless_stage(order) for order in HOPELESS_ORDERS),
    )


def prediction_stages(
    memory_mib: int, *, seed: int, monitored: bool = True
) -> tuple[StagePlan, ...]:
    """Return what is predicted exactly, up to a first slowpath entry at least, in all orders.

    Each stage meets memory of another shape, and each seed has shapes of its own.
    """
    predicted = (
        *(easy_stage(order) for order in PREDICTED_ORDERS),
        *(edge_stage(order, memory_mib) for order in PREDICTED_ORDERS),
        *(hopeless_stage(order) for order in HOPELESS_ORDERS),
    )
    draw = random.Random(f"{seed} {memory_mib}")  # noqa: S311 - to vary, not to hide
    quiet = _quiet_stages(monitored=monitored)
    return (*quiet, *(_shaped(stage, memory_mib, draw) for stage in predicted))


def _shaped(stage: StagePlan, memory_mib: int, draw: random.Random) -> StagePlan:
    """Return `stage` on memory that a fragmenter holds part of."""
    held_mib = max(_LEAST_HELD_MIB, memory_mib * draw.randint(*_HELD_PCT) // 100)
    keep_one_in = draw.choice(_KEEP_ONE_IN)
    return replace(
        stage,
        prepare=f"bash scripts/hold_fragmented.sh start {keep_one_in} {held_mib} && "
        f"{stage.prepare}",
        cleanup=f"{stage.cleanup} && bash scripts/hold_fragmented.sh stop",
    )


def mutant_stages() -> tuple[StagePlan, ...]:
    """Return the small stages that a wrong kernel must betray itself in: no long workloads."""
    size = _SIZES[Scale.SMALL]
    return (*_quiet_stages(monitored=True), *_high_order(size), _torture())


def torture_stages() -> tuple[StagePlan, ...]:
    """Return the stage torture, and before it what says which kernel it ran on."""
    return (*_quiet_stages(monitored=True), _torture())


def _quiet_stages(*, monitored: bool) -> tuple[StagePlan, ...]:
    its_file = ", and the monitor's file is there" if monitored else ""
    return (
        StagePlan(
            name="verify",
            command=_VERIFY + (_VERIFY_MONITOR if monitored else ""),
            prepare="",
            cleanup="",
            deadline_s=60,
            note=f"The booted kernel and the loaded module are the ones just built{its_file}.",
        ),
        StagePlan(
            name="baseline",
            command="sleep 2",
            prepare="",
            cleanup="",
            deadline_s=60,
            note="What an idle guest and the taking of snapshots themselves add to the counters.",
        ),
    )


def _workloads(size: _Size) -> tuple[StagePlan, ...]:
    return (
        StagePlan(
            name="stress_ng",
            command=f"stress-ng --vm 4 --vm-bytes 70% --timeout {size.stress_s}s",
            prepare="",
            cleanup="",
            deadline_s=240,
            note="The paper's memory pressure: four workers that touch 70 % of the memory "
            "between them.",
        ),
        StagePlan(
            name="fragment_stress",
            command=f"bash scripts/run_fragment_experiment.sh {size.fragment_mib} 2",
            prepare="",
            cleanup="",
            deadline_s=300,
            note="The paper's user-space fragmenter: scattered pages are freed and "
            "allocated again.",
        ),
    )


def _high_order(size: _Size) -> tuple[StagePlan, ...]:
    blocks = size.final_blocks
    early = BurstPlan(order=10, requests=64, most_held=8, hold_until_fail=False)
    final = BurstPlan(
        order=10,
        requests=blocks,
        hold_ms=size.final_hold_ms,
        most_held=blocks,
        hold_until_fail=True,
    )
    return (
        StagePlan(
            name="high_order_early",
            command=early.command,
            burst=early,
            prepare="",
            cleanup="",
            deadline_s=120,
            note="64 requests of order 10, at most 8 held, while memory is not fragmented: "
            "the fast path should serve them. The paper does not give its own arguments.",
        ),
        StagePlan(
            name="high_order_final",
            command=final.command,
            burst=final,
            prepare=f"bash scripts/hold_fragmented.sh start {size.keep_one_in} {size.hold_mib}",
            cleanup="bash scripts/hold_fragmented.sh stop",
            deadline_s=300,
            note=f"{blocks} blocks of order 10, all held at once, from memory of which "
            f"{size.hold_mib} MiB were touched and only every {size.keep_one_in}th page kept: "
            "the blocks are not there at first and compaction can make them.",
        ),
    )


def _torture() -> StagePlan:
    return StagePlan(
        name="torture",
        command="bash scripts/run_torture.sh",
        prepare="",
        cleanup="",
        deadline_s=300,
        note="Every way out of the page allocator, each in known numbers: injected faults, an "
        "order too high, a full control group, batches, reserves, memory in which no large "
        "block can be made, and many requests at a time.",
    )


def easy_stage(order: int) -> StagePlan:
    """Return a burst that the fast path serves."""
    burst = BurstPlan(order=order, requests=64, most_held=8, hold_until_fail=False, gfp=_QUIET_GFP)
    return _predicted(
        f"predict_easy_{order}",
        burst,
        note=f"64 requests of order {order}, at most 8 held: none may need the slowpath.",
    )


def edge_stage(order: int, memory_mib: int) -> StagePlan:
    """Return a burst that takes all memory, past the first slowpath entry to the first failure."""
    blocks = min(memory_mib << _MIB_SHIFT >> _PAGE_SHIFT >> order, REQUESTS_MAX)
    burst = BurstPlan(
        order=order,
        requests=blocks,
        most_held=blocks,
        hold_until_fail=True,
        gfp=_QUIET_GFP,
        max_mib=memory_mib,
    )
    return _predicted(
        f"predict_edge_{order}",
        burst,
        note=f"All memory in blocks of order {order}, held until a request fails: the first one "
        "that needs the slowpath is known before.",
    )


def hopeless_stage(order: int) -> StagePlan:
    """Return a burst in memory where no block of `order` is free or can be made."""
    # More than what the comb leaves whole can serve: it takes no memory below its reserve.
    requests = 24 + (COMB_RESERVE_MIB << _MIB_SHIFT >> _PAGE_SHIFT >> order)
    burst = BurstPlan(
        order=order,
        requests=requests,
        most_held=requests,
        hold_until_fail=False,
        gfp=_QUIET_GFP,
    )
    return _predicted(
        f"predict_hopeless_{order}",
        burst,
        note=f"{requests} requests of order {order} while each range of that size holds a page "
        "that cannot move: compaction must fail or be deferred, a known number of times.",
        comb=min(order, 8),
    )


def _predicted(name: str, burst: BurstPlan, *, note: str, comb: int = 0) -> StagePlan:
    """Return a stage on still memory; `comb` is the order of the ranges to plug, 0 for none."""
    # What compaction leaves of free memory, and so its later frag_pct, is nobody's to predict:
    # at 100 the policy raises none, and adaptive can be. Modes that act at the end do not ask.
    threshold = {Knob.THRESHOLD_PCT.value: 100} if comb else {}
    start = f" && bash scripts/unmovable_comb.sh start 10 6 {comb}" if comb else ""
    stop = "bash scripts/unmovable_comb.sh stop && " if comb else ""
    return StagePlan(
        name=name,
        command=burst.command,
        prepare=f"{knobs_set(_STILL | threshold)} && {_DROP_CACHES}{start}",
        cleanup=stop + KNOBS_RESTORE,
        deadline_s=120,
        note=note,
        burst=burst,
    )


def knobs_set(values: Mapping[str, int]) -> str:
    """Return the command that sets sysctls until KNOBS_RESTORE."""
    words = [f"{name}={value}" for name, value in values.items()]
    return f"bash scripts/knobs.sh set {' '.join(words)}"

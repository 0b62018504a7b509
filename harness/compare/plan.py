# SPDX-License-Identifier: GPL-2.0-only
"""A comparison's plan: which states, bursts and arms, over which seeds (vm/plans/*.toml).

The file is read into Structs rather than dataclasses, because msgspec refuses an unknown key
of a Struct: a word misspelt in a plan must not quietly change what is compared.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

import msgspec

from harness.compare.claims import Claim
from harness.compare.kinds import KINDS
from harness.compare.kinds.base import Asked, Kind, RequestKind, SourceText
from harness.guest_memory import MemoryLayout
from harness.texts.guest import background_load, empty_lists, on_node, plug_memory, turns
from harness.texts.guest.background import OPTION, Background
from harness.texts.guest.plug_memory import Plugged
from harness.texts.pages import PAGES_PER_MIB
from harness.texts.proc.sysctl import Knob, mode_of
from harness.values import StagePlan

STATE_STAGE = "state"
ARM_STAGE = "arm"
# An arm's text has this length in all arms: the item's size is part of the saved state.
ARM_TEXT_BYTES = 1024


# A kernel that arms run on: one of a plan's [[kernels]], one of these, or "discarded-NAME" for the
# series with the change of patches/designs/NAME.toml.
Variant = NewType("Variant", str)
PATCHED = Variant("patched")
UNPATCHED = Variant("unpatched")  # the source as it is
CONFIGURED_OUT = Variant("configured_out")  # patched, CONFIG_BUDDY_MONITOR off
DISCARDED = "discarded-"


def is_predefined(name: str) -> bool:
    """Whether arms can name a kernel that no plan has to describe."""
    return name in (PATCHED, UNPATCHED, CONFIGURED_OUT) or name.startswith(DISCARDED)


class Kernel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kernel by the name that arms give it: a source, and what is changed in it.

    `changes` are what `buddylab judge` takes as CHANGE, made one after the other; patches/series
    is one of them.
    """

    name: Variant  # of a-z, 0-9, _ and -
    source: str = ""  # as --kernel has it; empty: what --kernel says
    changes: tuple[str, ...] = ()  # patches, mailboxes or series, one after the other
    config: str = ""  # a file of options, or a whole .config; empty: the guest's own alone


class Action(StrEnum):
    """What an arm does before its burst."""

    COMPACT_MEMORY = "compact_memory"  # echo 1 > /proc/sys/vm/compact_memory


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How memory is fragmented before the arms part."""

    name: str  # of a-z, 0-9, _ and -
    make: str = ""  # a state of scripts/make_state.sh, made by the seed
    prepare: str = ""  # shell text, after that; {seed} and {memory_mib} are filled in
    deadline_s: int = 300  # guest seconds

    @property
    def command(self) -> str:
        """Return the whole shell text, nothing filled in."""
        made = f"bash scripts/make_state.sh {self.make} seed={{seed}} start" if self.make else ""
        return " && ".join(text for text in (made, self.prepare) if text)


class Burst(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests of one order, all that is got being held until the end."""

    name: str  # of a-z, 0-9, _ and -
    order: int  # of each request, from those of its kind
    kind: RequestKind = RequestKind.MODULE  # who makes the requests
    requests: int = 0  # 0: as many as the whole memory could hold
    hold_until_fail: bool = True  # stop at the first failure
    background_load: int = 0  # requests of other orders beside it (kmod/background_load.c)
    node: int | None = None  # all blocks are of this node; None: as the kernel chooses
    cpuset_mems: str = ""  # the nodes of a cpuset that the burst is made in: 0, 0-1, 0,2
    cpu: int | None = None  # who makes the requests; None: as the scheduler has it
    background: Background | None = None  # what goes on beside the arm until it has ended
    background_cpu: int | None = None  # who does; None: as the scheduler has it
    deadline_s: int = 600  # guest seconds

    @property
    def made_by(self) -> Kind:
        """What makes its requests, and reads what became of them."""
        return KINDS[self.kind]

    def asked(self, memory_mib: int) -> int:
        """Return how many requests are made in guests of so much memory."""
        return self.requests or (memory_mib * PAGES_PER_MIB) >> self.order

    @property
    def is_placed(self) -> bool:
        """Whether it needs what only guests of vm/guest/turns have."""
        return self.cpu is not None or self.background is not None


class ThpDefrag(StrEnum):
    """When a fault may compact for a huge page (/sys/kernel/mm/transparent_hugepage/defrag)."""

    ALWAYS = "always"  # at every fault
    DEFER = "defer"  # never itself: kswapd and kcompactd are woken
    DEFER_MADVISE = "defer+madvise"  # itself where MADV_HUGEPAGE was said, else as defer
    MADVISE = "madvise"  # where MADV_HUGEPAGE was said; the kernel's default
    NEVER = "never"  # a fault takes a huge page that is free, or none


class PolicyKnobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The policy's mode, by its word, and those of its other knobs that an arm writes."""

    mode: str  # a word of vm.adaptive_compaction_mode
    threshold_pct: int | None = None  # vm.adaptive_compaction_threshold
    cutoff: int | None = None  # vm.adaptive_compaction_cutoff
    min_order: int | None = None  # vm.adaptive_compaction_min_order

    @property
    def sysctls(self) -> dict[str, int]:
        """What is written, by the sysctls' full names."""
        written: dict[str, int | None] = {
            Knob.MODE.value: mode_of(self.mode).value,
            Knob.THRESHOLD_PCT.value: self.threshold_pct,
            Knob.CUTOFF.value: self.cutoff,
            Knob.MIN_ORDER.value: self.min_order,
        }
        return {name: value for name, value in written.items() if value is not None}


class Arm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to serve the burst."""

    name: str  # of a-z, 0-9, _ and -
    kernel: Variant = PATCHED  # one of [[kernels]], or one that is there without
    policy: str | PolicyKnobs | None = None  # a mode's word alone, or with other knobs
    sysctls: dict[str, int] = {}  # any others, by their full names
    gfp: str = "kernel"  # a class of kmod/high_order_test.c
    before: Action | None = None  # what is done before the burst
    thp_defrag: ThpDefrag | None = None  # of faults for huge pages; None: madvise
    plugged: Plugged | None = None  # what becomes of hotplug_mib before it; None: it stays offline
    schedule: int | None = None  # other turns of the CPUs by another; 0: only recorded; None: not

    @property
    def knobs(self) -> PolicyKnobs | None:
        """The policy's knobs that are written; None where the policy is left alone."""
        return PolicyKnobs(mode=self.policy) if isinstance(self.policy, str) else self.policy

    @property
    def settings(self) -> dict[str, int]:
        """All sysctls that the arm writes, by their full names."""
        return self.sysctls | (self.knobs.sysctls if self.knobs else {})


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole comparison."""

    name: str  # of a-z, 0-9, _ and -
    why: str  # the question, in a sentence
    memory_mib: int  # of each guest
    cpus: int = 1  # of each guest; more than one need QEMU 10
    nodes: int = 1  # each has an equal share of the memory; CPUs are spread, the first has one
    movable_mib: int = 0  # of memory_mib, in ZONE_MOVABLE
    cma_mib: int = 0  # of memory_mib, the area of contiguous memory
    hotplug_mib: int = 0  # beside memory_mib: plugged in at the moment that arms begin with
    seeds: tuple[int, ...]  # a guest for each seed, state and kernel
    baseline: str  # the arm that all others are compared with
    settle_s: int = 1  # guest seconds between an arm's settings and its burst
    icount_shift: int = 3  # an instruction takes 2^icount_shift ns of guest time
    states: tuple[State, ...]  # [[states]]
    bursts: tuple[Burst, ...]  # [[bursts]]
    arms: tuple[Arm, ...]  # [[arms]]
    kernels: tuple[Kernel, ...] = ()  # where they come from; what runs is told by their keys
    claims: tuple[Claim, ...] = ()  # no part of what an arm does, nor of its key

    def modes_of(self, variant: Variant) -> tuple[str, ...]:
        """Return the modes of the policy that arms of a kernel ask for, by their words."""
        return tuple(
            dict.fromkeys(
                arm.knobs.mode for arm in self.arms if arm.knobs and arm.kernel == variant
            )
        )

    @property
    def layout(self) -> MemoryLayout:
        """How the memory of its guests is laid out."""
        return MemoryLayout(
            nodes=self.nodes,
            movable_mib=self.movable_mib,
            cma_mib=self.cma_mib,
            hotplug_mib=self.hotplug_mib,
        )

    @property
    def most_mib(self) -> int:
        """The memory that a guest may come to have."""
        return self.memory_mib + self.hotplug_mib

    @property
    def guests(self) -> str:
        """Its guests, in words."""
        count = "one CPU" if self.cpus == 1 else f"{self.cpus} CPUs"
        laid_out = "" if self.layout.is_plain else f" ({self.layout})"
        return f"guests of {self.memory_mib} MiB{laid_out} and {count}"

    @property
    def needs(self) -> tuple[SourceText, ...]:
        """What its kernels' sources must have, for the requests that are made."""
        return tuple(dict.fromkeys(need for burst in self.bursts for need in burst.made_by.needs))

    @property
    def asks_for_turns(self) -> bool:
        """Whether its guests need what is in vm/guest/turns."""
        return any(arm.schedule is not None for arm in self.arms) or any(
            burst.is_placed for burst in self.bursts
        )

    @property
    def experiment(self) -> "Plan":
        """The plan without what is only said of it: equal where the same arms run."""
        states = tuple(
            msgspec.structs.replace(state, make="", prepare=state.command) for state in self.states
        )
        return msgspec.structs.replace(self, why="", claims=(), kernels=(), states=states)

    def kernel(self, variant: Variant) -> Kernel | None:
        """Return how the plan describes a kernel; None for a predefined one."""
        return next((one for one in self.kernels if one.name == variant), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What one boot serves: the arms of one kernel that begin with the same memory."""

    variant: Variant
    state: State
    seed: int

    @property
    def title(self) -> str:
        """Say which it is, in a line of progress."""
        return f"{self.state.name} seed {self.seed} {self.variant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRun:
    """One arm from one state by one seed."""

    group: Group
    burst: Burst
    arm: Arm

    @property
    def path(self) -> str:
        """Name its files below the results' folder `arms`, without their endings."""
        group = self.group
        return f"{group.state.name}/{self.burst.name}/seed-{group.seed}/{self.arm.name}"


def groups(plan: Plan) -> tuple[Group, ...]:
    """List all boots, a seed's together: a plan cut short has whole seeds."""
    variants = tuple(dict.fromkeys(arm.kernel for arm in plan.arms))
    return tuple(
        Group(variant=variant, state=state, seed=seed)
        for seed in plan.seeds
        for state in plan.states
        for variant in variants
    )


def runs(plan: Plan, group: Group) -> tuple[ArmRun, ...]:
    """List the arms of one boot."""
    return tuple(
        ArmRun(group=group, burst=burst, arm=arm)
        for burst in plan.bursts
        for arm in plan.arms
        if arm.kernel == group.variant
    )


def state_stage(plan: Plan, group: Group) -> StagePlan:
    """Tell the guest how to prepare."""
    before = empty_lists.command(group.state.make, plan.nodes)
    command = before + group.state.command.replace("{seed}", str(group.seed))
    return StagePlan(
        name=STATE_STAGE,
        command=command.replace("{memory_mib}", str(plan.memory_mib)),
        prepare="",
        cleanup="",
        deadline_s=group.state.deadline_s,
        note="",
    )


def arm_stage(plan: Plan, run: ArmRun) -> StagePlan:
    """Tell the guest what its arm is."""
    return StagePlan(
        name=ARM_STAGE,
        command=arm_command(plan, run.arm, run.burst).replace("{seed}", str(run.group.seed)),
        prepare="",
        cleanup="",
        deadline_s=run.burst.deadline_s,
        note="",
    )


def arm_command(plan: Plan, arm: Arm, burst: Burst) -> str:
    """Return the call of run_arm.sh; {seed} is not filled in where a kind has it."""
    words = [f"--sysctl {name}={value}" for name, value in sorted(arm.settings.items())]
    # Written always: with less than 512 MiB a kernel boots with `never` (hugepage_init).
    allowed = arm.thp_defrag or ThpDefrag.MADVISE
    words += [f"--thp-defrag {allowed}"] if burst.made_by.takes_thp_defrag else []
    words += [f"--before {arm.before}"] if arm.before else []
    words += [f"--settle {plan.settle_s}"] if plan.settle_s else []
    load = burst.background_load
    words += [f"{background_load.OPTION} {load}"] if load else []
    asked = Asked(
        order=burst.order,
        requests=burst.asked(plan.memory_mib),
        hold_until_fail=burst.hold_until_fail,
        gfp=arm.gfp,
        memory_mib=plan.memory_mib,
    )
    words.append(burst.made_by.words(asked))
    before = plug_memory.words(arm.plugged, plan.hotplug_mib)
    placed = on_node.words(burst.node, burst.cpuset_mems)
    return " ".join([*before, *_turns(arm, burst), *placed, "bash scripts/run_arm.sh", *words])


def _turns(arm: Arm, burst: Burst) -> list[str]:
    """Return what is put before an arm's command for its turns; nothing where none is asked for."""
    if arm.schedule is None and not burst.is_placed:
        return []
    options = (
        ("--schedule", arm.schedule),
        ("--cpu", burst.cpu),
        (OPTION, burst.background),
        ("--background-cpu", burst.background_cpu),
    )
    told = [f"{name} {value}" for name, value in options if value is not None]
    return ["bash", turns.SCRIPT, *told]


def padded(line: str) -> str:
    """Fill a line of the guest's plan up to the length that all arms have."""
    return line.rstrip("\n").ljust(ARM_TEXT_BYTES - 1) + "\n"

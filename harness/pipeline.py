# SPDX-License-Identifier: GPL-2.0-only
"""The stages in order, and nothing else.

fetch -> patch -> build -> guest -> run -> check -> report
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compare.kinds.base import SourceText
from harness.compare.plan import CONFIGURED_OUT, DISCARDED, UNPATCHED, Kernel, Plan, Variant
from harness.errors import UserError
from harness.guest_memory import PLAIN, MemoryLayout, layout_faults
from harness.host.accelerator import AcceleratorChoice, require_possible
from harness.host.cache import Cache
from harness.host.disk import disk_full_told
from harness.host.estimate import Memory
from harness.host.make import require_makeable
from harness.host.memory_dump import require_room
from harness.host.progress import progress
from harness.host.scratch import sweep_shared
from harness.host.series import design
from harness.report.document import Run
from harness.stages.boot import ICOUNT_SHIFT, RunSettings, require_memory
from harness.stages.build import build
from harness.stages.change import read_changes
from harness.stages.check import check, save_key
from harness.stages.configure import read_config, require_on_line
from harness.stages.fetch import fetch
from harness.stages.guest import guest
from harness.stages.patch import patch
from harness.stages.report import report
from harness.stages.run import run
from harness.stages.source_needs import require_in_source
from harness.texts.build.provides import MONITOR, mode
from harness.texts.proc.sysctl import MODE_WORDS, PolicyMode
from harness.values import Counters, GuestImage, KernelBuild, PatchedTree, RunMode, flavour_of
from harness.workloads.flavours import icount_shift_for, memory_for
from harness.workloads.paper import Scale, memory_mib, stages

logger = logging.getLogger("buddylab")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRequest:
    """Which kernel: a source and how much of the series."""

    kernel: str | None = None
    upto: str | None = None
    counters: Counters = Counters.PERCPU
    discarded: str | None = None  # a design of patches/designs, on top of the series
    changes: tuple[str, ...] = ()  # others than the series (harness.stages.change)
    config: Path | None = None  # options of the user's, or a whole .config
    flavours: tuple[str, ...] = ()  # of vm/config, merged over the guests' own
    turns: bool = False  # whether its guests have what arms in turns need (vm/guest/turns)

    @property
    def flavour(self) -> str:
        """The configuration that is built."""
        return flavour_of(self.flavours)

    def laid_out(self, layout: MemoryLayout) -> "KernelRequest":
        """Return the kernel for guests of such memory, which may need more than others do."""
        return replace(self, flavours=tuple(dict.fromkeys((*self.flavours, *layout.flavours))))

    def described(self, kernel: Kernel) -> "KernelRequest":
        """Return a kernel of a plan, which has nothing of the series but what it names."""
        return replace(
            self,
            kernel=kernel.source or self.kernel,
            upto="0",
            changes=kernel.changes,
            config=Path(kernel.config) if kernel.config else self.config,
        )

    def of_arm(self, plan: Plan, variant: Variant) -> "KernelRequest":
        """Return the kernel that a plan's arms name: one of its own, or a predefined one."""
        kernel = plan.kernel(variant)
        asked = replace(self.laid_out(plan.layout), turns=plan.asks_for_turns)
        return asked.varied(variant) if kernel is None else asked.described(kernel)

    def varied(self, variant: Variant) -> "KernelRequest":
        """Return a predefined variant of this kernel."""
        if variant == UNPATCHED:
            return replace(self, upto="0")
        if variant == CONFIGURED_OUT:
            return replace(self, counters=Counters.NONE)
        if variant.startswith(DISCARDED):
            return replace(self, discarded=variant.removeprefix(DISCARDED))
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRequest:
    """What the guest is given; None leaves it to the scale."""

    accelerator: AcceleratorChoice = AcceleratorChoice.AUTO
    cpus: int | None = None
    memory_mib: int | None = None
    layout: MemoryLayout = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The main job as the user asks for it."""

    kernel: KernelRequest
    guest: GuestRequest
    scale: str
    mode: RunMode
    seed: int = 1
    policy: PolicyMode | None = None  # None: the kernel's default
    cross_checks: bool = True
    page_owner: bool = False

    @property
    def cpus(self) -> int:
        """What its guest has; unless asked for, a live one has two and another one."""
        return self.guest.cpus or (2 if self.mode is RunMode.LIVE else 1)

    @property
    def settings(self) -> RunSettings:
        """What its guest boots with."""
        flavours = self.kernel.flavours
        return RunSettings(
            mode=self.mode,
            memory_mib=self.guest.memory_mib or memory_for(memory_mib(Scale(self.scale)), flavours),
            cpus=self.cpus,
            layout=self.guest.layout,
            seed=self.seed,
            scale=self.scale,
            icount_shift=icount_shift_for(ICOUNT_SHIFT, flavours),
            accelerator=self.guest.accelerator,
            cross_checks=self.cross_checks,
            page_owner=self.page_owner,
            policy=self.policy,
        )

    def require_possible(self) -> None:
        """Refuse what this host can execute no guest for; HostError or UserError."""
        require_possible(self.guest.accelerator, self.mode)
        for fault in layout_faults(self.guest.layout, self.settings.memory_mib):
            raise UserError(f"{fault}; ask for another guest")
        require_memory(self.settings.memory_mib)
        require_room(self.settings.memory_mib + self.guest.layout.hotplug_mib)


def open_cache() -> Cache:
    """Open the cache and clear away what killed runs left; UserError if nothing can be built."""
    cache = Cache.default()
    require_makeable(cache)
    cache.sweep()
    sweep_shared()
    return cache


def patched(request: KernelRequest, cache: Cache) -> PatchedTree:
    """Fetch the source and apply what is asked for of the series."""
    source = fetch(request.kernel, cache)
    if not request.changes:
        edit = None if request.discarded is None else design(request.discarded)
        return patch(source, cache, upto=request.upto, edit=edit)
    with cache.building("change") as scratch:
        changes, edit = read_changes(request.changes, source, scratch)
        return patch(source, cache, upto=request.upto, changes=changes, edit=edit)


def built(request: KernelRequest, cache: Cache) -> KernelBuild:
    """Build the kernel and the modules that are asked for."""
    tree = patched(request, cache)
    require_on_line(tree, request.flavour)
    return _built(tree, request, cache)


def _built(tree: PatchedTree, request: KernelRequest, cache: Cache) -> KernelBuild:
    config = None if request.config is None else read_config(request.config)
    return build(tree, cache, flavour=request.flavour, counters=request.counters, config=config)


def bootable(
    request: KernelRequest,
    cache: Cache,
    *,
    modes: Collection[str] = (),
    needs: Collection[SourceText] = (),
) -> tuple[KernelBuild, GuestImage]:
    """Build what is asked for, and a guest's initramfs for it; see `prepared`."""
    return completed(prepared(request, cache, modes=modes, needs=needs), request, cache)


def prepared(
    request: KernelRequest,
    cache: Cache,
    *,
    modes: Collection[str] = (),
    needs: Collection[SourceText] = (),
) -> PatchedTree:
    """Make the tree of what is asked for, which `completed` builds: nothing that takes long.

    Raises UserError if the kernel will not have one of the policy's `modes`, its source not what
    `needs` names, or if its options cannot be read.
    """
    tree = patched(request, cache)
    require_on_line(tree, request.flavour)
    if request.config is not None:
        read_config(request.config)
    for need in needs:
        require_in_source(tree, need)
    known = () if request.counters is Counters.NONE else tree.provides
    if lacking := [word for word in modes if mode(word) not in known]:
        there = [word for word in MODE_WORDS if mode(word) in known]
        raise UserError(
            f"the kernel asked for has no mode {', '.join(lacking)} of the policy; it has "
            f"{', '.join(there) or 'none'}: apply more of the series, or ask for another"
        )
    return tree


def completed(
    tree: PatchedTree, request: KernelRequest, cache: Cache
) -> tuple[KernelBuild, GuestImage]:
    """Build what `prepared` made, and a guest's initramfs for it."""
    kernel = _built(tree, request, cache)
    return kernel, guest(kernel, cache, turns=request.turns)


def run_to_verdict(
    request: RunRequest, kernel: KernelBuild, image: GuestImage, folder: Path, cache: Cache
) -> Run:
    """Run the experiments into `folder`, which is ours alone, and judge and report on them."""
    logger.info("run folder: %s", folder)
    plan = stages(Scale(request.scale), monitored=MONITOR in kernel.provides)
    size = f"{request.scale} {request.settings.memory_mib} MiB, {request.mode}"
    memory = Memory(cache.root, f"run {size}")
    with progress("run", total=len(plan), unit="stages", memory=memory) as advance:
        key = run(
            kernel,
            image,
            plan,
            request.settings,
            folder=folder,
            cache=cache,
            progress=lambda name, number, _count: advance(number - 1, name),
        )
    save_key(folder, key)
    return report_of(folder)


def report_of(folder: Path) -> Run:
    """Judge a run's folder and write its reports."""
    judged = check(folder, strict=False)
    with disk_full_told(folder, "copy the run folder to another disk"):
        report(judged, folder)
    return judged

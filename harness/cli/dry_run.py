# SPDX-License-Identifier: GPL-2.0-only
"""--dry-run: print the commands that a person could give by hand, and give none of them.

The source is brought and patched, and guests' programs are put together, for the commands name
them; nothing is configured, built or booted.
"""

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.compare.plan import Plan, Variant
    from harness.host.cache import Cache
    from harness.jobs.by_hand import HandMade
    from harness.pipeline import KernelRequest, RunRequest
    from harness.values import PatchedTree, Userspace


def add_dry_run_option(parser: argparse.ArgumentParser) -> None:
    """Declare it."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the commands to do it by hand, give none",
    )


def build_script(request: "KernelRequest", cache: "Cache") -> str:
    """Return how the kernel that is asked for is built."""
    from harness import pipeline
    from harness.jobs.by_hand import kernel_part, script

    one = _made("kernel", pipeline.prepared(request, cache), request)
    return script("buddylab build", iter([kernel_part(one)]))


def run_script(request: "RunRequest", tree: "PatchedTree", cache: "Cache") -> str:
    """Return how a run's kernel is built and its guest booted."""
    from harness.host import emulator
    from harness.jobs.by_hand import (
        boot_part,
        initramfs_part,
        kernel_part,
        programs_part,
        run_function,
        script,
    )
    from harness.texts.build.provides import MONITOR
    from harness.workloads.paper import Scale, stages

    one = _made("kernel", tree, request.kernel)
    plan = stages(Scale(request.scale), monitored=MONITOR in tree.provides)
    parts = (
        programs_part(_userspace(cache), one.flavour, turns=False),
        kernel_part(one),
        initramfs_part(one, turns=False),
        run_function(emulator.find(cache), request.settings),
        boot_part("run", one, plan),
    )
    return script("buddylab run", iter(parts))


def arms_script(
    title: str,
    plan: "Plan",
    requests: Mapping["Variant", "KernelRequest"],
    trees: Mapping["Variant", "PatchedTree"],
    cache: "Cache",
) -> str:
    """Return how a plan's kernels are built, and a guest booted for each arm of its first seed."""
    from harness.host import emulator
    from harness.jobs.by_hand import (
        arm_function,
        arm_parts,
        initramfs_part,
        kernel_part,
        programs_part,
        script,
    )
    from harness.jobs.lab import settings_of

    if plan.hotplug_mib:
        raise UserError(
            f"plan {plan.name} has memory plugged in while its guests stand still (hotplug_mib), "
            "which no command does by hand; run it without --dry-run"
        )
    made = [_made(name, trees[name], request) for name, request in requests.items()]
    turns = plan.asks_for_turns

    def parts() -> Iterator[str]:
        yield programs_part(_userspace(cache), made[0].flavour, turns=turns)
        for one in made:
            yield kernel_part(one)
            yield initramfs_part(one, turns=turns)
        yield arm_function(emulator.find(cache), settings_of(plan))
        yield from arm_parts(plan, made)

    return script(title, parts())


def _made(name: str, tree: "PatchedTree", request: "KernelRequest") -> "HandMade":
    from harness.jobs.by_hand import HandMade
    from harness.stages.configure import read_config

    config = None if request.config is None else read_config(request.config)
    return HandMade(
        name=name,
        tree=tree,
        counters=request.counters,
        config=config,
        flavour=request.flavour,
    )


def _userspace(cache: "Cache") -> "Userspace":
    from harness.stages.build import compiler_id
    from harness.stages.userspace import userspace

    return userspace(compiler_id(), cache)

# SPDX-License-Identifier: GPL-2.0-only
"""by hand: what a person could type instead of a verb, as a shell script that does it.

It makes the same kernels: the same source, options and environment. Guests are booted from
power-on, one for each arm: what `compare` saves by going on from a saved state is time.
"""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.arch.x86_64 import X86_64
from harness.compare import plan as plans
from harness.compare.plan import Plan
from harness.host import qemu
from harness.host.accelerator import Speed
from harness.host.assets import asset
from harness.host.emulator import Emulator
from harness.host.environment import PINNED
from harness.host.make import REPRODUCIBLE, compiler_arguments
from harness.record.key import plan_lines
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles
from harness.stages.build import NO_KASAN_YET
from harness.stages.configure import fragment_for
from harness.texts.build.kconfig import UserConfig, without_modules
from harness.values import BASE_FLAVOUR, Accelerator, Counters, PatchedTree, StagePlan

PLACE = "by-hand"
_KERNEL, _INITRAMFS, _PLAN = "kernel", "initramfs", "plan"
_END = "END"
# Before a kernel is built for nothing.
_NEEDED = """\
command -v buddylab > /dev/null || {
	echo "buddylab is not in PATH, and makes the guest's programs: add its folder" >&2
	exit 2
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandMade:
    """A kernel, as `build` is asked for it."""

    name: str
    tree: PatchedTree
    counters: Counters
    config: UserConfig | None
    flavour: str = BASE_FLAVOUR

    @property
    def folder(self) -> str:
        """Where make puts its objects."""
        return f"$here/{_slug(self.name)}"


def script(title: str, parts: Iterator[str]) -> str:
    """Return a whole script: what `title` names, by hand."""
    environment = {**PINNED, **REPRODUCIBLE}
    del environment["TERM"]
    exports = "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()
    )
    body = "".join(f"\n{part}" for part in parts)
    needed = _NEEDED if "$(buddylab " in body else ""
    head = f"#!/bin/sh\n# {title}, by hand; all is made below ./{PLACE}\nset -eu\n"
    return f"{head}{needed}{exports}here=$PWD/{PLACE}\n{body}"


def kernel_part(one: HandMade) -> str:
    """Configure and build a kernel and the modules."""
    source = shlex.quote(str(one.tree.tree))
    fragment = fragment_for(one.tree, one.flavour, one.counters, one.config)
    make = shlex.join(
        ["make", f"--jobs={os.cpu_count() or 1}", "-C", str(one.tree.tree), *compiler_arguments()]
    )
    whole = one.config is not None and one.config.is_whole
    first = (
        _file("$out/.config", without_modules(one.config.text))
        if whole and one.config
        else f'{make} O="$out" tinyconfig\n'
    )
    patches = "".join(f"#   {name}\n" for name in one.tree.patches) or "#   none\n"
    source_told = one.tree.source
    return (
        f"# kernel {one.name}: {source_told.release} ({source_told.origin}), with these patches:\n"
        f"{patches}"
        f'out={one.folder}\nmkdir -p "$out"\n{first}'
        f"{_file('$out/fragment.config', fragment)}"
        f'{source}/scripts/kconfig/merge_config.sh -m -O "$out" "$out/.config" '
        '"$out/fragment.config"\n'
        f'{make} O="$out" olddefconfig\n'
        f'{make} O="$out" vmlinux modules {" ".join(NO_KASAN_YET)}\n'
        f'rm -rf "$out/kmod"\ncp -r {shlex.quote(str(asset("kmod")))} "$out/kmod"\n'
        f'{make} O="$out" M="$out/kmod" W=1 modules\n'
    )


def initramfs_part(one: HandMade, userspace: Sequence[str]) -> str:
    """Add the modules to an initramfs that `userspace`, a command, prints the path of."""
    return (
        "# its initramfs: programs of any guest, and these modules in the place of that one's\n"
        f"out={one.folder}\n"
        'for module in "$out"/kmod/*.ko; do\n'
        '\techo "file /root/kmod/${module##*/} $module 0644 0 0"\n'
        'done > "$out/modules.list"\n'
        '"$out/usr/gen_init_cpio" -t 0 "$out/modules.list" > "$out/modules.cpio"\n'
        f'cat "$({shlex.join(userspace)})" "$out/modules.cpio" > "$out/{_INITRAMFS}"\n'
    )


def boot_function(used: Emulator, settings: RunSettings) -> str:
    """Define how a repeatable guest is booted: the same machine as the verb's."""
    speed = Speed(emulator=used, accelerator=Accelerator.TCG, boot_s=0.0, why="by hand")
    what = BootFiles(
        kernel=Path(_KERNEL), initrd=Path(_INITRAMFS), vmlinux_digest="", initramfs_digest=""
    )
    ports = qemu.Ports(
        console=Path("console.log"),
        results=Path("results.tar"),
        status=Path("status.log"),
        freeze=Path("free-memory"),
    )
    spec = replace(boot.spec_of(what, settings, speed, Path()), ports=ports, plan=Path(_PLAN))
    environment = "".join(f"{name}={shlex.quote(value)} " for name, value in used.env.items())
    return (
        "# guest FOLDER KERNEL, its plan on standard input: boots it, and unpacks what it sends\n"
        "guest() {\n"
        f'\tmkdir -p "$here/$1/raw"\n\tcat > "$here/$1/{_PLAN}"\n'
        f'\tln -sfn "$here/$2/{X86_64.kernel_image}" "$here/$1/{_KERNEL}"\n'
        f'\tln -sfn "$here/$2/{_INITRAMFS}" "$here/$1/{_INITRAMFS}"\n'
        f'\t(cd "$here/$1" && {environment}{shlex.join(qemu.qemu_argv(spec))})\n'
        '\ttail -n 1 "$here/$1/status.log"\n'
        '\ttar -xif "$here/$1/results.tar" -C "$here/$1/raw"\n'
        "}\n"
    )


def boot_part(folder: str, one: HandMade, stages: Sequence[StagePlan]) -> str:
    """Boot a guest that runs `stages`."""
    lines = "".join(f"{line}\n" for line in plan_lines(stages))
    return f"guest {_slug(folder)} {_slug(one.name)} <<'{_END}'\n{lines}{_END}\n"


def arm_parts(plan: Plan, kernels: Sequence[HandMade]) -> Iterator[str]:
    """Boot a guest for each arm of the plan's first seed."""
    by_name = {one.name: one for one in kernels}
    first, *others = plan.seeds
    if others:
        told = ", ".join(map(str, others))
        yield (f"# seed {first}; {told}: in `guest` for -seed, buddylab.seed= and in the plans\n")
    for group in plans.groups(plan):
        if group.seed != first:
            continue
        for run in plans.runs(plan, group):
            name = f"{group.state.name}-{run.burst.name}-{run.arm.name}"
            stages = (plans.state_stage(plan, group), plans.arm_stage(plan, run))
            yield boot_part(name, by_name[group.variant], stages)


def _file(path: str, text: str) -> str:
    return f"cat > \"{path}\" <<'{_END}'\n{text.rstrip()}\n{_END}\n"


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)

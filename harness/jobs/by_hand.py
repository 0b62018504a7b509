# SPDX-License-Identifier: GPL-2.0-only
"""by hand: what a person could type instead of a verb, as a shell script that does it.

It makes the same kernels, of the same source, options and environment, and the same initramfs.
Guests are booted from power-on, one for each arm. An arm begins with the memory that it has in
`compare`, and somewhat earlier: what saves time by going on from a saved state sets its clock to
the next whole second (harness/host/machine_state.py).
"""

import os
import re
import shlex
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.arch.x86_64 import X86_64
from harness.compare import plan as plans
from harness.compare.plan import ARM_TEXT_BYTES, Plan
from harness.host import qemu
from harness.host.accelerator import Speed
from harness.host.assets import asset
from harness.host.emulator import Emulator
from harness.host.environment import PINNED
from harness.host.make import REPRODUCIBLE, compiler_arguments
from harness.host.qemu import GuestMode, GuestSpec, Pausable, Ports
from harness.record.key import plan_lines
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles
from harness.stages.build import NO_KASAN_YET
from harness.stages.configure import fragment_for
from harness.stages.guest import (
    BUSYBOX,
    GEN_INIT_CPIO,
    MODULES,
    files_of,
    listing,
    modules_absent,
    scripts_of,
)
from harness.texts.build.kconfig import UserConfig, without_modules
from harness.values import BASE_FLAVOUR, Accelerator, Counters, PatchedTree, StagePlan, Userspace

PLACE = "by-hand"
_KERNEL, _INITRAMFS, _PLAN, _ARM = "kernel", "initramfs", "plan", "arm"
_END = "END"
# Of gen_init_cpio's lines, those before and after the modules' own; scripts that only some have.
_BEFORE, _AFTER, _SCRIPTS = "before.list", "after.list", "scripts"
_WRAPPED = 100  # columns


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
    head = f"#!/bin/sh\n# {title}, by hand; all is made below ./{PLACE}\nset -eu\n{exports}"
    place = f'here=$PWD/{PLACE}\nmkdir -p "$here"\n'
    return "".join((head, place, *(f"\n{part}" for part in parts)))


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


def programs_part(inside: Userspace, flavour: str, *, turns: bool) -> str:
    """Write down once what every guest's initramfs has beside its kernel's modules."""
    scripts = scripts_of(flavour)
    modules = f"file {MODULES}/*"
    files = {
        **files_of(inside, turns=turns),
        **{name: Path("..", _SCRIPTS, path.name) for name, path in scripts.items()},
        f"{MODULES}/*": Path("*"),
    }
    lines = [line for line in listing(files, inside.applets) if not line.startswith("slink ")]
    (place,) = (at for at, line in enumerate(lines) if line.startswith(modules))
    named = textwrap.wrap(" ".join(inside.applets), _WRAPPED, break_long_words=False)
    applets = " \\\n\t".join(named)
    return (
        "# what each guest has beside its kernel's modules, as gen_init_cpio reads it\n"
        f"{_scripts(scripts.values())}"
        f"{_file(f'$here/{_BEFORE}', _joined(lines[:place]))}"
        f"{_file(f'$here/{_AFTER}', _joined(lines[place + 1 :]))}"
        f"for applet in {applets}; do\n"
        f'\techo "slink $applet {BUSYBOX} 0777 0 0"\n'
        f'done >> "$here/{_AFTER}"\n'
    )


def _scripts(paths: Collection[Path]) -> str:
    if not paths:
        return ""
    named = shlex.join(map(str, paths))
    place = f'"$here/{_SCRIPTS}"'
    return f"mkdir -p {place}\ncp {named} {place}\ntouch -d @0 {place}/*\n"


def initramfs_part(one: HandMade, *, turns: bool) -> str:
    """Write a kernel's initramfs: what every guest has, and its modules among it."""
    absent = " ".join(f'"$out/kmod/{name}"' for name in modules_absent(turns=turns))
    return (
        f"# initramfs of kernel {one.name}\n"
        f"out={one.folder}\n"
        f'rm -f {absent}\ntouch -d @0 "$out"/kmod/*.ko\n'
        "(\n"
        '\tcd "$out"\n'
        f"\tcat ../{_BEFORE}\n"
        "\tfor module in kmod/*.ko; do\n"
        f'\t\techo "file {MODULES}/${{module##*/}} $module 0644 0 0"\n'
        "\tdone\n"
        f"\tcat ../{_AFTER}\n"
        ') > "$out/files.list"\n'
        f'(cd "$out" && usr/{GEN_INIT_CPIO} -t 0 files.list > {_INITRAMFS})\n'
    )


def run_function(used: Emulator, settings: RunSettings) -> str:
    """Define how a repeatable guest is booted: the same machine as the verb's."""
    spec = _spec_of(used, settings)
    return _boot_function(
        replace(spec, ports=replace(spec.ports, freeze=Path("free-memory"))),
        "its plan on standard input",
        f'\tcat > "$here/$1/{_PLAN}"\n',
    )


def arm_function(used: Emulator, settings: RunSettings) -> str:
    """Define how an arm's guest is booted: it makes the state, and goes on where others stop."""
    arm = Pausable(memory=None, arm=Path(_ARM), starts_from_snapshot=False)
    lines = f'"$here/$1/{_PLAN}.lines"'
    return _boot_function(
        replace(_spec_of(used, settings), mode=GuestMode.COMPARE, pausable=arm),
        "how its state is made and its arm on standard input",
        f"\tcat > {lines}\n"
        f'\tsed -n 1p {lines} > "$here/$1/{_PLAN}"\n'
        "\t# as long in every arm\n"
        f'\tprintf \'%-{ARM_TEXT_BYTES - 1}s\\n\' "$(sed -n 2p {lines})" > "$here/$1/{_ARM}"\n',
    )


def _spec_of(used: Emulator, settings: RunSettings) -> GuestSpec:
    speed = Speed(emulator=used, accelerator=Accelerator.TCG, boot_s=0.0, why="by hand")
    what = BootFiles(
        kernel=Path(_KERNEL), initrd=Path(_INITRAMFS), vmlinux_digest="", initramfs_digest=""
    )
    ports = Ports(
        console=Path("console.log"), results=Path("results.tar"), status=Path("status.log")
    )
    spec = boot.spec_of(what, settings, speed, Path())
    return replace(spec, ports=ports, plan=Path(_PLAN))


def _boot_function(spec: GuestSpec, told: str, reading: str) -> str:
    environment = "".join(
        f"{name}={shlex.quote(value)} " for name, value in spec.emulator.env.items()
    )
    return (
        f"# guest FOLDER KERNEL, {told}: boots it, and unpacks what it sends\n"
        "guest() {\n"
        f'\tmkdir -p "$here/$1/raw"\n{reading}'
        f'\tln -sfn "$here/$2/{X86_64.kernel_image}" "$here/$1/{_KERNEL}"\n'
        f'\tln -sfn "$here/$2/{_INITRAMFS}" "$here/$1/{_INITRAMFS}"\n'
        f'\t(cd "$here/$1" && {environment}{shlex.join(qemu.qemu_argv(spec))})\n'
        '\ttail -n 1 "$here/$1/status.log"\n'
        '\t[ "$(tail -n 1 "$here/$1/status.log")" = "buddylab done exit=0" ]\n'
        '\ttar -xif "$here/$1/results.tar" -C "$here/$1/raw"\n'
        "}\n"
    )


def boot_part(folder: str, one: HandMade, stages: Sequence[StagePlan]) -> str:
    """Boot a guest that runs `stages`."""
    lines = _joined(plan_lines(stages))
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


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _file(path: str, text: str) -> str:
    return f"cat > \"{path}\" <<'{_END}'\n{text.rstrip()}\n{_END}\n"


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)

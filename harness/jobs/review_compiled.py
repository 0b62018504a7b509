# SPDX-License-Identifier: GPL-2.0-only
"""review: the gates that compile the touched objects without and with the series."""

import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from harness.host.command import require
from harness.host.make import Slot
from harness.jobs.review_builds import (
    ALLMODCONFIG,
    ALLNOCONFIG,
    CONFIGURATIONS,
    DEFCONFIG,
    Configuration,
    called,
    compile_objects,
    configure_as,
    turned_slot,
)
from harness.jobs.reviewed import Findings, Reviewed
from harness.texts.build.review_log import Complaint, deep_stacks, new_complaints, stacks
from harness.values import PatchedTree

logger = logging.getLogger("review")

STACK_BYTES = 512  # from there on a function is a candidate for change (submit-checklist.rst)
# Of other word sizes and byte orders, by the name that kbuild has for them. gcc compiles for
# 32 bits without more; the rest is looked for.
WORD_32 = "i386"
CROSS = {
    "arm64": "aarch64-linux-gnu-",
    "arm": "arm-linux-gnueabihf-",
    "powerpc": "powerpc64le-linux-gnu-",
    "riscv": "riscv64-linux-gnu-",
    "s390": "s390x-linux-gnu-",
}
_BIG_ENDIAN = "s390"
_INCLUDED_SOURCE = re.compile(r'^#include "([^"\n]+\.c)"', re.MULTILINE)
_Made = TypeVar("_Made")


def warnings(series: Reviewed) -> Findings:
    """Compile the touched objects in every configuration, without a new warning."""
    wrong: list[str] = []
    for configuration in CONFIGURATIONS:
        found = _added(series, configuration, "warnings", "W=1")
        wrong += [f"{configuration.name}: {complaint}" for complaint in found]
    names = ", ".join(item.name for item in CONFIGURATIONS)
    return Findings(tuple(wrong), (f"{_objects_of(series)} with W=1 under {names}",))


def sparse(series: Reviewed) -> Findings:
    """Let sparse find nothing in the touched objects that was not there before."""
    require("sparse")
    found = _added(series, DEFCONFIG, "sparse", "C=2")
    return Findings(
        tuple(map(str, found)), (f"{_objects_of(series)} with C=2 under {DEFCONFIG.name}",)
    )


def extra_warnings(series: Reviewed) -> Findings:
    """Compile the touched objects with gcc's -W, without a new warning.

    A defconfig makes each an error (CONFIG_WERROR), and the kernel's own headers have many. Of
    unused parameters the kernel's own W=1 does not warn (scripts/Makefile.extrawarn).
    """
    flags = "-W -Wno-unused-parameter -Wno-error"
    found = _added(series, DEFCONFIG, "extra-warnings", f"KCFLAGS={flags}")
    return Findings(tuple(map(str, found)), (f"{_objects_of(series)} with KCFLAGS='{flags}'",))


def all_configs(series: Reviewed) -> Findings:
    """Compile the touched objects with as little, and with as much as there is."""
    wrong: list[str] = []
    for one in (ALLNOCONFIG, ALLMODCONFIG):
        wrong += [f"{one.name}: {complaint}" for complaint in _added(series, one, "all-configs")]
    return Findings(tuple(wrong), (f"{_objects_of(series)}, no whole kernel",))


def arch(series: Reviewed) -> Findings:
    """Compile the touched objects for other architectures: word sizes, byte orders."""
    known = {name: prefix for name, prefix in CROSS.items() if shutil.which(f"{prefix}gcc")}
    wrong: list[str] = []
    for name, prefix in {WORD_32: "", **known}.items():
        arguments = (
            f"ARCH={name}",
            *((f"CROSS_COMPILE={prefix}", f"CC={prefix}gcc") * bool(prefix)),
        )
        there = replace(DEFCONFIG, name=name, arguments=arguments)
        wrong += [f"{name}: {complaint}" for complaint in _added(series, there, "arch")]
    notes = [f"{_objects_of(series)} for {', '.join((WORD_32, *known))}"]
    if _BIG_ENDIAN not in known:
        notes.append(f"no big-endian one: {CROSS[_BIG_ENDIAN]}gcc is not installed")
    return Findings(tuple(wrong), tuple(notes))


def stack(series: Reviewed) -> Findings:
    """Let no function of the touched objects need a deep stack that did not before.

    The compiler says how deep (gcc -fstack-usage). scripts/checkstack.pl of `make checkstack`
    adds up what x86 code takes from the stack pointer and what it gives back: it tells most
    frames twice as deep as they are.
    """
    before, after = _compiled(
        series, DEFCONFIG, "stack", lambda slot, tree: _stacks(series, tree, slot)
    )
    deepest = max(after.items(), key=lambda item: item[1], default=("no function", 0))
    return Findings(
        deep_stacks(before, after, STACK_BYTES),
        (f"{_objects_of(series)}: {deepest[0]} has the deepest stack, {deepest[1]} bytes",),
    )


def _stacks(series: Reviewed, tree: PatchedTree, slot: Slot) -> dict[str, int]:
    """Return the stack of each function, in bytes, as the compiler tells it."""
    names = touched_objects(series, tree)
    compile_objects(slot, names, ["KCFLAGS=-fstack-usage"])
    return {
        f"{name}: {function}": size
        for name in names
        for function, size in stacks((slot.objects / name).with_suffix(".su").read_text())
    }


def _added(
    series: Reviewed, configuration: Configuration, gate: str, *arguments: str
) -> tuple[Complaint, ...]:
    """Compile the touched objects without and with the series and compare what is said."""
    before, after = _compiled(
        series,
        configuration,
        gate,
        lambda slot, tree: compile_objects(
            slot, touched_objects(series, tree), [*configuration.arguments, *arguments]
        ),
    )
    return new_complaints(before, after, series.touched)


def _compiled(
    series: Reviewed,
    configuration: Configuration,
    gate: str,
    make: Callable[[Slot, PatchedTree], _Made],
) -> tuple[_Made, _Made]:
    """Return what `make` does in a slot of this configuration, without and with the series."""
    found = []
    for tree in (series.tree("0"), series.tree()):
        logger.info("%s: %s, %s", gate, configuration.name, called(tree))
        with turned_slot(tree, f"review-{configuration.name}", series.cache) as slot:
            configure_as(slot, configuration, tree)
            found.append(make(slot, tree))
    before, after = found
    return before, after


def touched_objects(series: Reviewed, tree: PatchedTree) -> list[str]:
    """Name the objects of the touched sources that `tree` has.

    A source that another one includes, as tests of static functions are, has none of its own.
    """
    names = sorted(name for name in series.touched if name.endswith(".c"))
    texts = {
        name: (tree.tree / name).read_text(errors="replace")
        for name in names
        if (tree.tree / name).exists()
    }
    included = {
        str(Path(name).parent / other)
        for name, text in texts.items()
        for other in _INCLUDED_SOURCE.findall(text)
    }
    return [f"{name[:-2]}.o" for name in texts if name not in included]


def _objects_of(series: Reviewed) -> str:
    return " ".join(touched_objects(series, series.tree()))

# SPDX-License-Identifier: GPL-2.0-only
"""review: objects compiled in a slot, under the configurations that a reviewer would try."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StageError
from harness.host.cache import Cache
from harness.host.command import CommandFailedError
from harness.host.deadline import Deadline
from harness.host.make import Slot, slot_for, told
from harness.stages.build import compiler_id
from harness.stages.configure import MONITOR_OPTION, configure, fragment_for
from harness.texts.build.kconfig import dropped, parse_config
from harness.texts.build.provides import option
from harness.texts.build.review_log import Complaint, complaints
from harness.values import BASE_FLAVOUR, Counters, PatchedTree

logger = logging.getLogger("review")

MAKE_LIMIT_S = 1800.0
PAGE_ALLOC = "mm/page_alloc.o"
KUNIT_OPTION = "CONFIG_BUDDY_MONITOR_KUNIT_TEST"
_OFF = f"# {MONITOR_OPTION} is not set\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A kernel configuration to compile the touched objects in."""

    name: str
    base: str  # make target
    fragment: tuple[str, ...] = ()  # on top of it; each line is checked to survive
    counters: Counters = Counters.PERCPU  # with the series; the default of its choice
    arguments: tuple[str, ...] = ()  # to make
    with_tests: bool = False  # KUnit and the series' own


DEFCONFIG = Configuration(name="defconfig", base="defconfig", with_tests=True)
ALLNOCONFIG = Configuration(name="allnoconfig", base="allnoconfig")
ALLMODCONFIG = Configuration(name="allmodconfig", base="allmodconfig")
CONFIGURATIONS = (
    DEFCONFIG,
    Configuration(name="atomic", base="defconfig", counters=Counters.ATOMIC),
    ALLNOCONFIG,
    Configuration(name="smp-n", base="defconfig", fragment=("# CONFIG_SMP is not set",)),
    Configuration(
        name="compaction-n",
        base="defconfig",
        fragment=("# CONFIG_TRANSPARENT_HUGEPAGE is not set", "# CONFIG_COMPACTION is not set"),
    ),
    Configuration(
        name="proc-fs-n",
        base="defconfig",
        fragment=("CONFIG_EXPERT=y", "# CONFIG_PROC_FS is not set"),
    ),
    Configuration(
        name="debug-fs-n",
        base="defconfig",
        fragment=("# CONFIG_BLK_DEV_IO_TRACE is not set", "# CONFIG_DEBUG_FS is not set"),
    ),
    # With what else changes the allocator's paths: memcg, injected failures, owners, lockdep.
    Configuration(
        name="numa-y",
        base="defconfig",
        fragment=(
            "CONFIG_NUMA=y",
            "CONFIG_MEMCG=y",
            "CONFIG_COMPACTION=y",
            "CONFIG_DEBUG_KERNEL=y",
            "CONFIG_DEBUG_FS=y",
            "CONFIG_DEBUG_VM=y",
            "CONFIG_PROVE_LOCKING=y",
            "CONFIG_PAGE_OWNER=y",
            "CONFIG_FAULT_INJECTION=y",
            "CONFIG_FAIL_PAGE_ALLOC=y",
            "CONFIG_FAULT_INJECTION_DEBUG_FS=y",
        ),
    ),
)


def page_alloc_object(tree: PatchedTree, cache: Cache) -> bytes:
    """Compile mm/page_alloc.c of `tree` as the guest has it, but with the option off.

    All trees of one kernel line are compiled in one slot, so that paths are equal.
    """
    text = fragment_for(tree, BASE_FLAVOUR, Counters.NONE)
    with turned_slot(tree, "identity", cache) as slot:
        logger.info("identity: %s with %s", PAGE_ALLOC, called(tree))
        configure(slot, tree, text + _OFF, log_path=fresh_log(slot, "configure"))
        _make(slot, [PAGE_ALLOC])
        return (slot.objects / PAGE_ALLOC).read_bytes()


@contextlib.contextmanager
def turned_slot(tree: PatchedTree, flavour: str, cache: Cache) -> Iterator[Slot]:
    """Hold the slot of this flavour, turned to `tree`, while the caller compiles in it."""
    with slot_for(tree, flavour, compiler_id(), cache).held(cache) as slot:
        slot.turn_to(tree, cache)
        yield slot


def configure_as(slot: Slot, configuration: Configuration, tree: PatchedTree) -> None:
    """Write `.config`; the last word on an option is the fragment's."""
    lines = list(configuration.fragment)
    if option(MONITOR_OPTION) in tree.provides:
        choice = f"{MONITOR_OPTION}_{configuration.counters.name}"
        lines += [f"{MONITOR_OPTION}=y", f"{choice}=y"]
    if configuration.with_tests and option(KUNIT_OPTION) in tree.provides:
        lines += ["CONFIG_KUNIT=y", f"{KUNIT_OPTION}=y"]
    fragment = "".join(f"{line}\n" for line in lines)
    config = slot.objects / ".config"
    _make(slot, [*configuration.arguments, configuration.base])
    with config.open("a") as file:
        file.write(fragment)
    _make(slot, [*configuration.arguments, "olddefconfig"])
    if lost := dropped(parse_config(fragment), parse_config(config.read_text())):
        raise StageError("review", f"{configuration.name} did not keep {', '.join(lost)}")


def compile_objects(
    slot: Slot, objects: list[str], arguments: list[str], *, targets: Sequence[str] = ()
) -> tuple[Complaint, ...]:
    """Compile `objects` whether or not they are up to date; return what is complained about."""
    for name in objects:
        (slot.objects / name).unlink(missing_ok=True)
    log = _make(slot, [*arguments, *(targets or objects)])
    return complaints(log, str(slot.source.resolve()))


def _make(slot: Slot, targets: list[str]) -> str:
    log_path = fresh_log(slot, "review")
    deadline = Deadline.after(MAKE_LIMIT_S, f"make {' '.join(targets)}")
    try:
        return "\n".join(slot.make(targets, deadline=deadline, log_path=log_path))
    except CommandFailedError as error:
        raise StageError("review", told(error), log_path=log_path) from error


def fresh_log(slot: Slot, name: str) -> Path:
    """Name a log in the slot that holds nothing of an earlier make."""
    path = slot.root / f"{name}.log"
    path.unlink(missing_ok=True)
    return path


def called(tree: PatchedTree) -> str:
    """Name a tree as progress lines do."""
    count = len(tree.patches)
    return f"{tree.source.release} and {count} patches" if count else f"{tree.source.release} alone"

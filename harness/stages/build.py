# SPDX-License-Identifier: GPL-2.0-only
"""build: kernel image, modules and our modules, kept under the digest of their inputs."""

import logging
import shutil
from pathlib import Path

from harness.arch.x86_64 import X86_64
from harness.digest import sha256_text
from harness.errors import StageError
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.command import CommandFailedError, run
from harness.host.deadline import Deadline
from harness.host.elf import module_info
from harness.host.estimate import Memory
from harness.host.files import remove_tree, sha256_file, sha256_tree
from harness.host.make import Slot, slot_for, told
from harness.host.progress import progress
from harness.stages.configure import configure, fragment_for
from harness.texts.build.kconfig import UserConfig
from harness.texts.build.rules import Rule, rules_in
from harness.values import BASE_FLAVOUR, Counters, KernelBuild, PatchedTree

logger = logging.getLogger("build")

BUILD_LIMIT_S = 5400.0
QUICK_LIMIT_S = 900.0
MODULE = "high_order_test"
RECIPE_VERSION = "2"  # raised when this file changes what a build leaves

# vmlinux is started by its PVH entry, before KASAN has its shadow: 5.15 and 6.1 compile it, and the
# memcmp() that it calls, with KASAN's checks all the same, and such a kernel ends there. Later ones
# do so no more (arch/x86/platform/pvh/Makefile).
NO_KASAN_YET = ("KASAN_SANITIZE_enlighten.o=n", "KASAN_SANITIZE_string.o=n")

# What later stages use, below the slot's output directory.
KEPT = (
    X86_64.kernel_image,
    ".config",
    "Module.symvers",
    "usr/gen_init_cpio",
)


def build(
    tree: PatchedTree,
    cache: Cache,
    *,
    flavour: str = BASE_FLAVOUR,
    counters: Counters = Counters.PERCPU,
    config: UserConfig | None = None,
) -> KernelBuild:
    """Configure and build `tree` with our module, or return the same build from the cache.

    Raises StageError with the first real error line; what was built before stays.
    """
    compiler = compiler_id()
    fragment = fragment_for(tree, flavour, counters, config)
    whole = (config.text,) if config and config.is_whole else ()

    def key_with(digest: str) -> str:
        return sha256_text("kernel", RECIPE_VERSION, tree.key, fragment, digest, compiler, *whole)

    if cached := cache.load("kernels", key_with(sha256_tree(asset("kmod"))), KernelBuild):
        return cached
    # Another configuration compiles most of it anew: it has objects of its own.
    place = f"{flavour}-{sha256_text(config.text)[:8]}" if config else flavour
    with (
        slot_for(tree, place, compiler, cache).held(cache) as slot,
        cache.building("kernel") as scratch,
    ):
        # Who edits the modules while we wait, or while make works, edits another build's.
        kmod = Path(shutil.copytree(asset("kmod"), scratch / "kmod"))
        digest = sha256_tree(kmod)
        key = key_with(digest)
        # Another run may have built it while we waited; its files are in use now.
        if cached := cache.load("kernels", key, KernelBuild):
            return cached
        slot.turn_to(tree, cache)
        log_path = slot.root / f"build-{key[:8]}.log"
        log_path.unlink(missing_ok=True)
        config_digest = configure(slot, tree, fragment, log_path=log_path, user=config)
        # What a rebuild takes depends on the edit: only one from nothing tells of the next.
        is_first = not (slot.objects / X86_64.kernel_image).exists()
        memory = Memory(cache.root, f"build {slot.root.name}") if is_first else None
        _kernel(slot, log_path, memory)
        _modules(slot, kmod, digest, scratch, log_path)
        remove_tree(kmod)
        _keep(slot, scratch)
        value = _describe(
            tree=tree,
            slot=slot,
            scratch=scratch,
            flavour=flavour,
            counters=counters,
            config_digest=config_digest,
            compiler=compiler,
            key=key,
            cache=cache,
        )
        cache.publish(scratch, "kernels", key, value)
    return value


def _kernel(slot: Slot, log_path: Path, memory: Memory | None) -> None:
    deadline = Deadline.after(BUILD_LIMIT_S, "building the kernel")
    logger.info("kernel image and modules; log in %s", log_path)
    try:
        with progress("build", total=None, unit="steps", memory=memory) as advance:
            targets = [X86_64.kernel_image, "modules", *NO_KASAN_YET]
            lines = slot.make(targets, deadline=deadline, log_path=log_path)
            for count, line in enumerate(lines, start=1):
                advance(count, line.strip()[:60])
    except CommandFailedError as error:
        raise _build_error(error, log_path) from error


def _modules(slot: Slot, kmod: Path, digest: str, scratch: Path, log_path: Path) -> None:
    """Build our modules beside the kernel's objects: the project's own directory stays clean."""
    place = slot.modules_of(kmod, digest)
    deadline = Deadline.after(QUICK_LIMIT_S, "building the modules")
    try:
        list(slot.make([f"M={place}", "W=1", "modules"], deadline=deadline, log_path=log_path))
    except CommandFailedError as error:
        raise _build_error(error, log_path) from error
    for module in sorted(place.glob("*.ko")):
        shutil.copy2(module, scratch)


def _build_error(error: CommandFailedError, log_path: Path) -> StageError:
    return StageError("build", told(error), log_path=log_path)


def _keep(slot: Slot, scratch: Path) -> None:
    for name in KEPT:
        target = scratch / (
            Path(name).name.removeprefix(".") if name == ".config" else Path(name).name
        )
        shutil.copy2(slot.objects / name, target)


def _provided(tree: PatchedTree, counters: Counters) -> tuple[str, ...]:
    """Without the monitor a kernel has the rules of its line, and nothing of the series."""
    if counters is not Counters.NONE:
        return tree.provides
    return tuple(rule.word for rule in Rule if rule in rules_in(tree.provides))


def _describe(
    *,
    tree: PatchedTree,
    slot: Slot,
    scratch: Path,
    flavour: str,
    counters: Counters,
    config_digest: str,
    compiler: str,
    key: str,
    cache: Cache,
) -> KernelBuild:
    release = (slot.objects / "include/config/kernel.release").read_text().strip()
    info = module_info(scratch / f"{MODULE}.ko")
    if info["vermagic"].split()[0] != release:
        raise StageError(
            "build",
            f"the module says it is for {info['vermagic']!r}, the kernel is {release}; "
            "remove the slot below the cache's slots/ and build again",
        )
    return KernelBuild(
        tree=tree,
        flavour=flavour,
        counters=counters,
        provides=_provided(tree, counters),
        config_digest=config_digest,
        compiler=compiler,
        release=release,
        vmlinux_digest=sha256_file(scratch / "vmlinux"),
        module_digest=sha256_file(scratch / f"{MODULE}.ko"),
        module_srcversion=info["srcversion"],
        key=key,
        directory=cache.entry("kernels", key),
    )


def compiler_id() -> str:
    """Name what compiles and links: part of every build's key."""
    deadline = Deadline.after(QUICK_LIMIT_S, "asking for versions")

    def version(program: str) -> str:
        # A compiler that warns beside its answer, on stderr, is the same compiler.
        said = run([program, "--version"], deadline=deadline, stdout_apart=True).raw
        return said.decode(errors="replace").partition("\n")[0]

    return f"{version('gcc')}; {version('ld')}"

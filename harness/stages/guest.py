# SPDX-License-Identifier: GPL-2.0-only
"""guest: an initramfs of a userspace and a kernel's modules.

The image is the same bytes for the same inputs: names sorted, owners root, times zero,
written by the kernel's own usr/gen_init_cpio, which also makes /dev/console without root.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness import guest_memory
from harness.digest import sha256_text
from harness.errors import StageError
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.command import CommandFailedError, run
from harness.host.deadline import Deadline
from harness.host.files import sha256_file
from harness.stages.userspace import OF_TURNS, userspace
from harness.values import GuestImage, KernelBuild, Userspace, flavours_of

WRITING_LIMIT_S = 120.0
GEN_INIT_CPIO = "gen_init_cpio"
BUSYBOX = "/bin/busybox"
MODULES = "/root/kmod"
SCRIPTS = "/root/scripts"
# Beside the files of OF_TURNS, in guests that ask for turns alone.
TURNS_MODULE = "turns.ko"
# In no guest of the command: tests of the series put it into theirs.
TEST_MODULE = "request_here.ko"
# The flavour whose guests have the kernel's own tests, and where a tree keeps those for guests.
SELFTEST = "selftest"
SELFTESTS = "tools/testing/selftests/buddy_monitor"

DIRECTORIES = (
    "/dev",
    "/proc",
    "/sys",
    "/tmp",  # noqa: S108 - the guest's
    "/root",
    "/root/run",
    "/root/results",
    "/run",
    "/var",
    "/var/run",
    "/var/log",
    "/etc/dropbear",
)
DEVICES = (
    "nod /dev/console 0600 0 0 c 5 1",
    "nod /dev/null 0666 0 0 c 1 3",
    "nod /dev/kmsg 0600 0 0 c 1 11",
)


def guest(build: KernelBuild, cache: Cache, *, turns: bool = False) -> GuestImage:
    """Make the initramfs for `build`, or return it from the cache.

    With `turns` it has what arms need whose CPUs take turns by a schedule (vm/guest/turns).
    """
    inside = userspace(build.compiler, cache)
    key = sha256_text(
        "guest",
        sha256_file(Path(__file__)),  # the recipe itself
        build.key,
        inside.key,
        *(["turns"] if turns else []),
    )
    if cached := cache.load("guests", key, GuestImage):
        return cached
    with cache.locked(f"guest-{key[:16]}"), cache.building("guest") as scratch:
        # Another run may have made it while we waited; its files are in use now.
        if cached := cache.load("guests", key, GuestImage):
            return cached
        absent = modules_absent(turns=turns)
        modules = sorted(path for path in build.directory.glob("*.ko") if path.name not in absent)
        used = (GEN_INIT_CPIO, *(path.name for path in modules))
        cache.require_unaltered("kernels", build.key, used)
        image = scratch / "entry" / "initramfs.cpio"
        image.parent.mkdir()
        files = files_of(inside, turns=turns)
        scripts = {**scripts_of(build.flavour), **_own_tests(build)}
        files |= _dated({**_modules(modules), **scripts}, scratch)
        _write(listing(files, inside.applets), build, scratch, image)
        value = GuestImage(
            digest=sha256_file(image),
            packages=inside.packages,
            size_bytes=image.stat().st_size,
            path=cache.entry("guests", key) / image.name,
        )
        cache.publish(image.parent, "guests", key, value)
    return value


def modules_absent(*, turns: bool) -> tuple[str, ...]:
    """Name the modules that are built and not put in."""
    return (TEST_MODULE,) if turns else (TEST_MODULE, TURNS_MODULE)


def _modules(paths: list[Path]) -> dict[str, Path]:
    return {f"{MODULES}/{path.name}": path for path in paths}


def files_of(inside: Userspace, *, turns: bool) -> dict[str, Path]:
    """Return what a guest has of a userspace: its files, by their names in the guest."""
    return {
        name: path for name, path in inside.files.items() if turns or not name.startswith(OF_TURNS)
    }


def scripts_of(flavour: str) -> dict[str, Path]:
    """Return what only guests of a kernel with nodes have, or with tests of its own."""
    flavours = flavours_of(flavour)
    places = (
        asset("vm") / "guest" / name
        for name in (guest_memory.FLAVOUR, SELFTEST)
        if name in flavours
    )
    return {
        f"{SCRIPTS}/{path.name}": path for place in places for path in sorted(place.glob("*.sh"))
    }


def _own_tests(build: KernelBuild) -> dict[str, Path]:
    if SELFTEST not in flavours_of(build.flavour):
        return {}
    return {f"{SCRIPTS}/{path.name}": path for path in (build.tree.tree / SELFTESTS).glob("*.sh")}


def _dated(files: dict[str, Path], scratch: Path) -> dict[str, Path]:
    """Give copies the time of all other files; by their names in the guest."""
    copies = {}
    for name, path in files.items():
        copy = Path(shutil.copyfile(path, scratch / path.name))
        os.utime(copy, (0, 0))
        copies[name] = copy
    return copies


def listing(files: Mapping[str, Path], applets: tuple[str, ...]) -> Iterator[str]:
    """Yield gen_init_cpio's lines, parents first, everything sorted."""
    named = (*files, *applets, *DIRECTORIES)
    parents = (parent for name in named for parent in Path(name).parents)
    directories = {*DIRECTORIES, *(parent.as_posix() for parent in parents)} - {"/"}
    for name in sorted(directories):
        yield f"dir {name} {'0700' if name == '/root' else '0755'} 0 0"
    yield from DEVICES
    for name, path in sorted(files.items()):
        yield f"file {name} {path} {_mode(name)} 0 0"
    for name in applets:
        yield f"slink {name} {BUSYBOX} 0777 0 0"


def _mode(name: str) -> str:
    program = "/bin/" in name or "/sbin/" in name or "/lib" in name or name == "/init"
    program = program or name.startswith(OF_TURNS)
    return "0755" if program or name.endswith(".sh") else "0644"


def _write(listing: Iterator[str], build: KernelBuild, scratch: Path, image: Path) -> None:
    spec = scratch / "listing"
    spec.write_text("\n".join(listing) + "\n")
    # gen_init_cpio writes to stdout; a shell of two words keeps binary output off our pipe.
    program = shutil.copy2(build.directory / GEN_INIT_CPIO, scratch / "gen_init_cpio")
    argv = ["sh", "-euc", '"$1" -t 0 "$2" > "$3"', "guest", str(program), str(spec), str(image)]
    try:
        run(argv, deadline=Deadline.after(WRITING_LIMIT_S, "writing the initramfs"))
    except CommandFailedError as error:
        raise StageError("guest", f"the initramfs cannot be written:\n{error.tail}") from error

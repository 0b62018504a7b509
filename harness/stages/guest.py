# SPDX-License-Identifier: GPL-2.0-only
"""guest: an initramfs of Debian's programs, our scripts, our C tools and the module.

The image is the same bytes for the same inputs: names sorted, owners root, times zero,
written by the kernel's own usr/gen_init_cpio, which also makes /dev/console without root.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.arch.x86_64 import X86_64
from harness.digest import sha256_text
from harness.errors import StageError
from harness.host.apt import Apt, Package
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.command import CommandFailedError, run
from harness.host.deadline import Deadline
from harness.host.elf import asked_of, needed
from harness.host.files import sha256_file, sha256_tree
from harness.values import GuestImage, KernelBuild

logger = logging.getLogger("guest")

TOOL_LIMIT_S = 120.0
GEN_INIT_CPIO = "gen_init_cpio"
BUSYBOX = "/bin/busybox"

# Package -> files of it that go in, as the guest sees them -> where the package has them.
PROGRAMS = {
    "busybox-static": {"/bin/busybox": "bin/busybox"},
    "bash": {"/bin/bash": "bin/bash"},
    "stress-ng": {"/usr/bin/stress-ng": "usr/bin/stress-ng"},
    "dropbear-bin": {
        "/usr/sbin/dropbear": "usr/sbin/dropbear",
        "/usr/bin/dropbearkey": "usr/bin/dropbearkey",
    },
}
# Libraries of stress-ng's stressors for graphics, kernel modules and one vendor's cryptography:
# half of the image, and nothing of them is called here. Their places are taken by stubs
# with the names, symbols and versions that the program asks for, which trap when called.
STUBBED = ("libIPSec_MB", "libEGL", "libGLESv2", "libgbm", "libkmod")  # less .so and its number
STUBBED_FOR = "/usr/bin/stress-ng"
C_TOOLS = ("fragment_stress", "snapshot", "movable_comb", "cache_comb", "huge_page_burst")
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


def guest(build: KernelBuild, cache: Cache) -> GuestImage:
    """Make the initramfs for `build`, or return it from the cache."""
    packages = Apt(cache).download(list(PROGRAMS), with_dependencies=True)
    key = sha256_text(
        "guest",
        sha256_file(Path(__file__)),  # the recipe itself
        build.key,
        sha256_tree(asset("vm") / "guest"),
        *(f"{package.name}={package.version}" for package in packages),
    )
    cached = cache.load("guests", key, GuestImage)
    if cached:
        return cached
    with cache.locked(f"guest-{key[:16]}"), cache.building("guest") as scratch:
        # Another run may have made it while we waited; its files are in use now.
        if cached := cache.load("guests", key, GuestImage):
            return cached
        cache.require_unaltered("kernels", build.key, _used_of(build))
        root = scratch / "packages"
        logger.info("initramfs from %d packages", len(packages))
        Apt(cache).extract(packages, root)
        files = _files(root, scratch, build)
        used = _packages_used(packages, files, root)
        image = scratch / "entry" / "initramfs.cpio"
        image.parent.mkdir()
        _write(_listing(files, _applets(root), scratch), build, scratch, image)
        value = GuestImage(
            digest=sha256_file(image),
            packages=used,
            size_bytes=image.stat().st_size,
            path=cache.entry("guests", key) / image.name,
        )
        cache.publish(image.parent, "guests", key, value)
    return value


def _used_of(build: KernelBuild) -> tuple[str, ...]:
    """Name what is taken of a kernel's entry."""
    return (GEN_INIT_CPIO, *sorted(path.name for path in build.directory.glob("*.ko")))


def _files(root: Path, scratch: Path, build: KernelBuild) -> dict[str, Path]:
    """Map guest paths to host files: programs, their libraries, our own."""
    programs = {
        target: root / source for table in PROGRAMS.values() for target, source in table.items()
    }
    stubs = _stubs(programs[STUBBED_FOR], root, scratch)
    files = {**programs, **_libraries(list(programs.values()), root, stubs)}
    ours = asset("vm") / "guest"
    for path in sorted((ours / "scripts").iterdir()):
        files[f"/root/scripts/{path.name}"] = path
    for path in sorted(item for item in (ours / "etc").rglob("*") if item.is_file()):
        files[f"/etc/{path.relative_to(ours / 'etc').as_posix()}"] = path
    files["/init"] = ours / "init"
    for tool in C_TOOLS:
        files[f"/root/bin/{tool}"] = _compile(ours / f"{tool}.c", scratch)
    for module in sorted(build.directory.glob("*.ko")):
        files[f"/root/kmod/{module.name}"] = module
    return files


def _places(root: Path) -> tuple[Path, ...]:
    names = (f"lib/{X86_64.debian}", X86_64.loader_folder)
    return tuple(root / top / name for name in names for top in ("", "usr"))


def _library(base: str, root: Path) -> Path:
    path = next((place / base for place in _places(root) if (place / base).exists()), None)
    if path is None:
        raise StageError("guest", f"no downloaded package holds the library {base}")
    return path.resolve()


def _stubs(program: Path, root: Path, scratch: Path) -> dict[str, Path]:
    """Make what `program` needs of STUBBED: all symbols that it asks of them, and no more."""
    stubs = {}
    for base in needed(program):
        if base.partition(".so.")[0] not in STUBBED:
            continue
        symbols = asked_of(program, _library(base, root))
        code = "".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in sorted(symbols))
        script = _version_script(symbols)
        source = scratch / f"{base}.c"
        source.write_text(code)
        source.with_suffix(".map").write_text(script)
        stubs[base] = scratch / base
        flags = ["-shared", "-nostdlib", f"-Wl,-soname,{base}"]
        flags += [f"-Wl,--version-script={source.with_suffix('.map')}"] if script else []
        _gcc(source, stubs[base], *flags)
    return stubs


def _version_script(symbols: dict[str, str]) -> str:
    """Give symbols their versions back; empty where there are none."""
    lines = []
    for version in sorted(set(symbols.values()) - {""}):
        names = " ".join(f"{name};" for name in sorted(symbols) if symbols[name] == version)
        lines.append(f"{version} {{ {names} }};\n")
    return "".join(lines)


def _libraries(programs: list[Path], root: Path, stubs: dict[str, Path]) -> dict[str, Path]:
    """Follow DT_NEEDED from `programs` through the extracted packages and the stubs."""
    found: dict[str, Path] = {}
    pending = list(programs)
    while pending:
        for name in needed(pending.pop()):
            base = Path(name).name
            if base in found:
                continue
            found[base] = stubs.get(base) or _library(base, root)
            pending.append(found[base])
    return {_library_target(base): path for base, path in found.items()}


def _library_target(base: str) -> str:
    loader = base.startswith("ld-linux")
    folder = X86_64.loader_folder if loader else f"lib/{X86_64.debian}"
    return f"/{folder}/{base}"


def _compile(source: Path, scratch: Path) -> Path:
    target = scratch / source.stem
    _gcc(source, target, "-static", "-Wall", "-Wextra", "-Werror")
    return target


def _gcc(source: Path, target: Path, *flags: str) -> None:
    # Named without its directory: no path of this machine gets into the image.
    argv = ["gcc", "-O2", "-s", "-Wl,--build-id=none", *flags, "-o", str(target), source.name]
    try:
        run(argv, cwd=source.parent, deadline=Deadline.after(TOOL_LIMIT_S, source.name))
    except CommandFailedError as error:
        raise StageError("guest", f"{source.name} does not compile:\n{error.tail}") from error


def _applets(root: Path) -> tuple[str, ...]:
    """Ask busybox which names it answers to, less those that are programs of their own."""
    deadline = Deadline.after(TOOL_LIMIT_S, "listing applets")
    output = run([str(root / "bin/busybox"), "--list-full"], deadline=deadline).output
    own = {target for table in PROGRAMS.values() for target in table}
    return tuple(sorted(f"/{name}" for name in output.split() if f"/{name}" not in own))


def _packages_used(
    packages: tuple[Package, ...], files: dict[str, Path], root: Path
) -> tuple[str, ...]:
    """Name the packages that a file of the image comes from."""
    inside = {path.resolve() for path in files.values() if path.is_relative_to(root)}
    used = []
    for package in packages:
        listing = run(
            ["dpkg-deb", "--contents", str(package.path)],
            deadline=Deadline.after(TOOL_LIMIT_S, "listing a package"),
        ).output
        names = {line.split()[5] for line in listing.splitlines()}
        if any((root / name).resolve() in inside for name in names if not name.endswith("/")):
            used.append(f"{package.name}={package.version}")
    return tuple(used)


def _listing(files: dict[str, Path], applets: tuple[str, ...], scratch: Path) -> Iterator[str]:
    """Yield gen_init_cpio's lines, parents first, everything sorted."""
    parents = (parent for name in (*files, *applets, *DIRECTORIES) for parent in Path(name).parents)
    directories = {*DIRECTORIES, *(parent.as_posix() for parent in parents)} - {"/"}
    for name in sorted(directories):
        yield f"dir {name} {'0700' if name == '/root' else '0755'} 0 0"
    yield from DEVICES
    staged = scratch / "staged"
    staged.mkdir()
    for number, (name, path) in enumerate(sorted(files.items())):
        copy = staged / str(number)
        shutil.copyfile(path, copy)
        os.utime(copy, (0, 0))
        yield f"file {name} {copy} {_mode(name)} 0 0"
    for name in applets:
        yield f"slink {name} {BUSYBOX} 0777 0 0"


def _mode(name: str) -> str:
    program = "/bin/" in name or "/sbin/" in name or "/lib" in name or name == "/init"
    return "0755" if program or name.endswith(".sh") else "0644"


def _write(listing: Iterator[str], build: KernelBuild, scratch: Path, image: Path) -> None:
    spec = scratch / "listing"
    spec.write_text("\n".join(listing) + "\n")
    # gen_init_cpio writes to stdout; a shell of two words keeps binary output off our pipe.
    program = shutil.copy2(build.directory / GEN_INIT_CPIO, scratch / "gen_init_cpio")
    argv = ["sh", "-euc", '"$1" -t 0 "$2" > "$3"', "guest", str(program), str(spec), str(image)]
    try:
        run(argv, deadline=Deadline.after(TOOL_LIMIT_S, "writing the initramfs"))
    except CommandFailedError as error:
        raise StageError("guest", f"the initramfs cannot be written:\n{error.tail}") from error

# SPDX-License-Identifier: GPL-2.0-only
"""userspace: Debian's programs, our scripts and C tools: a guest's files, whatever its kernel.

They are put together once and kept; an image of them and a kernel's modules is soon written.
"""

import logging
import os
import shutil
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
from harness.values import Userspace

logger = logging.getLogger("userspace")

TOOL_LIMIT_S = 120.0

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
# What no guest has that does not ask for it: others are the bytes that they are without.
OF_TURNS = "/root/turns/"


def userspace(compiler: str, cache: Cache) -> Userspace:
    """Put the files together, or return them from the cache; `compiler` is what compiles ours.

    Raises StageError for a file that was altered since it was cached, and for a C tool that does
    not compile.
    """
    packages = Apt(cache).download(list(PROGRAMS), with_dependencies=True)
    key = sha256_text(
        "userspace",
        sha256_file(Path(__file__)),  # the recipe itself
        compiler,
        sha256_tree(asset("vm") / "guest"),
        *(f"{package.name}={package.version}" for package in packages),
    )
    if cached := cache.load("userspaces", key, Userspace):
        return _unaltered(cached, cache)
    with cache.locked(f"userspace-{key[:16]}"), cache.building("userspace") as scratch:
        # Another run may have made it while we waited; its files are in use now.
        if cached := cache.load("userspaces", key, Userspace):
            return _unaltered(cached, cache)
        root = scratch / "packages"
        logger.info("programs from %d packages", len(packages))
        Apt(cache).extract(packages, root)
        files = _files(root, scratch)
        entry = scratch / "entry"
        entry.mkdir()
        for number, name in enumerate(sorted(files)):
            copy = entry / str(number)
            shutil.copyfile(files[name], copy)
            os.utime(copy, (0, 0))
        final = cache.entry("userspaces", key)
        value = Userspace(
            key=key,
            packages=_packages_used(packages, files, root),
            files={name: final / str(number) for number, name in enumerate(sorted(files))},
            applets=_applets(root),
        )
        cache.publish(entry, "userspaces", key, value)
    return value


def _unaltered(kept: Userspace, cache: Cache) -> Userspace:
    cache.require_unaltered("userspaces", kept.key, (path.name for path in kept.files.values()))
    return kept


def _files(root: Path, scratch: Path) -> dict[str, Path]:
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
    files[f"{OF_TURNS}in_turns.sh"] = ours / "turns/in_turns.sh"
    files[f"{OF_TURNS}background"] = _compile(ours / "turns/background.c", scratch)
    return files


def _places(root: Path) -> tuple[Path, ...]:
    names = (f"lib/{X86_64.debian}", X86_64.loader_folder)
    return tuple(root / top / name for name in names for top in ("", "usr"))


def _library(base: str, root: Path) -> Path:
    path = next((place / base for place in _places(root) if (place / base).exists()), None)
    if path is None:
        raise StageError("userspace", f"no downloaded package holds the library {base}")
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
        raise StageError("userspace", f"{source.name} does not compile:\n{error.tail}") from error


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

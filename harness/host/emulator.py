# SPDX-License-Identifier: GPL-2.0-only
"""Which QEMU executes guests here: its program, firmware and version, and what its CPU can do.

The one on PATH, unless $BUDDYLAB_QEMU (or --qemu, which sets it) names another: the path of
a program, or a suite of the machine's own distribution whose QEMU is brought and unpacked
below the cache (harness/host/suite_qemu.py).

What the emulated CPU and network card have is asked of QEMU itself, not concluded from its
version: a property that it does not know would end it, and one that it turns on unasked may
hang the guest.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.arch import Architecture
from harness.arch.x86_64 import X86_64
from harness.digest import sha256_text
from harness.encoding import UNREADABLE
from harness.errors import HostError, UserError
from harness.host import command
from harness.host.cache import Cache
from harness.host.emulator_program import Program, Traits
from harness.host.files import atomic_write, sha256_file
from harness.host.suite_qemu import bring
from harness.limits import CPUS_MAX

CHOICE = "BUDDYLAB_QEMU"
_OS_RELEASE = Path("/etc/os-release")
MEMORY_FILE = "emulators.json"

_MOST_REMEMBERED = 32
_USED: ContextVar[Path | None] = ContextVar("used", default=None)
# Of this major version on, several CPUs under -icount give the same bytes each time; 7.2 hangs at
# "x86: Booting SMP configuration".
_SEVERAL_CPUS_FROM = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """One QEMU, as a guest is given to it."""

    program: Path
    folders: tuple[Path, ...]  # where its firmware lies, if it does not find it itself (-L)
    modules: Path | None = None  # where its modules lie, if it does not find them itself
    version: str  # what it calls itself, with the distribution's package version
    digest: str  # of the program, without the libraries that it loads
    firmware_digest: str  # of the files that it loads into the guest, by name and content
    cpu: str  # -cpu of a repeatable guest
    network_card: str  # -device of a live guest
    has_sandbox: bool = False  # whether it and this host's kernel take confinement.SANDBOX
    arch: Architecture = X86_64

    @property
    def argv(self) -> tuple[str, ...]:
        """The program, and where its firmware lies."""
        return _argv(self.program, self.folders)

    @property
    def env(self) -> dict[str, str]:
        """What it needs to find its modules: TCG is one on Ubuntu."""
        return _env(self.modules)

    def firmware(self) -> list[Path]:
        """Return the files that it loads into a guest."""
        asked = Program(self.argv, self.env, self.arch)
        return [path for path in asked.firmware().values() if path]

    def accelerators(self) -> list[Path]:
        """Return the modules that its accelerators are, where they are modules."""
        beside = self.program.resolve().parent.parent / "lib" / self.arch.debian / "qemu"
        return sorted((self.modules or beside).glob("accel-*.so"))


@contextlib.contextmanager
def using(program: Path | None) -> Iterator[None]:
    """Let `find` return this program for what runs within, in this thread; None: as ever."""
    token = _USED.set(program)
    try:
        yield
    finally:
        _USED.reset(token)


def find(cache: Cache, arch: Architecture = X86_64) -> Emulator:
    """Return the QEMU to use; HostError or UserError if there is none that can be used."""
    program = _USED.get() or _program(os.environ.get(CHOICE, ""), cache, arch)
    folders, modules = _beside(program, arch)
    asked = Program(_argv(program, folders), _env(modules), arch)
    version, digest = asked.version(), sha256_file(program)
    traits = _traits(asked, version, digest, cache)
    return Emulator(
        program=program,
        folders=folders,
        modules=modules,
        version=version,
        digest=digest,
        firmware_digest=asked.firmware_digest(),
        cpu=repeatable_cpu(arch, traits.cpu),
        network_card=",".join((arch.network_card, *arch.network_card_options, *traits.card)),
        has_sandbox=traits.sandbox,
        arch=arch,
    )


def require_unaltered(used: Emulator) -> None:
    """Digest program and firmware again, as they are about to be used; HostError if they changed.

    A comparison of hours may see the package upgraded, and its key would name the old one.
    """
    asked = Program(used.argv, used.env, used.arch)
    for what, before, now in (
        ("program", used.digest, sha256_file(used.program)),
        ("firmware", used.firmware_digest, asked.firmware_digest()),
    ):
        if now != before:
            raise HostError(
                f"the {what} of {used.program} was replaced while it was in use: sha256 "
                f"{now[:16]}, was {before[:16]}; give the same command again"
            )


def repeats_several_cpus(version: str) -> bool:
    """Whether a QEMU repeats guests of several CPUs to the byte, by its version."""
    major = re.match(r"\d+", version)
    return major is not None and int(major[0]) >= _SEVERAL_CPUS_FROM


def require_cpus(used: Emulator, cpus: int) -> None:
    """Refuse a repeatable guest of so many CPUs where this QEMU cannot repeat it; UserError."""
    if cpus > CPUS_MAX:
        raise UserError(f"--cpus {cpus} is more than {CPUS_MAX} of a repeatable guest")
    if cpus > 1 and not repeats_several_cpus(used.version):
        raise UserError(
            f"a repeatable guest with {cpus} CPUs needs QEMU {_SEVERAL_CPUS_FROM} or later, and "
            f"{used.program} is {used.version}; {newer_emulator()}, or ask for 1 CPU"
        )


def newer_emulator() -> str:
    """Say how this machine comes by a QEMU that repeats several CPUs."""
    told = f"QEMU {_SEVERAL_CPUS_FROM} and later repeat several CPUs"
    facts = (
        dict(line.split("=", 1) for line in _OS_RELEASE.read_text().splitlines() if "=" in line)
        if _OS_RELEASE.is_file()
        else {}
    )
    name = facts.get("VERSION_CODENAME", "")
    suite = f": export {CHOICE}={name}-backports" if facts.get("ID") == "debian" else ""
    return told + suite


def repeatable_cpu(arch: Architecture, properties: Mapping[str, bool]) -> str:
    """Return -cpu for a CPU with `properties`: what is to be off, where that can be said."""
    off = [name for name in arch.cpu_off if name in properties]
    off += [name for name in arch.cpu_off_where_on if properties.get(name)]
    return ",".join([arch.cpu, *(f"{name}=off" for name in off)])


def _program(choice: str, cache: Cache, arch: Architecture) -> Path:
    if not choice:
        return Path(command.require(arch.qemu_program))
    if "/" not in choice:
        return bring(choice, cache, arch)
    path = Path(choice)
    if not path.is_file() or not os.access(path, os.X_OK):
        raise UserError(
            f"{CHOICE} or --qemu says {choice}, which is not a program; give the path of a "
            f"{arch.qemu_program}, or the name of a suite of this machine's distribution"
        )
    return path.absolute()


def _beside(program: Path, arch: Architecture) -> tuple[tuple[Path, ...], Path | None]:
    """Return where firmware and modules lie that were unpacked with a program, not installed."""
    top = program.resolve().parent.parent
    if top in {Path("/usr"), Path("/usr/local")}:
        return (), None
    folders = (top / "share" / "qemu", top / "share" / "seabios")
    modules = top / "lib" / arch.debian / "qemu"
    return (
        tuple(folder for folder in folders if folder.is_dir()),
        modules if modules.is_dir() else None,
    )


def _env(modules: Path | None) -> dict[str, str]:
    return {} if modules is None else {"QEMU_MODULE_DIR": str(modules)}


def _argv(program: Path, folders: tuple[Path, ...]) -> tuple[str, ...]:
    return (str(program), *(word for folder in folders for word in ("-L", str(folder))))


def _traits(program: Program, version: str, digest: str, cache: Cache) -> Traits:
    """Ask once of each program."""
    key = sha256_text(digest, version, program.arch.cpu)
    memory = cache.root / MEMORY_FILE
    known = _recall(memory)
    if key not in known:
        known[key] = program.traits(version)
        kept = dict(list(known.items())[-_MOST_REMEMBERED:])
        atomic_write(memory, msgspec.json.encode(kept))
    return known[key]


def _recall(memory: Path) -> dict[str, Traits]:
    """Return what is remembered; a file that cannot be read is as good as none."""
    try:
        return msgspec.json.decode(memory.read_bytes(), type=dict[str, Traits])
    except (OSError, *UNREADABLE):
        return {}


def is_chosen() -> bool:
    """Whether another QEMU than the one on PATH was asked for."""
    return bool(os.environ.get(CHOICE))

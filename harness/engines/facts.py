# SPDX-License-Identifier: GPL-2.0-only
"""What a worker says of itself before it gets work, and whether it may have some."""

import platform
import shutil
import socket  # noqa: TID251 - this host's name
from dataclasses import dataclass
from functools import cache as remembered
from importlib.metadata import version
from pathlib import Path

import harness
from harness.digest import sha256_text
from harness.errors import HarnessError
from harness.host import emulator
from harness.host.cache import Cache
from harness.host.files import sha256_file
from harness.host.scratch import TMPFS
from harness.jobs.arm import ROOM_MARGIN_MIB
from harness.stages.boot import EMULATOR_MIB, available_mib

ENGINE = "distributed"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Qemu:
    """A QEMU, by what a key says of it."""

    version: str
    digest: str
    firmware_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One worker: whose host, which programs, how much room."""

    host: str  # its name
    boot: str  # of the host: workers with the same share its memory
    cache: Path
    project: str  # its version
    code: str  # a digest of its code
    engine: str  # the version of dask distributed
    available_mib: int | None  # None: it does not tell
    room_mib: int  # for a guest's memory, on tmpfs or beside the cache
    qemu: Qemu | None
    qemu_hurdle: str = ""  # why there is none


def facts(cache: Cache) -> Facts:
    """Look at this host."""
    qemu, hurdle = None, ""
    try:
        qemu = qemu_of(emulator.find(cache))
    except HarnessError as error:
        hurdle = str(error)
    cache.root.mkdir(parents=True, exist_ok=True)
    tmpfs = shutil.disk_usage(TMPFS).free // 2 if TMPFS.is_dir() else 0
    return Facts(
        host=socket.gethostname(),
        boot=_BOOT_ID.read_text().strip() + socket.gethostname(),
        cache=cache.root,
        project=harness.__version__,
        code=code_digest(),
        engine=engine_version(),
        available_mib=_available_mib(),
        room_mib=max(tmpfs, shutil.disk_usage(cache.root).free) >> 20,
        qemu=qemu,
        qemu_hurdle=hurdle,
    )


def qemu_of(used: emulator.Emulator) -> Qemu:
    """Name a QEMU by what a key says of it."""
    return Qemu(version=used.version, digest=used.digest, firmware_digest=used.firmware_digest)


def engine_version() -> str:
    """Return the version of dask distributed, and of the Python that pickles for it."""
    python = ".".join(platform.python_version_tuple()[:2])
    return f"{version(ENGINE)} on Python {python}"


@remembered
def code_digest() -> str:
    """Digest this project's code: what a worker must have the same of."""
    root = Path(harness.__file__).parent
    files = sorted(path for path in root.rglob("*.py"))
    parts = [(str(path.relative_to(root)), sha256_file(path)) for path in files]
    return sha256_text(*(each for part in parts for each in part))[:16]


def hurdle(ours: Facts, theirs: Facts, memory_mib: int) -> str:
    """Say why a worker gets no work; empty if it does. `ours` are the submitter's facts."""
    if theirs.engine != ours.engine:
        return (
            f"it has distributed {theirs.engine}, this host {ours.engine}; "
            f"install the same there: pip install {ENGINE}=={ours.engine.split()[0]}"
        )
    if theirs.code != ours.code:
        return (
            f"its buddylab is {theirs.project} (code {theirs.code}), this one is {ours.project} "
            f"(code {ours.code}); install the same there and start its workers again"
        )
    needed_mib = memory_mib + EMULATOR_MIB
    if theirs.available_mib is not None and theirs.available_mib < needed_mib:
        return (
            f"a guest of {memory_mib} MiB needs {needed_mib} MiB, it has "
            f"{theirs.available_mib} MiB available; free some, or use workers with more"
        )
    if theirs.room_mib < memory_mib + ROOM_MARGIN_MIB:
        return (
            f"a guest's memory of {memory_mib} MiB has no room in {TMPFS} nor in its cache "
            f"{theirs.cache}; free some, or start it with another BUDDYLAB_CACHE"
        )
    return ""


def _available_mib() -> int | None:
    """Return what is available, or what the host's control group leaves of it."""
    there_mib = available_mib()
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return there_mib
    if limit == "max" or there_mib is None:
        return there_mib
    return min(there_mib, max(0, int(limit) - used) >> 20)

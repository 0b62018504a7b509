# SPDX-License-Identifier: GPL-2.0-only
"""doctor: what this machine can do, proved by doing it, and the line that mends what it lacks."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from harness.errors import HarnessError, HostError, UserError
from harness.host import accelerator, disk, emulator, prerequisites
from harness.host.accelerator import AcceleratorChoice, Subject
from harness.host.apt import Apt
from harness.host.cache import CACHE_ELSEWHERE, Cache
from harness.host.deadline import Deadline
from harness.host.download import UnreachableError, require_answer
from harness.host.emulator import Emulator
from harness.host.make import require_makeable
from harness.stages.boot import EMULATOR_MIB, available_mib
from harness.stages.boot_files import boot_files
from harness.stages.sources import debian, release
from harness.texts.text import without_credentials
from harness.values import GuestImage, KernelBuild, KernelSource, RunMode
from harness.workloads.paper import Scale, memory_mib

# A source, its objects and what is kept of them.
_DISK_GIB = 8
_ASK_LIMIT_S = 20.0
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that guests need: what is there, or the line that gets it."""

    name: str
    fact: str
    lacks: bool = False  # nothing can be run without it
    mend: str = ""  # a command, or what else to do; also of what is there and could be better
    values: Mapping[str, float | str] = field(default_factory=dict)  # the fact, for a program

    def __str__(self) -> str:
        """Print as a line, and what to do below it."""
        line = f"{self.name:<12}{'MISSING: ' if self.lacks else ''}{self.fact}"
        return f"{line}\n{'':<12}{self.mend}" if self.mend else line


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine can do."""

    ready: bool
    findings: tuple[Finding, ...]


def examine(cache: Cache, *, review: bool) -> Iterator[Finding]:
    """Look at everything, one after the other; what takes longest comes last."""
    yield _packages(review=review)
    used, told = _emulator(cache)
    yield told
    yield _memory()
    yield _disk(cache)
    yield from _kernels(cache)
    if used is not None:
        yield _accelerator(used, cache)


def _packages(*, review: bool) -> Finding:
    needs = prerequisites.missing(review=review)
    if not needs:
        return Finding(name="packages", fact="all there")
    told = ", ".join(f"{need.package} ({need.why})" for need in needs)
    mend = f"as root: {prerequisites.install_line(needs)}"
    return Finding(name="packages", fact=told, lacks=True, mend=mend)


def _emulator(cache: Cache) -> tuple[Emulator | None, Finding]:
    try:
        used = emulator.find(cache)
    except HarnessError as error:
        mend = "buddylab doctor --install, or --qemu PATH|SUITE"
        return None, Finding(name="QEMU", fact=str(error), lacks=True, mend=mend)
    several = emulator.repeats_several_cpus(used.version)
    repeats = "several CPUs" if several else "1 CPU"
    fact = f"{used.version}: {used.program}, repeatable guests have {used.cpu}; repeats {repeats}"
    return used, Finding(
        name="QEMU",
        fact=fact,
        mend="" if several else emulator.newer_emulator(),
        values={"version": used.version, "program": str(used.program), "repeats": repeats},
    )


def _memory() -> Finding:
    there_mib = available_mib()
    if there_mib is None:
        return Finding(name="memory", fact="this host does not tell how much is available")
    counts = {scale: there_mib // (memory_mib(scale) + EMULATOR_MIB) for scale in Scale}
    told = ", ".join(f"{count} of --scale {scale}" for scale, count in counts.items())
    lacks_mib = memory_mib(Scale.SMALL) + EMULATOR_MIB - there_mib
    return Finding(
        name="memory",
        fact=f"{there_mib} MiB available, for guests at a time: {told}; {os.cpu_count() or 1} CPUs",
        lacks=lacks_mib > 0,
        mend=f"free {lacks_mib} MiB" if lacks_mib > 0 else "",
        values={
            "available_mib": there_mib,
            **{str(scale): count for scale, count in counts.items()},
        },
    )


def _disk(cache: Cache) -> Finding:
    try:
        require_makeable(cache)
    except UserError as error:
        return Finding(name="cache", fact=str(error), lacks=True)
    free_gib = disk.free_mib(cache.root) / 1024
    is_little = free_gib < _DISK_GIB
    return Finding(
        name="cache",
        fact=f"{cache.root}, {free_gib:.0f} GiB free",
        mend=f"a kernel takes about {_DISK_GIB} GiB: free some, or {CACHE_ELSEWHERE}"
        if is_little
        else "",
        values={"free_gib": round(free_gib, 1)},
    )


def _kernels(cache: Cache) -> Iterator[Finding]:
    known = sorted({source.origin for source in _entries(cache, "sources", KernelSource)})
    own = _of_debian(cache)
    base = without_credentials(os.environ.get(release.MIRROR) or release.KERNEL_ORG)
    hurdle = _hurdle_to(f"{base}/v5.x/{release.SUMS}")
    reachable = [*known, *own, *([] if hurdle else ["any release"])]
    if known:
        yield Finding(name="kernels", fact=f"in the cache: {', '.join(known)}")
    if own:
        yield Finding(name="kernels", fact=f"of this machine's apt: {', '.join(own)}")
    else:
        mend = "as root: apt-get update, or check /etc/apt/sources.list*"
        yield Finding(name="kernels", fact="none of this machine's apt", mend=mend)
    if hurdle:
        mend = f"check https_proxy, set ${release.MIRROR}, or name another with --kernel"
        fact = f"{base} is out of reach: {hurdle}"
        yield Finding(name="kernels", fact=fact, lacks=not reachable, mend=mend)
    else:
        yield Finding(name="kernels", fact=f"{base} answers: any release")


def _of_debian(cache: Cache) -> list[str]:
    try:
        return [f"{debian.PREFIX}{line}" for line in debian.lines_of(Apt(cache))]
    except HostError:
        return []


def _hurdle_to(url: str) -> str:
    try:
        require_answer(url, deadline=Deadline.after(_ASK_LIMIT_S, "asking for kernels"))
    except UnreachableError as error:
        return str(error)
    return ""


def _accelerator(used: Emulator, cache: Cache) -> Finding:
    hurdle = accelerator.kvm_hurdle()
    made = _newest_guest(cache)
    if made is None:
        said = f"TCG, because {hurdle}" if hurdle else "/dev/kvm opens"
        return Finding(
            name="accelerator",
            fact=f"{said}; not proved, for no kernel is built yet",
            mend="buddylab guest",
        )
    what = boot_files(*made)
    subject = Subject(emulator=used, kernel=what.kernel, kernel_key=what.name, initrd=what.initrd)
    try:
        speed = accelerator.measure(
            subject, cache, choice=AcceleratorChoice.AUTO, mode=RunMode.LIVE
        )
    except HarnessError as error:
        return Finding(
            name="accelerator",
            fact=f"{made[0].release} does not boot: {error}",
            lacks=True,
            mend="buddylab run --scale small tells more",
        )
    return Finding(
        name="accelerator",
        fact=f"{speed.accelerator.upper()} proved, {speed.why}: {made[0].release} boots in "
        f"{speed.boot_s:.1f} s, deadlines x{speed.slowdown:.1f}",
        values={"accelerator": speed.accelerator, "boot_s": speed.boot_s},
    )


def _newest_guest(cache: Cache) -> tuple[KernelBuild, GuestImage] | None:
    """Return a kernel and an initramfs to boot: what was made last, which goes together."""
    kernels, images = _entries(cache, "kernels", KernelBuild), _entries(cache, "guests", GuestImage)
    if not kernels or not images:
        return None
    return kernels[-1], images[-1]


def _entries(cache: Cache, kind: str, value_type: type[_Entry]) -> list[_Entry]:
    """Return the complete entries of a kind, the newest last."""
    by_age = sorted(cache.names(kind), key=lambda name: _made_at(cache.entry(kind, name)))
    found = (cache.load(kind, name, value_type) for name in by_age)
    return [value for value in found if value is not None]


def _made_at(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:  # removed meanwhile
        return 0.0

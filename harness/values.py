# SPDX-License-Identifier: GPL-2.0-only
"""The frozen values that stages hand to each other.

    fetch -> KernelSource -> patch -> PatchedTree -> configure -> KernelConfig
    -> build -> KernelBuild -> guest -> GuestImage -> boot/run -> RunIdentity

Each is also the JSON manifest of its stage's directory (harness.host.cache).
Digests are sha256 in hex. Paths never enter a digest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.arch.x86_64 import X86_64

# The origin of a source that has no name elsewhere.
LOCAL = "local"
# The configuration that guests' kernels have if nothing more is asked for (vm/config).
BASE_FLAVOUR = "guest"

_DIGEST_TOLD = 8
_JOINT = "-"  # between the flavours of one kernel: part of a slot's path, and of no file's name


def flavour_of(names: Iterable[str]) -> str:
    """Name the configuration of several flavours, merged in this order; the guests' own of none."""
    return _JOINT.join(dict.fromkeys(names)) or BASE_FLAVOUR


def flavours_of(flavour: str) -> tuple[str, ...]:
    """Return what `flavour_of` made a name of; nothing for the guests' own."""
    return () if flavour == BASE_FLAVOUR else tuple(flavour.split(_JOINT))


def flavours_told(flavour: str) -> str:
    """Name them as --flavour takes them; empty for the guests' own."""
    return ",".join(flavours_of(flavour))


def origin_told(origin: str, digest: str, flavour: str) -> str:
    """Say to people where a kernel came from; what has no name elsewhere, by its content's digest.

    A kernel of another flavour than guests have is another machine: it says so itself.
    """
    told = f"{LOCAL} source {digest[:_DIGEST_TOLD]}" if origin == LOCAL else origin
    return f"{told}, flavour {flavours_told(flavour)}" if flavour != BASE_FLAVOUR else told


# Names inside a run folder; SUMS stands at its top and in each stage's directory.
RAW = "raw"
CONSOLE_LOG = "console.log"
SUMS = "sha256sums"
PREDICTIONS = "predictions"


class RunMode(StrEnum):
    """How the guest is run."""

    REPEATABLE = "repeatable"  # TCG with -icount: same inputs, same bytes
    LIVE = "live"  # KVM or multi-threaded TCG, several CPUs


class Counters(StrEnum):
    """What the monitor's counters are: a choice of the series' Kconfig."""

    PERCPU = "percpu"  # one set for each CPU, switched by vm.buddy_monitor
    ATOMIC = "atomic"  # one set for all: the paper's atomic_long_t
    NONE = "none"  # patched, and CONFIG_BUDDY_MONITOR off


class Accelerator(StrEnum):
    """What executes the guest's instructions."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSource:
    """A pristine, read-only kernel source tree."""

    release: str  # from its Makefile, e.g. 5.15.180
    line: str  # directory under patches/lines, e.g. 5.15
    origin: str  # 5.15.180, debian:6.1 with the package's version, or LOCAL
    digest: str  # of the archive, or of all files of a directory
    page_alloc_blob: str  # git blob id of mm/page_alloc.c
    page_alloc_upstream: bool | None  # None: no upstream blob known for this release
    tree: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedTree:
    """Source plus series (or a prefix of it), in a directory of its own."""

    source: KernelSource
    series_name: str  # the series as this line has it, e.g. linux-5.15
    series_digest: str
    patches: tuple[str, ...]  # names, in order; empty: the source itself
    provides: tuple[str, ...]  # what a kernel of it can do (patches/series/provides.toml)
    touched: tuple[str, ...]  # files the series adds or changes
    key: str
    tree: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelBuild:
    """Image, module and what is needed to say which ones they are."""

    tree: PatchedTree
    flavour: str
    counters: Counters
    provides: tuple[str, ...]  # what it can do: its tree's, unless that is configured out
    config_digest: str
    compiler: str
    release: str  # make kernelrelease
    vmlinux_digest: str
    module_digest: str  # of high_order_test; the others are part of the guest image's digest
    module_srcversion: str
    key: str
    directory: Path  # holds vmlinux, config, our *.ko, gen_init_cpio

    @property
    def image(self) -> Path:
        """What QEMU boots: the very file whose digest the build and the replay key carry."""
        return self.directory / Path(X86_64.kernel_image).name


@dataclass(frozen=True, slots=True, kw_only=True)
class Userspace:
    """What every guest has, whatever its kernel: Debian's programs, our scripts and tools."""

    key: str
    packages: tuple[str, ...]  # name=version of each Debian package a file came from
    files: Mapping[str, Path]  # as the guest sees it -> where it lies
    applets: tuple[str, ...]  # links to busybox


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestImage:
    """The initramfs: our files and Debian's programs."""

    digest: str
    packages: tuple[str, ...]  # name=version of each Debian package a file came from
    size_bytes: int  # uncompressed: what it occupies in the guest
    path: Path


# A stage with this command makes a burst: without its records there is nothing to judge.
BURST_COMMAND = "bash scripts/run_high_order_module_test.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstPlan:
    """What kmod/high_order_test.c is told to do, by its own parameters."""

    order: int
    requests: int
    most_held: int
    hold_until_fail: bool
    gfp: str = "kernel"
    hold_ms: int = 0
    delay_ms: int = 0
    max_mib: int = 0  # 0: the module's own cap

    @property
    def command(self) -> str:
        """The guest's command that makes the burst."""
        until_fail = int(self.hold_until_fail)
        return (
            f"{BURST_COMMAND} {self.order} {self.requests} "
            f"{self.hold_ms} {self.delay_ms} {self.most_held} {until_fail} {self.gfp} "
            f"{self.max_mib}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage of an experiment, as the guest is told to run it."""

    name: str
    command: str
    prepare: str  # shell text run before the `before` snapshot; may be empty
    cleanup: str  # shell text run after the `after` snapshot; may be empty
    deadline_s: int  # in guest seconds at reference speed
    note: str  # why the stage is here; shown in the report
    burst: BurstPlan | None = None  # what `command` asks for, if the host is to predict it

    @property
    def predict(self) -> bool:
        """Whether the guest waits for a prediction before its first request."""
        return self.burst is not None

# SPDX-License-Identifier: GPL-2.0-only
"""A pretended QEMU on PATH, and the values that a run of it needs."""

import json
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.emulator import Emulator
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles, boot_files
from harness.values import (
    Counters,
    GuestImage,
    KernelBuild,
    KernelSource,
    PatchedTree,
    RunMode,
    StagePlan,
)

# A QEMU that is never asked; its program is found on PATH.
EMULATOR = Emulator(
    program=Path("qemu-system-x86_64"),
    folders=(),
    version="7.2.22 (Fake 1:7.2)",
    digest="e" * 64,
    firmware_digest="f" * 64,
    cpu="max,rdrand=off,rdseed=off,erms=off",
    network_card="e1000,netdev=net0,romfile=,autonegotiation=off",
)

_PROGRAM = Path(__file__).parents[1] / "fakes" / "fake_qemu.py"
_SHELL = """#!/bin/sh
case "$*" in
*--version)
    echo "QEMU emulator version ${{BUDDYLAB_FAKE_QEMU_VERSION:-7.2.22}} (Fake 1:7.2)"
    echo "Copyright (c)"
    ;;
*"-L help") echo "${{BUDDYLAB_FAKE_QEMU_FIRMWARE:-/nonexistent}}" ;;
*) exec {python} -S {program} "$@" ;;
esac
"""


@dataclass(frozen=True)
class FakeQemu:
    """The installed pretender."""

    log: Path

    def starts(self) -> list[dict[str, list[str]]]:
        """Return what was started, with argv and pid."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def survivors(self) -> list[int]:
        """Return the processes that are still there."""
        pids = [int(str(start["pid"])) for start in self.starts()]
        return [pid for pid in pids if Path("/proc", str(pid)).exists()]


def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scenario: str) -> FakeQemu:
    """Put the pretender before everything else on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "qemu-system-x86_64"
    program.write_text(_SHELL.format(python=sys.executable, program=_PROGRAM))
    program.chmod(0o755)
    firmware = tmp_path / "firmware"
    firmware.mkdir(exist_ok=True)
    (firmware / "bios-256k.bin").write_bytes(b"bios")
    log = tmp_path / "starts.jsonl"
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", scenario)
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU_LOG", str(log))
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU_FIRMWARE", str(firmware))
    return FakeQemu(log)


def make_build(folder: Path) -> KernelBuild:
    """Return a build whose files exist."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vmlinux").write_bytes(b"kernel")
    source = KernelSource(
        release="5.15.180",
        line="5.15",
        origin="local",
        digest="s" * 64,
        page_alloc_blob="b" * 40,
        page_alloc_upstream=True,
        tree=folder,
    )
    tree = PatchedTree(
        source=source,
        series_name="linux-5.15",
        series_digest="p" * 64,
        patches=("0001",),
        provides=(),
        touched=("mm/page_alloc.c",),
        key="t" * 64,
        tree=folder,
    )
    return KernelBuild(
        tree=tree,
        flavour="guest",
        counters=Counters.PERCPU,
        provides=(),
        config_digest="c" * 64,
        compiler="gcc 12",
        release="5.15.180",
        vmlinux_digest=sha256(b"kernel").hexdigest(),
        module_digest="m" * 64,
        module_srcversion="ABC",
        key="k" * 64,
        directory=folder,
    )


def make_image(folder: Path) -> GuestImage:
    """Return an initramfs that exists."""
    path = folder / "initramfs.cpio"
    path.write_bytes(b"cpio")
    return GuestImage(
        digest=sha256(b"cpio").hexdigest(), packages=("busybox=1",), size_bytes=4, path=path
    )


def make_plan(*names: str) -> tuple[StagePlan, ...]:
    """Return a plan of stages that say their name."""
    return tuple(
        StagePlan(
            name=name, command=f"echo {name}", prepare="", cleanup="", deadline_s=1, note="a test"
        )
        for name in names
    )


def make_settings(mode: RunMode = RunMode.REPEATABLE, **changes: object) -> RunSettings:
    """Return the settings of a small run."""
    values: dict[str, object] = {
        "mode": mode,
        "memory_mib": 64,
        "cpus": 2,
        "seed": 1,
        "scale": "small",
        **changes,
    }
    return RunSettings(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Bench:
    """All that a run needs, in one temporary directory."""

    build: KernelBuild
    image: GuestImage
    cache: Cache
    folder: Path

    @property
    def what(self) -> BootFiles:
        """The two files."""
        return boot_files(self.build, self.image)


def make_bench(tmp_path: Path) -> Bench:
    """Lay out a bench below `tmp_path`."""
    return Bench(
        build=make_build(tmp_path / "kernel"),
        image=make_image(tmp_path),
        cache=Cache(tmp_path / "cache"),
        folder=tmp_path / "run",
    )

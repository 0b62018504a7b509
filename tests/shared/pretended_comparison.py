# SPDX-License-Identifier: GPL-2.0-only
"""A small comparison whose kernel and QEMU are files: by saved texts, or by the pretended QEMU."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import fake_guest

from harness.compare.plan_text import parse_plan
from harness.compare.results import Results, unpacked
from harness.host import emulator
from harness.host.accelerator import Speed
from harness.host.cache import Cache
from harness.jobs import arm
from harness.jobs.arm import Lab, Prepared
from harness.jobs.compare import Job, compare
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles, boot_files
from harness.values import Accelerator, StagePlan

TEXT = """
name = "small"
why = "a trial"
memory_mib = 512
seeds = [1, 2, 3]
baseline = "off"
[[states]]
name = "kept"
prepare = "make"
[[bursts]]
name = "ten"
order = 10
[[arms]]
name = "off"
[[arms]]
name = "early-full"
policy = "early"
"""
DATA = Path(__file__).parents[1] / "data"


def saved(name: str) -> dict[str, bytes]:
    return unpacked((DATA / "compare" / f"{name}.tar.gz").read_bytes(), name)


OFF, EARLY = saved("off"), saved("early-full")
_STATE = DATA / "states" / "movable_8"
# What the preparing guest of that state saved, as far as its invariants need it.
PREPARED = {
    "output": (_STATE / "report.txt").read_bytes(),
    **{
        f"after/{name}": (_STATE / f"{name}.txt").read_bytes()
        for name in ("buddyinfo", "pagetypeinfo", "zoneinfo", "vmstat")
    },
}


class Pretended:
    """Guests of a kernel that is a file, booted as fast as can be by the pretended QEMU."""

    def __init__(self, folder: Path) -> None:
        self.kernel = fake_guest.make_build(folder / "kernel")
        self.image = fake_guest.make_image(folder)

    @property
    def what(self) -> BootFiles:
        return boot_files(self.kernel, self.image)

    def change_kernel(self) -> None:
        self.kernel = replace(self.kernel, vmlinux_digest="w" * 64)

    def speed(self, _what: BootFiles, _settings: RunSettings, cache: Cache) -> Speed:
        used = emulator.find(cache)
        return Speed(emulator=used, accelerator=Accelerator.TCG, boot_s=1.0, why="pretended")

    def prepared(
        self, lab: Lab, state_stage: StagePlan, work: Path
    ) -> AbstractContextManager[Prepared]:
        return arm.prepared(lab, state_stage, work)

    def run_arm(self, ready: Prepared, stage: StagePlan, folder: Path) -> dict[str, bytes]:
        return arm.run_arm(ready, stage, folder)


class SavedTexts(Pretended):
    """No guests: counts arms and gives saved texts, or does what `spoil` does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.commands: list[str] = []
        self.boots = 0
        self.prepared_files = PREPARED
        self.spoil: Callable[[int, dict[str, bytes]], dict[str, bytes]] = lambda _, files: files

    @contextlib.contextmanager
    def prepared(self, lab: Lab, state_stage: StagePlan, work: Path) -> Iterator[Prepared]:
        assert work.is_dir()
        self.boots += 1
        files = dict(self.prepared_files)
        yield Prepared(lab=lab, state_stage=state_stage, folder=work, files=files, dump=b"")

    def run_arm(self, ready: Prepared, stage: StagePlan, folder: Path) -> dict[str, bytes]:
        assert ready.folder.is_dir()
        assert not folder.exists()
        self.commands.append(stage.command)
        files = EARLY if "mode=2" in stage.command else OFF
        return self.spoil(len(self.commands), dict(files))


def compared(folder: Path, guests: Pretended, text: str = TEXT) -> Results:
    plan = parse_plan(text, "small")
    kernels = {plan.arms[0].kernel: (guests.kernel, guests.image)}
    job = Job(plan=plan, text=text, folder=folder / "out", jobs=2)
    return compare(job, kernels, Cache(folder / "cache"), guests)

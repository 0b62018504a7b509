# SPDX-License-Identifier: GPL-2.0-only
"""What boots live guests for a second opinion: QEMU, or whoever stands for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from harness.host.accelerator import Speed
from harness.host.cache import Cache
from harness.host.files import contents
from harness.stages.boot import RunSettings, measured_speed
from harness.stages.boot_files import BootFiles
from harness.stages.run import run_guest
from harness.values import RAW, StagePlan

Texts = Mapping[str, bytes]  # of a stage, by path in its directory


class LiveGuests(Protocol):
    """Boots live guests, a new one for each list of stages."""

    def speed(self, what: BootFiles, settings: RunSettings, cache: Cache) -> Speed:
        """Return what boots this guest here, and how fast."""

    def run(
        self,
        what: BootFiles,
        stages: tuple[StagePlan, ...],
        settings: RunSettings,
        folder: Path,
        cache: Cache,
    ) -> Mapping[str, Texts]:
        """Boot, run the stages, and return what each saved; `folder` gets the console."""


class QemuLiveGuests:
    """Live guests in QEMU, on this machine."""

    def speed(self, what: BootFiles, settings: RunSettings, cache: Cache) -> Speed:
        """Measure it, or remember what was measured."""
        return measured_speed(what, settings, cache)

    def run(
        self,
        what: BootFiles,
        stages: tuple[StagePlan, ...],
        settings: RunSettings,
        folder: Path,
        cache: Cache,
    ) -> Mapping[str, Texts]:
        """See harness.stages.run."""
        run_guest(what, stages, settings, folder=folder, cache=cache)
        return {stage.name: contents(folder / RAW / stage.name) for stage in stages}


QEMU_LIVE = QemuLiveGuests()

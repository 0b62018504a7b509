# SPDX-License-Identifier: GPL-2.0-only
"""What boots the guests of a comparison: QEMU, or whoever stands for it."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from harness.host.accelerator import Speed
from harness.host.cache import Cache
from harness.jobs.arm import Lab, Prepared, prepared, run_arm
from harness.stages.boot import RunSettings, measured_speed
from harness.stages.boot_files import BootFiles
from harness.values import StagePlan


class Guests(Protocol):
    """Boots one guest that prepares, and arms that go on from its memory."""

    def speed(self, what: BootFiles, settings: RunSettings, cache: Cache) -> Speed:
        """Return what boots this guest here, and how fast."""

    def prepared(
        self, lab: Lab, state_stage: StagePlan, work: Path
    ) -> AbstractContextManager[Prepared]:
        """Boot, prepare, stop and save; on leaving, memory and state are gone."""

    def run_arm(self, ready: Prepared, stage: StagePlan, folder: Path) -> dict[str, bytes]:
        """Run one arm from the saved state; return its directory, path inside -> content."""


class QemuGuests:
    """Guests in QEMU, on this machine."""

    def speed(self, what: BootFiles, settings: RunSettings, cache: Cache) -> Speed:
        """Measure it, or remember what was measured."""
        return measured_speed(what, settings, cache)

    def prepared(
        self, lab: Lab, state_stage: StagePlan, work: Path
    ) -> AbstractContextManager[Prepared]:
        """See harness.jobs.arm."""
        return prepared(lab, state_stage, work)

    def run_arm(self, ready: Prepared, stage: StagePlan, folder: Path) -> dict[str, bytes]:
        """See harness.jobs.arm."""
        return run_arm(ready, stage, folder)


QEMU = QemuGuests()

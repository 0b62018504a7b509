# SPDX-License-Identifier: GPL-2.0-only
"""Live guests that are none: texts of a saved arm, with as many blocks as an arm's boots get."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from judging_guests import with_blocks
from pretended_comparison import OFF, PREPARED

from harness.compare.outcome import STOPPED
from harness.errors import GuestLostError
from harness.host import emulator
from harness.host.accelerator import Speed
from harness.host.cache import Cache
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles
from harness.values import Accelerator, StagePlan

Blocks = Callable[[BootFiles, StagePlan, int], int]  # of a kernel, an arm's stage, a boot


class SavedLiveGuests:
    """Gives each boot the blocks that `blocks` says; below 0 the guest is lost."""

    def __init__(self, blocks: Blocks, accelerator: Accelerator = Accelerator.TCG) -> None:
        self.blocks = blocks
        self.accelerator = accelerator
        self.booted: list[tuple[tuple[StagePlan, ...], RunSettings]] = []
        self.prepared: Mapping[str, bytes] = {**PREPARED, "exit_status": b"0\n"}
        self.before: Callable[[int], None] = lambda _: None

    def speed(self, _what: BootFiles, _settings: RunSettings, cache: Cache) -> Speed:
        return Speed(
            emulator=emulator.find(cache),
            accelerator=self.accelerator,
            boot_s=1.0,
            why="pretended",
        )

    def run(
        self,
        what: BootFiles,
        stages: tuple[StagePlan, ...],
        settings: RunSettings,
        folder: Path,
        _cache: Cache,
    ) -> Mapping[str, Mapping[str, bytes]]:
        folder.mkdir()
        (folder / "console.log").write_text("a console\n")
        self.before(len(self.booted))
        self.booted.append((stages, settings))
        state, arm = stages
        blocks = self.blocks(what, arm, len(self.booted))
        if blocks < 0:
            raise GuestLostError("panic", "stood in compact_zone")
        return {state.name: self.prepared, arm.name: _arm(arm.command, blocks)}


def _arm(command: str, blocks: int) -> dict[str, bytes]:
    files = with_blocks(OFF, blocks)
    old, files["command"] = files["command"], command.encode() + b"\n"
    before, after = (sha256(text).hexdigest().encode() for text in (old, files["command"]))
    files["sha256sums"] = files["sha256sums"].replace(before, after)
    return {path: text for path, text in files.items() if path != STOPPED}

# SPDX-License-Identifier: GPL-2.0-only
"""Guests for `buddylab judge` on the fake kernel: what they get is told by their kernel's text.

As a program it is the command with such guests, for `git bisect run`.
"""

import os
import sys
from hashlib import sha256
from pathlib import Path

from pretended_comparison import OFF, SavedTexts

from harness import pipeline
from harness.cli.main import main
from harness.errors import GuestLostError
from harness.host.accelerator import Speed
from harness.host.cache import Cache
from harness.jobs import judge
from harness.jobs.arm import Prepared
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles
from harness.values import StagePlan

FOLDER = "BUDDYLAB_JUDGING_GUESTS"
FEWER = "int TWO;"  # a kernel with it gets 20 blocks less
PANICS = "int panic;"  # one with it does not boot
DIES = "int oops;"  # one with it dies in its arms
_BLOCKS = 100


class ByKernel(SavedTexts):
    """Guests that get as many blocks as their kernel's text says; seeds differ by a few."""

    def speed(self, what: BootFiles, settings: RunSettings, cache: Cache) -> Speed:
        if PANICS in what.kernel.read_text():
            raise GuestLostError("panic", "stood in mm_init")
        return super().speed(what, settings, cache)

    def run_arm(self, ready: Prepared, stage: StagePlan, _folder: Path) -> dict[str, bytes]:
        kernel = ready.lab.what.kernel.read_text()
        self.commands.append(stage.command)
        if DIES in kernel:
            raise GuestLostError("panic", "stood in compact_zone")
        fewer = 20 if FEWER in kernel else 0
        return with_blocks(OFF, _BLOCKS + ready.lab.settings.seed % 3 - fewer)


def with_blocks(files: dict[str, bytes], blocks: int) -> dict[str, bytes]:
    """Return an arm's texts with another number of blocks, and the sums that belong to them."""
    records = files["records"].replace(b"succeeded=193 ", b"succeeded=%d " % blocks, 1)
    before, after = (sha256(text).hexdigest().encode() for text in (files["records"], records))
    return {
        **files,
        "records": records,
        "sha256sums": files["sha256sums"].replace(before, after),
    }


def install(folder: Path) -> ByKernel:
    """Let the command take these guests, and make no initramfs."""
    guests = ByKernel(folder)
    real = judge.judge

    def with_guests(*arguments, **named):  # type: ignore[no-untyped-def]
        return real(*arguments, **named, guests=guests)

    vars(pipeline)["guest"] = lambda _kernel, _cache, **_: guests.image
    judge.judge = with_guests
    return guests


def program() -> list[str]:
    """Return how a process begins that is the command with such guests."""
    return [sys.executable, str(Path(__file__))]


if __name__ == "__main__":
    folder = Path(os.environ[FOLDER])
    install(folder)
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: GPL-2.0-only
"""A live guest for a person: its console in this terminal, ssh from another."""

import shlex
import sys

from harness.host import console, ssh
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.scratch import temporary
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import boot_files, require_unaltered
from harness.values import GuestImage, KernelBuild

_CONNECT_LIMIT_S = 10.0


def shell(build: KernelBuild, image: GuestImage, settings: RunSettings, cache: Cache) -> None:
    """Open a live guest and join it with the terminal; it ends when the person leaves."""
    console.require_terminal()
    what = boot_files(build, image)
    require_unaltered(what)
    speed = boot.measured_speed(what, settings, cache)
    with (
        temporary("shell") as folder,
        boot.live_guest(what, settings, speed, folder) as live,
    ):
        line = ssh.command_line(live.address, folder / "known_hosts")
        sys.stdout.write(
            f"{build.release}, {settings.memory_mib} MiB, {settings.cpus} CPUs, "
            f"{speed.accelerator}; {console.LEAVE_KEY} leaves and ends the guest\n"
            f"ssh from another terminal: {shlex.join(line)}\n"
        )
        sys.stdout.flush()
        console.interact(live.dialogue, Deadline.after(_CONNECT_LIMIT_S, "the console"))
        sys.stdout.write("\r\n")
        if live.guest.exit_status() is None:
            boot.power_off(live)

# SPDX-License-Identifier: GPL-2.0-only
"""How busy this host is, and whether that is too much for guests that keep real time."""

import os
import time
from pathlib import Path

from harness.errors import HostError
from harness.values import Accelerator

# Tasks that run or wait for a CPU, with the guest's own, for each CPU of the host. KVM's clock is
# the host's, so that who waits is measured as slow; under TCG only deadlines are at stake.
TASKS_PER_CPU_MAX = {Accelerator.KVM: 1.25, Accelerator.TCG: 8.0}
_LOOKS = 20
_LOOK_EVERY_S = 0.05
_STAT = Path("/proc/stat")


def runnable_tasks() -> float:
    """Return how many tasks run or wait for a CPU, besides this one: the mean over a second.

    The load average of a minute would tell of what this program itself did before.
    """
    found = []
    for _ in range(_LOOKS):
        lines = _STAT.read_text().splitlines()
        running = next(line for line in lines if line.startswith("procs_running "))
        found.append(max(0, int(running.split()[1]) - 1))
        time.sleep(_LOOK_EVERY_S)
    return sum(found) / len(found)


def require_quiet(cpus: int, accelerator: Accelerator) -> None:
    """Refuse a guest of so many CPUs on a host whose other work would be part of its outcome."""
    host_cpus = len(os.sched_getaffinity(0))
    others = runnable_tasks()
    most = TASKS_PER_CPU_MAX[accelerator] * host_cpus
    if others + cpus > most:
        raise HostError(
            f"this host is too busy for live guests under {accelerator}: {others:.1f} tasks want "
            f"its {host_cpus} CPUs, and a guest has {cpus}, where {most:.1f} together are the "
            "most; end other work and give the same command again, what was run is kept"
        )


def load_average() -> float:
    """Return the host's load average of one minute."""
    return round(os.getloadavg()[0], 2)

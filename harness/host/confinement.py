# SPDX-License-Identifier: GPL-2.0-only
"""What a guest's QEMU is not given, should a guest take it over: nothing of it is seen by a guest.

It starts no program, takes no privilege back and changes no other process's share of the machine
(seccomp, qemu(1) -sandbox). Where it is root's it has of root's capabilities the one that opens
files of others: an output folder may be another user's. No file that it writes grows without end.
"""

import contextlib
import os
import resource
from pathlib import Path

from harness.limits import GUEST_FILE_BYTES_MAX

SANDBOX = (
    "-sandbox",
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
)
_STATUS = Path("/proc/self/status")
_CAP_SETPCAP = 1 << 8  # include/uapi/linux/capability.h
_KEPT = "dac_override"


def options() -> tuple[str, ...]:
    """Return what setpriv(1) is told beside the parent's death."""
    dropped = ("--bounding-set", f"-all,+{_KEPT}", "--inh-caps", "-all")
    return ("--no-new-privs", *(dropped if os.geteuid() == 0 and _may_drop() else ()))


def limit_files(pid: int) -> None:
    """Let a process write no file beyond GUEST_FILE_BYTES_MAX: the kernel ends it (SIGXFSZ).

    A file that has its size already, as a guest's memory, is mapped and not written. Nor is all of
    that memory written as a core, whatever ends the process.
    """
    with contextlib.suppress(ProcessLookupError):
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        limit = GUEST_FILE_BYTES_MAX
        if most != resource.RLIM_INFINITY:
            limit = min(limit, most)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, limit))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _may_drop() -> bool:
    """Whether this process may take capabilities away: root of a container need not."""
    lines = _STATUS.read_text().splitlines()
    effective = next(line.split()[1] for line in lines if line.startswith("CapEff:"))
    return bool(int(effective, 16) & _CAP_SETPCAP)

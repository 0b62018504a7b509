# SPDX-License-Identifier: GPL-2.0-only
"""Whom the OOM killer took: a program of the harness's own, or one that is there to fill memory.

A stressor that is killed is data: memory is to be short there. Where a program is killed that
makes the requests, saves what came of them or keeps the guest going, what is missing afterwards
says nothing of the kernel. Who is whose is told by name (task_struct.comm, cut to 15 bytes);
whom we do not know is a user's own choice, and data.

Sources: mm/oom_kill.c dump_oom_summary() (since 5.0), __oom_kill_process() and oom_kill_process()
of 7.3 back to 2.6.32, mm/memcontrol.c mem_cgroup_print_oom_context().
"""

import re
from collections.abc import Sequence

from harness.texts.alarms.records import Record

# What the guest's image has (harness/stages/userspace.py) and its scripts call.
OURS = frozenset(
    {
        *("init", "sh", "bash", "busybox", "dropbear", "dropbearkey", "snapshot"),
        "huge_page_burst",
        # Programs of busybox that go by their own name.
        *("awk", "cat", "chmod", "chown", "cmp", "cp", "cut", "date", "dmesg", "find", "grep"),
        *("gzip", "head", "hostname", "insmod", "ip", "kill", "ln", "mkdir", "mktemp", "mount"),
        *("mv", "od", "poweroff", "rm", "rmdir", "rmmod", "sed", "seq", "setsid", "sha256sum"),
        *("sleep", "sort", "stty", "sync", "tail", "tar", "tee", "touch", "tr", "umount"),
        *("uname", "uniq", "wc", "xargs"),
    }
)
# What takes the memory that a state, a stage or a background load is to take. stress-ng's
# workers add what they do to their name ("stress-ng-vm").
STRESSORS = ("stress-ng", "fragment_stress", "movable_comb", "cache_comb", "background")
_SCRIPT = ".sh"

# "Killed process 12 (name) total-vm:...": a name may have any character, brackets too. Between
# the number and the name some kernels had the user's (", UID 0,").
_KILLED = re.compile(
    r"(?:.{0,60}[Oo]ut of memory[^:]{0,60}: )?[Kk]ill(?P<ed>ed)? process [0-9]{1,10},?"
    r"(?: UID [0-9]{1,10},)? \((?P<name>.{0,64}?)\)(?=$|,| total-vm| vsz| score|\.)"
)
_KILLED_LINES = 60  # after "Kill process", the report of a child that is taken instead


def victim(records: Sequence[Record], at: int) -> str:
    """Return whom an OOM kill took that the record at `at` tells of; empty if it is not named.

    Up to 4.19 the report named the task that was chosen first ("Kill process"), and then who was
    taken for it, perhaps one of its children ("Killed process").
    """
    told = _KILLED.match(records[at].text)
    if told is None:
        return ""
    if told["ed"] is None:
        for later in records[at + 1 : at + 1 + _KILLED_LINES]:
            taken = _KILLED.match(later.text)
            if taken is not None:
                return (taken if taken["ed"] else told)["name"]
    return told["name"]


def is_stressor(name: str) -> bool:
    """Say whether a task by its name is there to take memory."""
    return name.startswith(STRESSORS)


def is_ours(name: str) -> bool:
    """Say whether a task by its name is one of the harness's own."""
    return name in OURS or name.endswith(_SCRIPT)

# SPDX-License-Identifier: GPL-2.0-only
"""What a line of the kernel's is, by how it begins.

The headings here are those that every kernel's reports share whatever is reported, those that
other architectures and older kernels have, and what stands in for an argument ("BUG: %s"). All
else comes from the kernels' sources (harness.texts.alarms.table).

Sources: kernel/panic.c __warn() and vpanic(), arch/x86/kernel/dumpstack.c __die_header(),
arch/x86/kernel/traps.c, lib/bug.c, kernel/locking/lockdep.c, lib/debugobjects.c, mm/slub.c,
kernel/hung_task.c, net/core/dev.c, mm/kmemleak.c, mm/oom_kill.c __oom_kill_process(),
mm/page_alloc.c warn_alloc().
"""

import re

from harness.texts.alarms.kinds import WATCH_OFF
from harness.texts.alarms.table import known

# "rcu: ", "NMI watchdog: ": pr_fmt() and the like.
_PREFIX = r"(?:[\w/. -]{1,24}: ){0,2}"
_HEADINGS: tuple[tuple[str, str], ...] = (
    (WATCH_OFF, r"ODEBUG: Out of memory|.{0,30}ODEBUG disabled"),
    ("kasan", r"BUG: KASAN|KASAN: \S+ in range"),
    ("kfence", r"BUG: KFENCE"),
    ("kcsan", r"BUG: KCSAN"),
    ("kmsan", r"BUG: KMSAN"),
    ("ubsan", r"UBSAN: (?! )"),
    ("soft lockup", r"BUG: (?:soft lockup|workqueue lockup)"),
    ("hard lockup", r"(?:Watchdog )?[Dd]etected hard LOCKUP|CPU[0-9]+: Watchdog detected hard"),
    (
        "lockdep",
        (
            r"(?:WARNING: |\[ (?:INFO|BUG): )(?:possible |inconsistent lock state|bad (?:unlock"
            r"|contention)|held lock freed|lock held when returning|suspicious RCU|[Nn]ested lock"
            r"|chain_key|Invalid wait context|\S+ still has locks|\S+-safe -> \S+-unsafe"
            r"|.{1,40} still has locks held)|BUG: MAX_(?:LOCK|STACK_TRACE)"
            r"|turning off the locking correctness"
        ),
    ),
    ("page poison", r"pagealloc: (?:single bit error|memory corruption)"),
    ("debug objects", r"ODEBUG: (?!selftest |[0-9]+ of)"),
    ("list", r"list_(?:add|del)\S* (?:corruption|double add)"),
    ("slab", r"BUG \S+ \(|INFO: (?:Freed|Allocated) in |Slab corruption"),
    ("rcu stall", r"INFO: \S+ (?:self-)?detected (?:expedited )?stall"),
    ("hung task", r"INFO: task \S.{0,80} (?:blocked|can't die)"),
    ("panic", r"Kernel panic - not syncing|PANIC: "),
    ("oops", r"(?:Oops|Internal error)\b"),
    ("bug", r"BUG: |[Kk]ernel BUG (?:at |\[)|BUG at \S+:[0-9]|BUG!"),
    ("oops", r"general protection fault[,:]|Unable to handle kernel |kernel tried to execute"),
    ("warning", r"WARNING: (?:CPU: [0-9]|at |\S+:[0-9]+ at )"),
    ("page table", r"\S+:[0-9]+: bad p(?:[mug4]d|te) "),
    ("vfs", r"VFS: (?:Busy inodes|Close: file count is 0)"),
    ("net", r"unregister_netdevice: waiting for \S+ to become free"),
    ("kmemleak", r"unreferenced object 0x[0-9a-f]+ \(size [0-9]+\)"),
)
# One search for all; the first in the order above names the kind.
_HEADING = re.compile(
    f"(?:{_PREFIX})(?:"
    + "|".join(f"(?P<k{at}>{words})" for at, (_kind, words) in enumerate(_HEADINGS))
    + ")"
)
# Of a KASAN report of 4.x, which has its own heading.
_DETAIL = re.compile(r"BUG \S+ \(.{0,60}\): kasan: bad access detected")
# The die counter of arch/x86/kernel/dumpstack.c, whatever the trap is called.
_DIED = re.compile(r"\[#[0-9]{1,4}\](?: |$)")
# "INFO: task NAME" of a name with a newline goes on in the next record.
_REST_OF_HUNG_TASK = re.compile(r"[^\[\]]{0,16}:[0-9]{1,8} blocked .{0,40}for more than [0-9]+ sec")
# 4.19 and older: "Kill process N"; then "Killed process N" follows in a record of its own.
_OOM_KILL = re.compile(r".{0,60}[Oo]ut of memory[^:]{0,60}: [Kk]ill(?:ed)? process [0-9]")
_ALLOCATION_FAILURE = re.compile(r".{0,80}page allocation failure: order:[0-9]+")

OOM_KILL = "OOM kill"
KILLED_OURS = "OOM kill of ours"  # harness.texts.alarms.oom says who that is
ALLOCATION_FAILURE = "allocation failure"


def kind(text: str) -> str:
    """Return the kind of a kernel's record without its stamp; empty if it is none of them."""
    text = text.lstrip(" ")
    if _DETAIL.match(text):
        return ""
    if told := known().kind(text):
        return told
    if (heading := _HEADING.match(text)) and heading.lastgroup:
        return _HEADINGS[int(heading.lastgroup[1:])][0]
    if _DIED.search(text):
        return "oops"
    if _REST_OF_HUNG_TASK.match(text):
        return "hung task"
    return ""


def pressure(text: str) -> str:
    """Return what a shortage of memory brought, by name; empty if nothing."""
    if _OOM_KILL.match(text):
        return OOM_KILL
    return ALLOCATION_FAILURE if _ALLOCATION_FAILURE.match(text) else ""

# SPDX-License-Identifier: GPL-2.0-only
"""The kernel log: what in it is a bug, and how often memory ran out.

Sources of the messages: kernel/panic.c __warn, arch/x86/kernel/dumpstack.c __die_header,
lib/bug.c, kernel/locking/lockdep.c, mm/kasan/report.c, lib/ubsan.c, kernel/watchdog.c,
kernel/watchdog_hld.c, kernel/rcu/tree_stall.h, kernel/hung_task.c, mm/page_poison.c,
lib/debugobjects.c, mm/slub.c slab_bug. A watch that gives up says nothing from then on, so that is
a finding, too. An OOM kill
(mm/oom_kill.c __oom_kill_process) and "page allocation failure" (mm/page_alloc.c
warn_alloc) are what memory pressure may bring: counted, not called bugs.
"""

import re
from dataclasses import dataclass

from harness.texts.text import whole_lines

# "<4>[    1.234567][    T1] text": level, time stamp and caller are all optional, and on a
# console a shell's prompt may stand before them.
_STAMP = re.compile(r"\[ *[0-9]+\.[0-9]{6}\](?:\[ *[TC][0-9]+\])? ?")
_LEVEL = re.compile(r"<[0-9]+>")
# First match names the kind; anchored where the words also occur in harmless messages.
_BUGS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("kasan", re.compile(r"BUG: KASAN|BUG: KFENCE|BUG: KCSAN|BUG: KMSAN")),
    ("ubsan", re.compile(r"^UBSAN: ")),
    ("soft lockup", re.compile(r"BUG: soft lockup|BUG: workqueue lockup")),
    ("hard lockup", re.compile(r"detected hard LOCKUP")),
    (
        "lockdep",
        re.compile(
            r"^WARNING: (?:possible (?:circular locking|recursive locking|irq lock inversion)"
            r"|inconsistent lock state|bad unlock balance|bad contention|held lock freed"
            r"|lock held when returning|suspicious RCU usage|Nested lock|chain_key"
            r"|\S+ still has locks|\S+-safe -> \S+-unsafe)|\[ BUG: Invalid wait context \]"
            r"|BUG: MAX_(?:LOCK|STACK_TRACE)|^turning off the locking correctness validator"
        ),
    ),
    ("page poison", re.compile(r"pagealloc: (?:single bit error|memory corruption)")),
    ("debug objects", re.compile(r"^ODEBUG: (?!selftest )|ODEBUG disabled")),
    ("list", re.compile(r"^list_(?:add|del)\S* (?:corruption|double add)")),
    ("slab", re.compile(r"^BUG \S+ \(")),
    ("rcu stall", re.compile(r"INFO: .*(?:self-detected stall|detected (?:expedited )?stalls)")),
    ("hung task", re.compile(r"INFO: task .* blocked for more than")),
    ("panic", re.compile(r"Kernel panic - not syncing")),
    ("bug", re.compile(r"\bBUG: |^kernel BUG at ")),
    ("oops", re.compile(r"\bOops\b|\[#[0-9]+\]|general protection fault")),
    ("warning", re.compile(r"^WARNING: ")),
)
_OOM_KILL = re.compile(r"ut of memory.*: Killed process [0-9]+")
_ALLOCATION_FAILURE = re.compile(r"page allocation failure: order:[0-9]+")
_FIRST_MESSAGE = "Linux version "


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFinding:
    """One line that says the kernel is broken."""

    kind: str
    line_number: int  # from 1
    message: str  # without level, time stamp and caller


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLog:
    """What a log says; `from_boot` is False if its beginning was overwritten."""

    line_count: int
    from_boot: bool
    bugs: tuple[LogFinding, ...]
    oom_kills: int
    allocation_failures: int


def parse_console(text: str) -> KernelLog:
    """Search what a console printed; RecordError if empty. It may end with a prompt."""
    return parse_kernel_log(text if not text or text.endswith("\n") else text + "\n")


def parse_kernel_log(text: str) -> KernelLog:
    """Search what dmesg printed; RecordError if empty or its end is cut."""
    messages = [_message(line) for line in whole_lines(text, "kernel log")]
    return KernelLog(
        line_count=len(messages),
        from_boot=any(message.startswith(_FIRST_MESSAGE) for message in messages),
        bugs=tuple(
            LogFinding(kind=kind, line_number=number, message=message)
            for number, message in enumerate(messages, start=1)
            if (kind := _kind(message))
        ),
        oom_kills=sum(1 for message in messages if _OOM_KILL.search(message)),
        allocation_failures=sum(1 for message in messages if _ALLOCATION_FAILURE.search(message)),
    )


def classified(text: str) -> tuple[LogFinding, ...]:
    """Return each line that is taken for something, what memory pressure may bring included."""
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        message = _message(line)
        if kind := _kind(message) or _pressure(message):
            found.append(LogFinding(kind=kind, line_number=number, message=message))
    return tuple(found)


def _pressure(message: str) -> str:
    if _OOM_KILL.search(message):
        return "OOM kill"
    return "allocation failure" if _ALLOCATION_FAILURE.search(message) else ""


def _message(line: str) -> str:
    line = line.rstrip("\r")
    match = _STAMP.search(line) or _LEVEL.match(line)
    return line[match.end() :] if match else line


def _kind(message: str) -> str:
    for kind, pattern in _BUGS:
        if pattern.search(message):
            return kind
    return ""

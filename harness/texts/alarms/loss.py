# SPDX-License-Identifier: GPL-2.0-only
"""Why a guest was lost: one verdict, with the line that shows it.

Asked when the loss is certain already: the guest ended before it was done, or gave no sign of
life for too long. What the kernel says comes first, then how QEMU ended, then how far the boot
had come.
"""

import re
from dataclasses import dataclass

from harness.texts.alarms import headings
from harness.texts.alarms.oom import is_stressor
from harness.texts.alarms.records import Record, kernel_records
from harness.texts.proc.kernel_log import LogFinding, classified

PANIC, HANG, MEMORY = "panic", "hang", "memory"
# A watch inside of the kernel says that a CPU or a task does not go on.
_STANDS = ("hard lockup", "soft lockup", "rcu stall", "hung task", "spinlock", "lockdep")
_KILLS = (headings.KILLED_OURS, headings.OOM_KILL)
# One report: what lies further above a panic was survived.
_REPORT_LINES = 150
# init/main.c run_init_process(), for /init of an initramfs.
_INIT_BEGINS = re.compile(r"Run (?P<program>/\S+) as init process")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What the kernel itself says of a loss."""

    kind: str  # PANIC, HANG or MEMORY
    evidence: str  # the line, without its time stamp
    fingerprint: str  # what two losses by one fault share


def cause_of(console: str) -> Cause | None:
    """Return what a console says of why its guest was lost; None if nothing."""
    found = classified(console)
    last_panic = next((one for one in reversed(found) if one.kind == "panic"), None)
    if last_panic is not None:
        return _cause(PANIC, _what_panicked(found, last_panic))
    for kind in _STANDS:
        if stands := next((one for one in found if one.kind == kind), None):
            return _cause(HANG, stands)
    # A stressor's end is what it is there for; of several, one of ours explains the most.
    killed = [one for one in found if one.kind in _KILLS and not is_stressor(one.victim)]
    killed.sort(key=lambda one: _KILLS.index(one.kind))
    return _cause(MEMORY, killed[0]) if killed else None


def where_the_boot_stood(console: str) -> str:
    """Say how far a guest came that was never ready."""
    records = [record for record in kernel_records(console) if record.text.strip()]
    if not records:
        return "the kernel said nothing" if console.strip() else "its console is empty"
    begun = next((match for one in records if (match := _INIT_BEGINS.match(one.text))), None)
    if begun is None:
        return f"the kernel did not reach init; it stood after {_last(records)!r}"
    return f"{begun['program']} was begun; the kernel's last words are {_last(records)!r}"


def _what_panicked(found: tuple[LogFinding, ...], panic: LogFinding) -> LogFinding:
    """Return the heading of the report that a panic ends; the die line explains the most."""
    of_report = [
        one
        for one in found
        if 0 <= panic.line_number - one.line_number <= _REPORT_LINES
        and one.kind not in {*_KILLS, headings.ALLOCATION_FAILURE}
    ]
    oops = next((one for one in of_report if one.kind == "oops"), None)
    return oops or of_report[0]


def _cause(kind: str, finding: LogFinding) -> Cause:
    return Cause(kind=kind, evidence=finding.message.strip(), fingerprint=finding.fingerprint)


def _last(records: list[Record]) -> str:
    return records[-1].text.strip()

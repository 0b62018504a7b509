# SPDX-License-Identifier: GPL-2.0-only
"""Why a guest was lost: one verdict, with the line that shows it.

Asked when the loss is certain already: the guest ended before it was done, or gave no sign of
life for too long. What the kernel says comes first: it knows the most. Then what QEMU's monitor
said of the machine, then how QEMU itself ended, then which limit of ours the guest met.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.texts.alarms import headings
from harness.texts.alarms.monitor_events import MonitorEvent
from harness.texts.alarms.oom import is_stressor
from harness.texts.alarms.records import Record, kernel_records
from harness.texts.proc.kernel_log import LogFinding, classified

PANIC, HANG, MEMORY = "panic", "hang", "memory"
RESET, POWER_OFF, ENDED, DEADLINE = "reset", "power-off", "QEMU ended", "deadline"
# A watch inside of the kernel says that a CPU or a task does not go on.
_STANDS = ("hard lockup", "soft lockup", "rcu stall", "hung task", "spinlock", "lockdep")
_KILLS = (headings.KILLED_OURS, headings.OOM_KILL)
# One report: what lies further above a panic was survived.
_REPORT_LINES = 150
_PANIC = "Kernel panic - not syncing"
# lib/nmi_backtrace.c nmi_trigger_cpumask_backtrace()
_TRACES = re.compile(
    r"^.{0,60}\b(?:Sending NMI from CPU|NMI backtrace for cpu) [0-9]", re.MULTILINE
)
# init/main.c run_init_process(), for /init of an initramfs.
_INIT_BEGINS = re.compile(r"Run (?P<program>/\S+) as init process")


# Of the monitor's events, those that say why a guest is no more or does not go on: what it is,
# in words, by what QEMU calls it (qapi/run-state.json, ShutdownCause).
_SHUTDOWN = {
    "guest-reset": (RESET, "the guest reset itself"),
    "guest-shutdown": (POWER_OFF, "the guest powered off"),
    "guest-panic": (PANIC, "the guest's firmware or kernel told QEMU of a panic"),
    "host-error": (ENDED, "QEMU met an error of its own"),
    "host-signal": (ENDED, "a signal ended QEMU"),
    "host-qmp-quit": (ENDED, "somebody told QEMU to quit"),
    "host-qmp-system-reset": (RESET, "somebody told QEMU to reset"),
    "host-ui": (ENDED, "somebody closed QEMU's window"),
    "subsystem-reset": (RESET, "a device reset the guest"),
}
_EVENTS = {
    "GUEST_PANICKED": (PANIC, "the guest told QEMU of a panic"),
    "GUEST_CRASHLOADED": (PANIC, "the guest told QEMU of a panic, and loads another kernel"),
    "WATCHDOG": (HANG, "the guest's watchdog device was not fed"),
    "MEMORY_FAILURE": (MEMORY, "the host's memory failed"),
    "RESET": (RESET, "the guest was reset"),
    "STOP": (HANG, "QEMU holds the guest"),
}
# These take back what was said before them.
_TAKEN_BACK = {"RESUME": "STOP"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """All that is known of a guest that was lost."""

    console: str
    events: Sequence[MonitorEvent] = ()
    exit_status: int | None = None  # QEMU's; None: it is still there
    limit: str = ""  # HANG or DEADLINE: which of our limits the guest met


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a guest was lost, by one witness."""

    kind: str  # PANIC, HANG ...
    evidence: str  # the line that says so, without its time stamp
    fingerprint: str  # what two losses by one fault share
    witness: str = "console"  # or "QEMU"
    meaning: str = ""  # of an event: in words


def verdict(signs: Signs) -> Cause:
    """Return the one cause that all signs together give."""
    if told := cause_of(signs.console) or _cause_of_machine(signs.events):
        return told
    if signs.exit_status is not None:
        said = f"QEMU ended with status {signs.exit_status}"
        # 0 is what a guest's own end gives; by an event QEMU would have said which.
        kind = POWER_OFF if signs.exit_status == 0 else ENDED
        meaning = "the guest powered off or reset itself" if signs.exit_status == 0 else ""
        return Cause(kind=kind, evidence=said, fingerprint=kind, witness="QEMU", meaning=meaning)
    kind = signs.limit or HANG
    return Cause(kind=kind, evidence="", fingerprint=kind, witness="harness")


def _cause_of_machine(events: Sequence[MonitorEvent]) -> Cause | None:
    """Return what QEMU's monitor says of the guest's end: of several events, the last."""
    told: list[tuple[MonitorEvent, tuple[str, str]]] = []
    for event in events:
        taken_back = _TAKEN_BACK.get(event.name)
        told = [one for one in told if one[0].name != taken_back]
        known = _EVENTS.get(event.name)
        if event.name == "SHUTDOWN":
            reason = event.values.get("reason", "")
            known = _SHUTDOWN.get(reason, (ENDED, f"QEMU shut the guest down ({reason})"))
        if known is not None:
            told.append((event, known))
    # Upon a panic QEMU may stop or shut down, too: that is what follows, not why.
    panics = [one for one in told if one[1][0] == PANIC]
    if not told:
        return None
    event, (kind, meaning) = (panics or told)[-1]
    return Cause(kind=kind, evidence=str(event), fingerprint=kind, witness="QEMU", meaning=meaning)


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


def before_traces(console: str) -> str:
    """Cut off what a kernel prints of each CPU after it has panicked (panic_print)."""
    panic = console.rfind(_PANIC)
    traces = _TRACES.search(console, panic) if panic >= 0 else None
    return console[: traces.start()] if traces else console


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

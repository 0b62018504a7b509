# SPDX-License-Identifier: GPL-2.0-only
"""The kernel log: what in it is a bug, and how often memory ran out.

Who says a line is told by harness.texts.alarms.records, what it means by
harness.texts.alarms.headings. An OOM kill and a "page allocation failure" are what memory
pressure may bring: counted, not called bugs, unless the program that is killed is one of the
harness's own. A watch that gives up for want of memory accuses nobody, but says nothing from then
on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.texts.alarms import headings
from harness.texts.alarms.kinds import WATCH_OFF
from harness.texts.alarms.oom import is_ours, victim
from harness.texts.alarms.place import REPORT_RECORDS, place_of
from harness.texts.alarms.records import Record, kernel_records
from harness.texts.text import whole_lines

_FIRST_MESSAGE = "Linux version "
RESTART = "restart"
_FIRMWARE = "SeaBIOS (version "
_WORDS = re.compile(r"[A-Za-z]{4}")  # and no terminal's control characters


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFinding:
    """One line that says the kernel is broken, or has ceased to watch itself."""

    kind: str
    line_number: int  # from 1
    message: str  # without level, time stamp and caller
    function: str = ""  # where it happened, if the report says so
    victim: str = ""  # of an OOM kill: the name of the task

    @property
    def fingerprint(self) -> str:
        """What two reports of one fault share: the kind and the function, or who was killed."""
        if self.victim:
            return f"{self.kind}: {self.victim}"
        return f"{self.kind} in {self.function}" if self.function else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLog:
    """What a log says; `from_boot` is False if its beginning was overwritten."""

    line_count: int
    from_boot: bool
    bugs: tuple[LogFinding, ...]
    watches_off: tuple[LogFinding, ...]
    ours_killed: tuple[LogFinding, ...]  # OOM kills of what the harness itself runs in the guest
    oom_kills: int  # those included
    allocation_failures: int


def parse_console(text: str) -> KernelLog:
    """Search what a console printed; RecordError if empty. It may end with a prompt."""
    return parse_kernel_log(text if not text or text.endswith("\n") else text + "\n")


def parse_kernel_log(text: str) -> KernelLog:
    """Search what dmesg printed; RecordError if empty or its end is cut."""
    line_count = len(whole_lines(text, "kernel log"))
    records = kernel_records(text)
    found = _found(text, records)
    pressed = list(_pressed(records))
    kinds = [one.kind for one in pressed]
    return KernelLog(
        line_count=line_count,
        from_boot=any(record.text.startswith(_FIRST_MESSAGE) for record in records),
        bugs=tuple(one for one in found if one.kind != WATCH_OFF),
        watches_off=tuple(one for one in found if one.kind == WATCH_OFF),
        ours_killed=tuple(one for one in pressed if one.kind == headings.KILLED_OURS),
        oom_kills=kinds.count(headings.OOM_KILL) + kinds.count(headings.KILLED_OURS),
        allocation_failures=kinds.count(headings.ALLOCATION_FAILURE),
    )


def classified(text: str) -> tuple[LogFinding, ...]:
    """Return each line that is taken for something, what memory pressure may bring included."""
    records = kernel_records(text)
    found = (*_found(text, records), *_pressed(records))
    return tuple(sorted(found, key=lambda one: one.line_number))


def _pressed(records: tuple[Record, ...]) -> Iterator[LogFinding]:
    """Yield what a shortage of memory brought."""
    for at, record in enumerate(records):
        kind = headings.pressure(record.text)
        name = victim(records, at) if kind == headings.OOM_KILL else ""
        if is_ours(name):
            kind = headings.KILLED_OURS
        if kind:
            yield LogFinding(
                kind=kind, line_number=record.line_number, message=record.text, victim=name
            )


def _found(text: str, records: tuple[Record, ...]) -> list[LogFinding]:
    found = []
    booted = _firmware_again(text)
    for at, record in enumerate(records):
        boots = record.text.startswith(_FIRST_MESSAGE)
        kind = RESTART if boots and booted else headings.kind(record.text)
        booted = booted or boots
        if kind:
            found.append(
                LogFinding(
                    kind=kind,
                    line_number=record.line_number,
                    message=record.text,
                    function=place_of(records[at : at + REPORT_RECORDS]),
                )
            )
    return found


def _firmware_again(text: str) -> bool:
    """Say whether the firmware speaks after somebody else has: the guest was reset."""
    before, _banner, _after = text.partition(_FIRMWARE)
    return len(before) < len(text) and _WORDS.search(before) is not None

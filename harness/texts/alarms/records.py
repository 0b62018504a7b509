# SPDX-License-Identifier: GPL-2.0-only
"""A console's or a log's text as the kernel's records: who said what.

On a console the kernel, user programs, firmware and the harness write into one another. Only what
follows the kernel's time stamp is the kernel's; a text without any stamp (`dmesg -t`,
printk.time=0) is taken for the kernel's as a whole. Sources: kernel/printk/printk.c
print_prefix() and print_caller(), util-linux dmesg, systemd's and syslog's lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A record is shorter (kernel/printk/printk.c CONSOLE_LOG_MAX, 1024): the rest of a longer piece
# of text says nothing new, and each look at it costs time.
_RECORD_CHARS = 1024
# Colours and the like (ECMA-48 control sequences), as `dmesg --color` and terminals have them.
_CONTROL = re.compile(r"\x1b\[[0-9;?]{0,32}[ -/]?[@-~]|[\0\x07\x08]")
_CALLER = r"(?:\[ {0,6}[TC][0-9]{1,10}\])?"
# "<4>[    1.234567][    T1] text", of `dmesg -x` "kern  :warn  : [    1.234567] text".
_STAMP = re.compile(
    r"(?:<(?P<priority>[0-9]{1,3})>|(?P<facility>[a-z]{3,8}[0-9]?) {0,5}:[a-z]{3,6} {0,3}: )?"
    r"\[ {0,11}[0-9]{1,11}\.[0-9]{6}(?: <[ 0-9.]{1,20}>)?\]" + _CALLER + " ?"
)
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ZONE = "(?:Z|[+-][0-9]{2}:?[0-9]{2})"
# What stands at the beginning of a line only: `dmesg -T`, `dmesg -H` (date, then differences),
# `dmesg --time-format=iso` (with a comma), a raw priority alone.
_DATED = re.compile(
    rf"(?:\[[A-Z][a-z]{{2}} {_MONTH} [ 0-9][0-9] {_TIME} [0-9]{{4}}\]{_CALLER} ?"
    rf"|\[(?:{_MONTH}[ 0-9]?[0-9] [0-9]{{2}}:[0-9]{{2}}| *\+[0-9]+\.[0-9]{{6}})\]{_CALLER} ?"
    rf"|{_DAY}T{_TIME},[0-9]{{6}}{_ZONE}{_CALLER} "
    r"|<(?P<priority>[0-9]{1,3})>(?![ \[]))"
)
# syslog and `journalctl`: who wrote it is named; the kernel's own stamp may follow.
_LOGGED = re.compile(
    rf"(?:<[0-9]{{1,3}}>)?(?:{_MONTH} [ 0-9][0-9] {_TIME}|{_DAY}T{_TIME}(?:\.[0-9]{{6}})?{_ZONE}) "
    r"[\w.-]{1,64} (?P<program>[^\s:\[]{1,40})(?:\[[0-9]{1,8}\])?: "
)
# /dev/kmsg's writers sign with "name[pid]: "; so does the kernel what it says of a program's
# own fault (arch/x86/mm/fault.c show_signal_msg, kernel/traps.c do_general_protection).
_OF_A_PROGRAM = re.compile(
    r"(?:traps: )?[^\[\]:]{1,64}\[[0-9]{1,8}\]"
    r"(?:: | (?:segfault at|general protection|control protection|trap |bad frame))"
)
_KERNEL_FACILITY = 0
# The kernel's words, whoever shows them: /sys/kernel/debug/kmemleak has no stamps.
_SHOWN = re.compile(r"unreferenced object 0x[0-9a-f]{8,16} \(size [0-9]{1,10}\):$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of one of the kernel's messages."""

    line_number: int  # of the text, from 1
    text: str  # without level, time stamp and caller


def kernel_records(text: str) -> tuple[Record, ...]:
    """Return what the kernel itself says in a text, in time linear in its length."""
    pieces = [
        (stamped, Record(line_number=number, text=said))
        for number, line in enumerate(text.split("\n"), start=1)
        for stamped, said in _pieces(line)
    ]
    any_stamp = any(stamped for stamped, _record in pieces)
    return tuple(
        record
        for stamped, record in pieces
        if stamped == any_stamp and not _OF_A_PROGRAM.match(record.text)
    )


def _pieces(line: str) -> Iterator[tuple[bool, str]]:
    """Yield what a line consists of, and whether the kernel's stamp stands before it."""
    for part in _CONTROL.sub("", line).split("\r"):
        if logged := _LOGGED.match(part):
            if logged["program"] == "kernel":
                rest = part[logged.end() :]
                stamp = _STAMP.match(rest)
                yield True, rest[stamp.end() if stamp else 0 :][:_RECORD_CHARS]
            continue
        if dated := _DATED.match(part):
            if _is_kernels(dated["priority"], None):
                yield True, part[dated.end() :][:_RECORD_CHARS]
            continue
        yield from _stamped(part)


def _stamped(part: str) -> Iterator[tuple[bool, str]]:
    stamps = list(_STAMP.finditer(part))
    if before := part[: stamps[0].start()] if stamps else part:
        yield bool(_SHOWN.match(before)), before[:_RECORD_CHARS]
    ends = [*(stamp.start() for stamp in stamps[1:]), len(part)]
    for stamp, end in zip(stamps, ends, strict=False):
        if _is_kernels(stamp["priority"], stamp["facility"]):
            yield True, part[stamp.end() : min(end, stamp.end() + _RECORD_CHARS)]


def _is_kernels(priority: str | None, facility: str | None) -> bool:
    """Tell the kernel's records from those that programs write to /dev/kmsg (LOG_USER...)."""
    if priority is not None:
        return int(priority) >> 3 == _KERNEL_FACILITY
    return facility in {None, "kern"}

# SPDX-License-Identifier: GPL-2.0-only
"""A stopped guest's saved state, made one that goes on by itself at a moment that no race decides.

QEMU with -icount and sleep=off moves the clock of a machine whose CPU is idle to its next
timer, and a CPU that has just stopped itself looks idle. Whether the main loop does that before
or after the CPU thread has accounted for the instructions of its last slice is a race (both
were seen, half and half): the clock then differs by that slice, 0.4 ms, and so do the arms.
So the clock is set to the next whole second: as if the machine had been stopped until then.
The memory and the processor do not depend on the race.

A state that was saved while its guest was stopped would be loaded as stopped, and the command to go
on would wake QEMU's main loop while the guest runs (see qmp.Monitor.go_on). So it says that the
guest ran.

QEMU ends each saved state with a description of it, in JSON. A state whose clock is described
in another way than what is known here (7.2 to 10.0) is refused, whatever its version says.
"""

import re
import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from harness.encoding import UNREADABLE
from harness.errors import StageError

# A subsection of the section "timer": length, name, version (QEMU's cpu-timers.c).
_NAME = "timer/icount"
_ICOUNT = bytes([len(_NAME)]) + _NAME.encode() + b"\x00\x00\x00\x01"
# qemu_icount_bias, ns, and qemu_icount, instructions: the clock is bias + (icount << shift).
_FIELDS = struct.Struct(">qq")
_KNOWN = "version 1: qemu_icount_bias int64 8, qemu_icount int64 8"
_GRID_NS = 1_000_000_000
# What QEMU calls the guest (migration/global_state.c): a buffer of 100 bytes, zeros at its end.
_STOPPED = b"guest-panicked\0"
_RUNS = b"running".ljust(len(_STOPPED), b"\0")
# The machine's type, at the beginning: file magic, version 3, the section of configuration.
_HEAD = re.compile(rb"QEVM\x00\x00\x00\x03\x07\x00\x00\x00.([a-z0-9.-]+)")
# The last section: its mark, the length of the description.
_DESCRIPTION = struct.Struct(">cI")


def ready_to_go_on(state: bytes, *, icount_shift: int) -> bytes:
    """Return the saved state, settled and as of a guest that runs; StageError if unknown."""
    if state.count(_STOPPED) != 1:
        raise StageError(
            "compare",
            f"QEMU's saved state calls its guest {_STOPPED[:-1].decode()} {state.count(_STOPPED)} "
            "times, where once is known; compare with another QEMU (--qemu)",
        )
    return with_settled_clock(state.replace(_STOPPED, _RUNS), icount_shift=icount_shift)


def with_settled_clock(state: bytes, *, icount_shift: int) -> bytes:
    """Return the saved state with its clock at the next whole second; StageError if unknown."""
    described = _described_clock(state)
    if described != _KNOWN or state.count(_ICOUNT) != 1:
        head = _HEAD.match(state)
        machine = head[1].decode() if head else "an unknown machine"
        raise StageError(
            "compare",
            f"QEMU's saved state of {machine} describes its instruction counter as "
            f"{described or 'nothing'} ({state.count(_ICOUNT)} found), where {_KNOWN!r} is known; "
            "compare with another QEMU (--qemu), `run` does not need the state",
        )
    at = state.index(_ICOUNT) + len(_ICOUNT)
    bias_ns, count = _FIELDS.unpack_from(state, at)
    clock_ns = bias_ns + (count << icount_shift)
    settled_ns = -(-clock_ns // _GRID_NS) * _GRID_NS
    fields = _FIELDS.pack(bias_ns + settled_ns - clock_ns, count)
    return state[:at] + fields + state[at + len(fields) :]


def _described_clock(state: bytes) -> str:
    """Return how the state itself describes the clock's subsection; empty if it does not."""
    try:
        described = msgspec.json.decode(_description(state), type=dict[str, Any])
        (timer,) = (one for one in described["devices"] if one["name"] == "timer")
        (clock,) = (one for one in timer["subsections"] if one["vmsd_name"] == _NAME)
        fields = ", ".join(map(_field, clock["fields"]))
        return f"version {clock['version']}: {fields}"
    except (*UNREADABLE, KeyError, TypeError):
        return ""


def _field(field: Mapping[str, object]) -> str:
    return f"{field['name']} {field['type']} {field['size']}"


def _description(state: bytes) -> bytes:
    """Return the JSON at the end. Its own text holds no byte 6, its length may."""
    end = len(state)
    while (at := state.rfind(b"\x06", 0, end)) >= 0:
        if len(state) - at < _DESCRIPTION.size:
            end = at
            continue
        _, length = _DESCRIPTION.unpack_from(state, at)
        if at + _DESCRIPTION.size + length == len(state):
            return state[at + _DESCRIPTION.size :]
        end = at
    return b""

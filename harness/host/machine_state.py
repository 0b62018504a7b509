# SPDX-License-Identifier: GPL-2.0-only
"""The clock in a stopped guest's saved state, set to a moment that no race decides.

QEMU with -icount and sleep=off moves the clock of a machine whose CPU is idle to its next
timer, and a CPU that has just stopped itself looks idle. Whether the main loop does that before
or after the CPU thread has accounted for the instructions of its last slice is a race (both
were seen, half and half): the clock then differs by that slice, 0.4 ms, and so do the arms.
So the clock is set to the next whole second: as if the machine had been stopped until then.
The memory and the processor do not depend on the race.
"""

import struct

from harness.errors import StageError

# A subsection of the section "timer": length, name, version 1 (softmmu/cpu-timers.c).
_ICOUNT = b"\x0ctimer/icount\x00\x00\x00\x01"
# qemu_icount_bias, ns, and qemu_icount, instructions: the clock is bias + (icount << shift).
_FIELDS = struct.Struct(">qq")
_GRID_NS = 1_000_000_000


def with_settled_clock(state: bytes, *, icount_shift: int) -> bytes:
    """Return the saved state with its clock at the next whole second; StageError if unknown."""
    if state.count(_ICOUNT) != 1:
        raise StageError(
            "compare",
            f"QEMU's saved state holds {state.count(_ICOUNT)} instruction counters where one "
            "belongs; this QEMU writes another form of it, use 7.2",
        )
    at = state.index(_ICOUNT) + len(_ICOUNT)
    bias_ns, count = _FIELDS.unpack_from(state, at)
    clock_ns = bias_ns + (count << icount_shift)
    settled_ns = -(-clock_ns // _GRID_NS) * _GRID_NS
    fields = _FIELDS.pack(bias_ns + settled_ns - clock_ns, count)
    return state[:at] + fields + state[at + len(fields) :]

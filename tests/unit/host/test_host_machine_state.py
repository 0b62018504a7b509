# SPDX-License-Identifier: GPL-2.0-only
"""The saved clock: two outcomes of QEMU's race become one."""

import struct

import pytest

from harness.errors import StageError
from harness.host.machine_state import with_settled_clock

MARK = b"\x0ctimer/icount\x00\x00\x00\x01"


def state(clock_ns: int, count: int) -> bytes:
    return b"head" + MARK + struct.pack(">qq", clock_ns - (count << 3), count) + b"tail"


def test_both_outcomes_of_the_race_become_the_same_state() -> None:
    # As measured: the same instruction, two clocks.
    early, late = state(8_207_281_832, 1_016_922_215), state(8_207_805_928, 1_016_922_215)
    assert early != late
    settled = {with_settled_clock(one, icount_shift=3) for one in (early, late)}
    assert settled == {state(9_000_000_000, 1_016_922_215)}


def test_a_clock_on_the_second_stays() -> None:
    assert with_settled_clock(state(2_000_000_000, 5), icount_shift=3) == state(2_000_000_000, 5)


@pytest.mark.parametrize("text", [b"", state(1, 1) + state(1, 1)])
def test_another_form_of_state_is_refused(text: bytes) -> None:
    with pytest.raises(StageError, match="instruction counters"):
        with_settled_clock(text, icount_shift=3)

# SPDX-License-Identifier: GPL-2.0-only
"""The saved clock: two outcomes of QEMU's race become one, and another form is refused."""

import json
import struct
from typing import Any

import pytest

from harness.errors import StageError
from harness.host.machine_state import ready_to_go_on, with_settled_clock

MARK = b"\x0ctimer/icount\x00\x00\x00\x01"
FIELDS = [
    {"name": "qemu_icount_bias", "type": "int64", "size": 8},
    {"name": "qemu_icount", "type": "int64", "size": 8},
]


def clock(fields: list[dict[str, Any]], *, version: int = 1) -> dict[str, Any]:
    return {"vmsd_name": "timer/icount", "version": version, "fields": fields}


def described(*subsections: dict[str, Any], length: int = 0) -> bytes:
    devices = [{"name": "ram", "page_size": 4096}, {"name": "timer", "subsections": subsections}]
    text = json.dumps({"page_size": 4096, "devices": devices}).encode()
    text += b" " * (length - len(text))
    return b"\x06" + struct.pack(">I", len(text)) + text


DESCRIPTION = described(clock(FIELDS))


def state(clock_ns: int, count: int, description: bytes = DESCRIPTION) -> bytes:
    head = b"QEVM\x00\x00\x00\x03\x07\x00\x00\x00\x0bpc-q35-10.0\x01"
    return head + MARK + struct.pack(">qq", clock_ns - (count << 3), count) + b"\x06" + description


def test_both_outcomes_of_the_race_become_the_same_state() -> None:
    # As measured: the same instruction, two clocks.
    early, late = state(8_207_281_832, 1_016_922_215), state(8_207_805_928, 1_016_922_215)
    assert early != late
    settled = {with_settled_clock(one, icount_shift=3) for one in (early, late)}
    assert settled == {state(9_000_000_000, 1_016_922_215)}


# The mark of the description may be a byte of its own length: 0x606, 0x10600.
@pytest.mark.parametrize("length", [0, 0x606, 0x10600])
def test_a_clock_on_the_second_stays(length: int) -> None:
    before = state(2_000_000_000, 5, described(clock(FIELDS), length=length))
    assert with_settled_clock(before, icount_shift=3) == before


@pytest.mark.parametrize(
    "description",
    [
        described(clock(FIELDS, version=2)),
        described(clock(FIELDS[::-1])),
        described(clock([*FIELDS, {"name": "more", "type": "int64", "size": 8}])),
        described(clock([{**FIELDS[0], "size": 4}, FIELDS[1]])),
        described({"vmsd_name": "timer/icount"}),
        described(clock(FIELDS), clock(FIELDS)),
        described(),
        DESCRIPTION[:-1],
        b"\x06\x00\x00\x00\x02{]",
        b"\x06\x00\x00\x00\x02[]",
        b"\x06",
        b"",
    ],
)
def test_a_clock_described_in_another_way_is_refused_by_the_machines_name(
    description: bytes,
) -> None:
    with pytest.raises(StageError, match=r"pc-q35-10\.0 describes .*--qemu"):
        with_settled_clock(state(2_000_000_000, 5, description), icount_shift=3)


@pytest.mark.parametrize("text", [b"", DESCRIPTION, MARK + MARK + bytes(32) + DESCRIPTION])
def test_a_state_without_its_clock_is_refused(text: bytes) -> None:
    with pytest.raises(StageError, match=r"instruction counter as .* \([02] found\)"):
        with_settled_clock(text, icount_shift=3)


def test_a_guest_that_was_stopped_is_saved_as_one_that_runs() -> None:
    stopped = b"\x0eguest-panicked".ljust(101, b"\0") + state(2_000_000_000, 5)

    ready = ready_to_go_on(stopped, icount_shift=3)

    assert b"guest-panicked" not in ready
    assert ready.count(b"\x0erunning".ljust(101, b"\0")) == 1
    assert len(ready) == len(stopped)


@pytest.mark.parametrize("said", [b"", b"paused\0", b"guest-panicked\0" * 2])
def test_a_state_that_says_otherwise_is_refused(said: bytes) -> None:
    with pytest.raises(StageError, match="where once is known"):
        ready_to_go_on(said + state(2_000_000_000, 5), icount_shift=3)

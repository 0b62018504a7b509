# SPDX-License-Identifier: GPL-2.0-only
"""What an arm in turns saves is read whole, or refused: its turns, and what went on beside it."""

import pytest
from guest_parsers import LOAD

from harness.errors import RecordError
from harness.texts.guest.background import Background, parse_background
from harness.texts.guest.turns import CpuTurns, Lasted, parse_turns

TURNS = """turns 1
schedule=3 cpus=2 events=10 order=00ff00ff00ff00ff
cpu=0 events=7 expiries=4
cpu=1 events=3 expiries=5
lasted_ns=4096 turns=3
lasted_ns=8192 turns=1
lasted_ns=65536 turns=4
end
"""
FAULTS = "background 1\nkind=faults pages=2048 rounds=2\nend\n"


def test_turns_are_read() -> None:
    found = parse_turns(TURNS)

    assert (found.schedule, found.events, found.order) == (3, 10, "00ff00ff00ff00ff")
    assert found.cpus[1] == CpuTurns(cpu=1, events=3, expiries=5)
    assert found.lasted[0] == Lasted(least_ns=4096, turns=3)
    assert found.turns == 8


@pytest.mark.parametrize(
    ("share", "least_ns"), [(0.1, 4096), (0.375, 4096), (0.4, 8192), (0.5, 8192), (0.51, 65536)]
)
def test_a_share_of_the_turns_is_no_longer(share: float, least_ns: int) -> None:
    assert parse_turns(TURNS).share_ns(share) == least_ns


def test_one_cpu_that_had_all_events_had_no_turn_that_was_seen() -> None:
    alone = "turns 1\nschedule=0 cpus=1 events=0 order=0000000000000000\n"
    found = parse_turns(f"{alone}cpu=0 events=0 expiries=0\nend\n")

    assert (found.turns, found.share_ns(0.5)) == (0, None)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("turns 1\n", "turns 2\n", "begins 'turns 2'"),
        ("end\n", "", "ends 'lasted_ns=65536 turns=4'"),
        ("events=3", "events=4", "10 events, and 11 by CPU"),
        ("cpus=2", "cpus=4", "lines of 2 CPUs where there are 4"),
        ("00ff00ff00ff00ff", "00ff", "is no digest"),
        ("lasted_ns=8192", "lasted_ns=8193", "no ascending powers of two"),
        ("lasted_ns=8192", "lasted_ns=4096", "no ascending powers of two"),
        ("lasted_ns=4096 turns=3\n", "lasted_ns=4096\n", "turns is absent"),
        ("expiries=5", "expiries=-5", "no plain|not a plain decimal"),
    ],
)
def test_turns_that_do_not_fit_are_refused(old: str, new: str, told: str) -> None:
    with pytest.raises(RecordError, match=told):
        parse_turns(TURNS.replace(old, new, 1))


def test_what_went_on_beside_is_told_by_its_kind() -> None:
    faults, load = parse_background(FAULTS), parse_background(LOAD)

    assert (faults.kind, faults.done, faults.failures) == (Background.FAULTS, 2048, None)
    assert (load.kind, load.done, load.failures) == (Background.REQUESTS, 2, 1)


@pytest.mark.parametrize(
    "text",
    [
        FAULTS.replace("end\n", ""),
        FAULTS.replace("faults", "sleeps"),
        FAULTS.replace("faults", "requests"),
        FAULTS.replace("pages=2048 ", ""),
        LOAD.replace("done=2", "done=3"),
    ],
)
def test_what_went_on_beside_is_refused_where_it_does_not_fit(text: str) -> None:
    with pytest.raises(RecordError):
        parse_background(text)

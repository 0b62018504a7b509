# SPDX-License-Identifier: GPL-2.0-only
"""What arms recorded of their turns is shown where they did, and nothing where they did not."""

from dataclasses import replace

from made_up import outcome, plan_of, results_of

from harness.compare.outcome import Outcome
from harness.compare.turn_tables import turn_tables
from harness.texts.guest.background import Background, BackgroundDone
from harness.texts.guest.turns import CpuTurns, Lasted, Turns


def in_turns(schedule: int, *lasted: tuple[int, int]) -> Outcome:
    return replace(
        outcome(blocks=70 + schedule),
        turns=Turns(
            schedule=schedule,
            events=1234,
            order=f"{schedule:x}" * 16,
            cpus=(CpuTurns(cpu=0, events=1234, expiries=0),),
            lasted=tuple(Lasted(least_ns=least_ns, turns=turns) for least_ns, turns in lasted),
        ),
        background=BackgroundDone(kind=Background.FAULTS, done=5678, failures=None),
    )


def test_each_arm_that_recorded_turns_has_a_row_seed_by_seed() -> None:
    arms = {
        "off": [in_turns(1, (4096, 3), (65536, 1)), in_turns(1, (4096, 9))],
        "new": [in_turns(2, (8192, 5))],
    }

    orders, lengths = turn_tables(results_of(plan_of(), {"one": arms}))

    assert [row[:4] for row in orders.rows] == [
        ("1", "off", "1", "71"),
        ("1", "new", "2", "72"),
        ("2", "off", "1", "71"),
    ]
    assert orders.rows[0][4:] == (
        *("faults 5,678", "1,234", "4", "4,096", "65,536"),
        "`1111111111111111`",
    )
    assert lengths.head == ("lasted from, ns", "off", "new")
    assert lengths.rows == (("4,096", "12", "0"), ("8,192", "0", "5"), ("65,536", "1", "0"))


def test_turns_that_nobody_recorded_have_no_table() -> None:
    results = results_of(plan_of(), {"one": {"off": [outcome(blocks=1)], "new": []}})

    assert turn_tables(results) == ()


def test_only_arms_that_did_are_in_it() -> None:
    arms = {"off": [outcome(blocks=1)], "new": [in_turns(2, (8192, 5))]}
    results = results_of(plan_of(), {"one": arms})

    orders, _ = turn_tables(results)

    assert [row[1] for row in orders.rows] == ["new"]
    assert len(orders.rows[0]) == len(orders.head)

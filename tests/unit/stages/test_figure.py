# SPDX-License-Identifier: GPL-2.0-only
"""What bench prints of a time and of a rate, at the goal and past it."""

from harness.jobs.figure import duration, rate, timed


def test_a_time_is_met_up_to_its_goal_and_a_rate_from_it_on() -> None:
    """A short time is good, a low rate is not."""
    times = [duration("boot", seconds, goal_s=3) for seconds in (2.9, 3.0, 3.1)]
    rates = [rate("model", value, unit="times", goal=10) for value in (9.9, 10.0, 11.0)]

    assert [time.met for time in times] == [True, True, False]
    assert [rate.met for rate in rates] == [False, True, True]


def test_a_line_has_value_goal_verdict_and_note() -> None:
    late = duration("boot", 3.14, goal_s=3, note="200 boots")

    assert str(late).split(maxsplit=1)[1].strip() == "3.1 s   goal 3 s  MISSED  200 boots"
    assert str(rate("model", 9.9, unit="times", goal=10)).endswith(
        "10 times   goal 10 times  MISSED"
    )
    assert str(rate("model", 10, unit="times", goal=10)).endswith("10 times   goal 10 times  met")


def test_a_job_is_timed_and_gives_its_result() -> None:
    result, seconds = timed(lambda: "done")

    assert result == "done"
    assert 0 <= seconds < 1

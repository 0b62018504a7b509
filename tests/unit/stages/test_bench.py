"""What bench prints of a time and of a rate, at the goal and past it."""

from harness.stages.bench import Rate, Timing


def test_a_time_is_met_up_to_its_goal_and_a_rate_from_it_on() -> None:
    """A short time is good, a low rate is not."""
    times = [Timing(what="boot", seconds=seconds, goal_s=3) for seconds in (2.9, 3.0, 3.1)]
    rates = [Rate(what="model", value=value, unit="times", goal=10) for value in (9.9, 10.0, 11.0)]

    assert [time.met for time in times] == [True, True, False]
    assert [rate.met for rate in rates] == [False, True, True]
    assert "MISSED" in str(rates[0])
    assert "10 times   goal 10 times  met" in str(rates[1])

# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel did beside the blocks, how long requests took, what others met."""

import re
from dataclasses import replace

from made_up import BASE, plan_of, results_of

from harness.compare.outcome import BackgroundLoad, Latency, LaterDemand, Outcome
from harness.compare.side_tables import side_tables
from harness.writers.page import Table


def with_latency(*, most: int, total: int, failures: int | None) -> Outcome:
    return replace(
        BASE,
        latency=Latency(median=1, p95=2, p99=3, most=most, total=total),
        background_load=(
            None if failures is None else BackgroundLoad(attempts=10, failures=failures)
        ),
        monitored=None,
    )


def made(*, failures: tuple[int | None, int | None]) -> tuple[Table, Table]:
    off = [with_latency(most=10, total=100, failures=failures[0]) for _ in range(3)]
    new = [with_latency(most=most, total=100 + most, failures=failures[1]) for most in (10, 20, 60)]
    work, latency = side_tables(results_of(plan_of(), {"one": {"off": off, "new": new}}))
    return work, latency


def cell(table: Table, arm: str, column: str) -> str:
    (row,) = (row for row in table.rows if row[0] == arm)
    return row[table.head.index(column)]


def test_latency_has_its_spread_and_its_difference_to_the_baseline() -> None:
    _, table = made(failures=(1, 3))
    assert table.title == "one, ten: latency, other requests"
    assert cell(table, "new", "p95") == "2 [2, 2]"
    assert cell(table, "new", "max") == "20 [10, 60]"
    assert cell(table, "off", "all requests - off") == "+0.0 [+0.0, +0.0]"
    mean, low, high = map(
        float, re.findall(r"[+-][0-9.]+", cell(table, "new", "all requests - off"))
    )
    assert mean == 30
    assert 10 <= low < mean < high <= 60
    assert cell(table, "new", "background failures - off") == "+2.0 [+2.0, +2.0]"


def test_what_a_guest_cannot_tell_is_no_zero() -> None:
    work, latency = made(failures=(None, 3))
    assert cell(work, "new", "deferred") == "-"
    assert cell(latency, "off", "background failures") == "-"
    assert cell(latency, "new", "background failures") == "3 [3, 3]"
    assert cell(latency, "new", "background failures - off") == "-"


def test_failures_that_no_arm_can_have_are_no_column() -> None:
    _, none = made(failures=(None, None))
    assert not [name for name in none.head if "failures" in name]


def test_a_later_demand_is_no_background_load() -> None:
    def later(failures: int) -> Outcome:
        demand = LaterDemand(small_failures=1, attempts=256, failures=failures)
        return replace(BASE, later_demand=demand)

    arms = {"off": [later(90)] * 3, "new": [later(88)] * 3}
    _, table = side_tables(results_of(plan_of(), {"one": arms}))
    assert cell(table, "new", "later failures") == "88 [88, 88]"
    assert cell(table, "new", "later failures - off") == "-2.0 [-2.0, -2.0]"
    assert cell(table, "new", "later small failures") == "1 [1, 1]"
    assert "background failures" not in table.head

# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel did beside the blocks, how long requests took, what others met."""

import re
from dataclasses import replace

from made_up import BASE, plan_of, results_of

from harness.compare.outcome import Bystander, Latency, Outcome
from harness.compare.side_tables import side_tables
from harness.writers.page import Table


def with_latency(*, most: int, total: int, failures: int | None) -> Outcome:
    return replace(
        BASE,
        latency=Latency(median=1, p95=2, p99=3, most=most, total=total),
        bystander=None if failures is None else Bystander(attempts=10, failures=failures),
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
    assert table.title == "one, ten: latency, bystander"
    assert cell(table, "new", "p95") == "2 [2, 2]"
    assert cell(table, "new", "max") == "20 [10, 60]"
    assert cell(table, "off", "all requests - off") == "+0.0 [+0.0, +0.0]"
    mean, low, high = map(
        float, re.findall(r"[+-][0-9.]+", cell(table, "new", "all requests - off"))
    )
    assert mean == 30
    assert 10 <= low < mean < high <= 60
    assert cell(table, "new", "bystander failures - off") == "+2.0 [+2.0, +2.0]"


def test_what_a_guest_cannot_tell_is_no_zero() -> None:
    work, latency = made(failures=(None, 3))
    assert cell(work, "new", "deferred") == "-"
    assert cell(latency, "off", "bystander failures") == "-"
    assert cell(latency, "new", "bystander failures") == "3 [3, 3]"
    assert cell(latency, "new", "bystander failures - off") == "-"

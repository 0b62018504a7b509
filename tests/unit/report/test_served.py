# SPDX-License-Identifier: GPL-2.0-only
"""Requests by the step that served them: each request is at one step, or has one reason."""

from dataclasses import replace

import pytest
import synthetic_run

from harness.report.document import Run, Served, decode_run, encode_run
from harness.report.served import served, served_section
from harness.texts.pages import Order

FINAL = "high_order_final"


@pytest.fixture
def run() -> Run:
    return decode_run(synthetic_run.document())


def with_served(run: Run, name: str, *served: Served) -> Run:
    """Return the run with other counts in one stage, written and read once."""
    stages = tuple(
        replace(stage, served=served) if stage.name == name else stage for stage in run.stages
    )
    return decode_run(encode_run(replace(run, stages=stages)))


def test_steps_and_reasons_are_the_requests_of_each_order(run: Run) -> None:
    compared = 0
    for stage in run.stages:
        told = {one.order: one for one in stage.served}
        for delta in stage.deltas:
            if not delta.req:
                continue
            steps, reasons = told[delta.order].steps, told[delta.order].reasons
            assert sum(steps.values()) == delta.success, (stage.name, delta.order)
            assert sum(reasons.values()) == delta.fail, (stage.name, delta.order)
            compared += 1
    assert compared > len(run.stages)


def test_reasons_are_what_rose_in_the_stage() -> None:
    stage = synthetic_run.parsed().stage(FINAL)
    details = stage.after.details
    assert details is not None
    table = details.fail_by_reason
    rows = tuple(
        tuple(
            count + 3 * (order == Order(10) and column == "costly")
            for column, count in zip(table.columns, row, strict=True)
        )
        for order, row in zip(table.orders, table.rows, strict=True)
    )
    failed = replace(details, fail_by_reason=replace(table, rows=rows))
    told = served(replace(stage, after=replace(stage.after, details=failed)))
    assert {one.order: one.reasons for one in told if one.reasons} == {Order(10): {"costly": 3}}


def test_a_burst_is_told_by_its_own_order_and_other_stages_by_all(run: Run) -> None:
    burst = run.stage(FINAL)
    assert burst is not None
    assert burst.burst is not None
    (rows,) = served_section(run).tables
    told = {row[0]: row for row in rows.rows}
    assert told[FINAL][1] == str(burst.burst.order)
    assert sum(int(str(count).replace(",", "")) for count in told[FINAL][2:]) == 128
    assert told["baseline"][1] == "all"
    assert rows.head[2:4] == ("fast", "compact first")


def test_requests_that_failed_are_told_with_why(run: Run) -> None:
    one = Served(order=Order(10), steps={"fast": 3}, reasons={"costly": 1_200, "memcg": 2})
    section = served_section(with_served(run, FINAL, one))
    assert section.notes == (f"{FINAL}, why requests failed: memcg 2, costly 1,200.",)


def test_a_kernel_without_steps_is_told(run: Run) -> None:
    bare = replace(run, stages=tuple(replace(stage, served=()) for stage in run.stages))
    section = served_section(decode_run(encode_run(bare)))
    assert not section.tables
    assert section.notes == ("This run's kernel does not tell its steps in debugfs.",)

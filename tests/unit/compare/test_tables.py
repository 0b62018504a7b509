# SPDX-License-Identifier: GPL-2.0-only
"""The tables of a state and burst."""

from dataclasses import replace

import pytest
from made_up import TEXT, outcome, plan_of, results_of

from harness.compare.plan_text import parse_plan
from harness.compare.tables import tables

SAID = "other kernels with the same seed"


@pytest.mark.parametrize(
    ("kernel", "told"), [("patched", False), ("unpatched", True), ("discarded-sweep", True)]
)
def test_arms_of_other_kernels_are_told_and_no_others(kernel: str, *, told: bool) -> None:
    plan = parse_plan(f'{TEXT}kernel = "{kernel}"\n', "made-up")
    (table,) = tables(
        results_of(plan, {"one": {"off": [outcome(blocks=5)], "new": [outcome(blocks=6)]}})
    )
    assert any(note.startswith(SAID) for note in table.notes) is told


def test_a_gained_block_costs_what_was_scanned_beyond_the_baseline() -> None:
    plan = parse_plan(TEXT, "made-up")
    off = [outcome(blocks=10, scanned=100), outcome(blocks=11, scanned=120)]
    new = [outcome(blocks=14, scanned=900), outcome(blocks=15, scanned=920)]
    (table,) = tables(results_of(plan, {"one": {"off": off, "new": new}}))
    at = table.head.index("per block gained")
    assert [row[at] for row in table.rows] == ["-", "200"]


def test_mixed_pageblocks_have_a_column_where_guests_tell() -> None:
    old = outcome(blocks=5)
    new = [replace(old, mixed_before=7, mixed_after=after) for after in (9, 10, 17)]
    (table,) = tables(results_of(plan_of(), {"one": {"off": [old], "new": new}}))
    at = table.head.index("mixed +")
    assert {row[0]: row[at] for row in table.rows} == {"off": "-", "new": "3"}
    (table,) = tables(results_of(plan_of(), {"one": {"off": [old], "new": [old]}}))
    assert "mixed +" not in table.head
    assert {len(row) for row in table.rows} == {len(table.head)}


def test_each_column_has_its_own_numbers() -> None:
    new = [
        outcome(blocks=blocks, scanned=10 * blocks, inspected=100 * blocks) for blocks in (1, 2, 5)
    ]
    unmonitored = [outcome(blocks=3, scanned=30)]
    (table,) = tables(results_of(plan_of(), {"one": {"off": unmonitored, "new": new}}))
    told = {
        row[0]: tuple(row[table.head.index(name)] for name in ("blocks", "scanned", "inspected"))
        for row in table.rows
    }
    assert told["new"] == ("2 [1, 5]", "20 [10, 50]", "200 [100, 500]")
    assert told["off"] == ("3 [3, 3]", "30 [30, 30]", "-")

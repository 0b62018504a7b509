# SPDX-License-Identifier: GPL-2.0-only
"""The map: each effect, and the row that shows it."""

import pytest
from made_up import outcome, plan_of, results_of

from harness.compare.cells import cells
from harness.compare.effects import Effect, compared
from harness.compare.finding_tables import map_table


@pytest.mark.parametrize(
    ("more_blocks", "scanned", "effect"),
    [
        ([5, 6, 7, 6], 100, Effect.HELPS),
        ([5, 6, 7, 6], 9000, Effect.HELPS),
        ([0, 0, 0, 0], 105, Effect.NOTHING),
        ([0, 0, 0, 0], 106, Effect.COSTS),
        ([-1, 1, 0, 0], 20, Effect.NOTHING),
        ([-5, -6, -7, -6], 100, Effect.HURTS),
    ],
)
def test_effects(more_blocks: list[int], scanned: int, effect: Effect) -> None:
    results = results_of(
        plan_of(),
        {
            "one": {
                "off": [outcome(blocks=50, scanned=100) for _ in more_blocks],
                "new": [outcome(blocks=50 + more, scanned=scanned) for more in more_blocks],
            }
        },
    )
    (cell,) = cells(results)
    found = compared(cell, "new")
    assert found
    assert found.effect is effect


def test_from_no_work_any_work_costs() -> None:
    off = [outcome(blocks=5)]
    costs = results_of(plan_of(), {"one": {"off": off, "new": [outcome(blocks=5, scanned=1)]}})
    found = map_table(costs)
    assert found
    assert found.rows == (("one", "ten", "COSTS +0.0, scanned 1"),)


def test_rows_are_states_and_columns_arms() -> None:
    results = results_of(
        plan_of(),
        {
            "one": {
                "off": [outcome(blocks=5, scanned=100), outcome(blocks=5, scanned=100)],
                "new": [
                    outcome(blocks=8, scanned=120, inspected=7000),
                    outcome(blocks=8, scanned=140, inspected=9000),
                ],
            },
            "two": {"off": [outcome(blocks=5)]},
        },
    )
    table = map_table(results)
    assert table
    assert table.head == ("state", "burst", "new")
    assert table.rows == (
        ("one", "ten", "HELPS +3.0, scanned +30 %, inspected 8,000"),
        ("two", "ten", "-"),
    )

"""The tables of a state and burst."""

import pytest
from made_up import TEXT, outcome, results_of

from harness.compare.plan import parse_plan
from harness.compare.tables import tables

SAID = "other kernels from the same seed"


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

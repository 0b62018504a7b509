# SPDX-License-Identifier: GPL-2.0-only
"""Results made up for tests: cells of arms whose blocks and pages scanned are given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.compare.outcome import Outcome, read_outcome
from harness.compare.plan import Plan
from harness.compare.plan_text import parse_plan
from harness.compare.results import ArmResult, KernelsFile, Results, unpacked
from harness.record import schema

_OFF = Path("tests/data/compare/off.tar.gz")
BASE = read_outcome(unpacked(_OFF.read_bytes(), "off"), icount_shift=3)[1]
TEXT = """
name = "made-up"
why = "a trial"
memory_mib = 512
seeds = [1, 2, 3, 4]
baseline = "off"
[[states]]
name = "one"
prepare = "make"
[[states]]
name = "two"
prepare = "make"
[[bursts]]
name = "ten"
order = 10
[[arms]]
name = "off"
[[arms]]
name = "new"
"""


def plan_of(claims: str = "") -> Plan:
    return parse_plan(TEXT + claims, "made-up")


def outcome(
    *, blocks: int, scanned: int = 0, frag_pct: int = 0, inspected: int | None = None
) -> Outcome:
    return replace(
        BASE,
        blocks=blocks,
        inspected=inspected,
        work=replace(BASE.work, migrate_scanned=scanned),
        indicators=replace(BASE.indicators, frag_pct=frag_pct),
    )


def results_of(plan: Plan, cells: Mapping[str, Mapping[str, Sequence[Outcome]]]) -> Results:
    """Make results from state -> arm -> outcomes of seeds 1, 2, ..."""
    arms = tuple(
        ArmResult(
            state=state,
            burst="ten",
            seed=seed,
            arm=arm,
            key=f"{state}{arm}{seed}",
            digest="",
            outcome=one,
        )
        for state, ours in cells.items()
        for arm, outcomes in ours.items()
        for seed, one in enumerate(outcomes, 1)
    )
    number = schema.COMPARISON.number
    kernels = KernelsFile(schema=number, key_schema=schema.KEY.number, kernels=())
    return Results(schema=number, kernels=kernels, plan=plan, states=(), arms=arms)

# SPDX-License-Identifier: GPL-2.0-only
"""Results made up for tests: cells of arms whose blocks and pages scanned are given."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path

from harness.compare.burst_seen import DIGITS, BurstSeen, MemoryFrames, TimeLine
from harness.compare.outcome import Outcome, read_outcome
from harness.compare.plan import Plan
from harness.compare.plan_text import parse_plan
from harness.compare.results import ArmResult, KernelsFile, Results, unpacked
from harness.record import schema
from harness.texts.guest.burst_view import COUNTERS

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


def busy_frames(seed: int, pageblocks: int = 256) -> MemoryFrames:
    """Make memory of which no two pageblocks are alike: more to draw than any guest has."""
    draws = random.Random(seed)  # noqa: S311
    parts = [sorted(draws.sample(range(1, 32), 3)) for _ in range(pageblocks)]
    return MemoryFrames(
        pageblock_order=9,
        types="".join(draws.choice("UM") for _ in parts),
        pinned_shares="".join(DIGITS[one] for one, _, _ in parts),
        held_shares="".join(DIGITS[two - one] for one, two, _ in parts),
        movable_shares="".join(DIGITS[three - two] for _, two, three in parts),
        free_shares="".join(DIGITS[32 - three] for _, _, three in parts),
        free=16 * sum(32 - three for _, _, three in parts),
        cached=seed % 100,
        movable=16 * sum(three - two for _, two, three in parts),
        held=16 * sum(two - one for one, two, _ in parts),
        pinned=16 * sum(one for one, _, _ in parts),
        reserved=0,
    )


@cache
def busy_seen(seed: int) -> BurstSeen:
    """Make a burst that does something between any two moments."""
    draws = random.Random(seed)  # noqa: S311
    names = (*COUNTERS, "nr_free_pages")
    rising = {
        name: tuple(accumulate(draws.randrange(1, 9999) for _ in range(33))) for name in names
    }
    return BurstSeen(
        before=busy_frames(seed % 500),
        after=busy_frames(seed),
        time_line=TimeLine(
            requests=tuple(range(0, 165, 5)),
            got=tuple(accumulate(draws.randrange(6) for _ in range(33))),
            time_us=tuple(range(0, 33_000, 1000)),
            counters=rising,
        ),
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

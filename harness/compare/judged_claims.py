# SPDX-License-Identifier: GPL-2.0-only
"""Predictions held to what came out, in each state and burst that they are about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from harness.compare.cells import Cell, cells, value_pairs, values
from harness.compare.claims import Claim, Relation
from harness.compare.results import Results
from harness.compare.statistics import Paired, Spread, paired, spread

_DECIMALS = 6


class Fate(StrEnum):
    """How a claim fared in one state and burst."""

    HIT = "HIT"
    MISS = "MISS"
    UNKNOWN = "NO DATA"  # no seed has both numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The numbers that a verdict rests on."""

    arm: Spread
    reference: Spread  # times the factor already, or the value
    median: float  # of the differences
    difference: Paired  # arm - reference


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """One claim in one state and burst."""

    claim: Claim
    cell: Cell
    fate: Fate
    found: Found | None


def judged_claims(results: Results) -> tuple[JudgedClaim, ...]:
    """Judge all claims of the plan, wherever arms have run."""
    found = cells(results)
    return tuple(verdict for one in results.plan.claims for verdict in _of_claim(one, found))


def _of_claim(one: Claim, found: Sequence[Cell]) -> Iterator[JudgedClaim]:
    for cell in found:
        if (not one.states or cell.state in one.states) and (
            not one.bursts or cell.burst in one.bursts
        ):
            yield judged(one, cell)


def judged(one: Claim, cell: Cell) -> JudgedClaim:
    """Judge a claim in one cell."""
    samples = _samples(one, cell)
    if not samples:
        return JudgedClaim(claim=one, cell=cell, fate=Fate.UNKNOWN, found=None)
    ours, references = zip(*samples, strict=True)
    found = Found(
        arm=spread(ours),
        reference=spread(references),
        median=median(mine - reference for mine, reference in samples),
        difference=paired(ours, references),
    )
    fate = Fate.HIT if holds(one.relation, found) else Fate.MISS
    return JudgedClaim(claim=one, cell=cell, fate=fate, found=found)


def holds(relation: Relation, found: Found) -> bool:
    """Say whether the differences are as a relation wants them."""
    difference = found.difference
    answers = {
        Relation.EQUAL: difference.above == difference.below == 0,
        Relation.INTERVAL_CONTAINS_0: not difference.excludes_zero,
        Relation.MORE: difference.low > 0,
        Relation.LESS: difference.high < 0,
        Relation.NOT_LESS: difference.high >= 0,
        Relation.NOT_MORE: difference.low <= 0,
        Relation.AT_LEAST: found.median >= 0,
        Relation.AT_MOST: found.median <= 0,
    }
    return answers[relation]


def _samples(one: Claim, cell: Cell) -> list[tuple[float, float]]:
    """Pair the arm's numbers with their references, by seed."""
    ours = cell.of(one.arm)
    if one.value is not None:
        return [(value, one.value) for value in values(one.measure, ours)]
    theirs = cell.of(one.against or cell.plan.baseline)
    factor = 1.0 if one.factor is None else one.factor
    return [
        # 1.1 times 100 is 110, not the next number above that floats have.
        (mine, round(factor * other, _DECIMALS))
        for mine, other in value_pairs(one.measure, ours, theirs)
    ]

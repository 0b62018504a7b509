# SPDX-License-Identifier: GPL-2.0-only
"""What is expected of a change, in one sentence, for `git bisect run`. Pure.

    MEASURE RELATION REFERENCE [in STATE,...] [at BURST,...]

MEASURE is a measure of plans (blocks, scanned, latency_p99 ...), or huge_pages: the blocks of
bursts of a huge page's order. RELATION is a relation of plans (more, not_less, at_most ...).
REFERENCE is base, FACTOR*base or a number. It must hold in every state and burst that it is about.

Against the base itself a difference is what the verdict calls one (verdict.py): beyond the
interval, the noise floor of the A/A control and chance. So not_less is missed only where there is
less.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from harness.compare.cells import Cell, cells
from harness.compare.claims import Claim, Relation
from harness.compare.judged_claims import Fate, judged
from harness.compare.judging import BASE, CHANGE, arm_of, settings
from harness.compare.kinds.base import RequestKind
from harness.compare.measures import OF_HUGE_PAGES, Measure
from harness.compare.plan import Burst, Plan
from harness.compare.results import Results
from harness.compare.verdict import Difference, Question, differences
from harness.compare.verdict_page import told_difference
from harness.errors import RecordError, UserError

HUGE_PAGES = "huge_pages"
_HUGE_ORDER = 9  # of 2 MiB, on x86-64
_FORM = (
    'give it as "MEASURE RELATION base", e.g. "huge_pages not_less base"; a number or 1.1*base may '
    "stand for base, and `in STATE,...` and `at BURST,...` may follow"
)
# Of a difference that is none, these hold; of one, those that go its way.
_HOLDS_WITHOUT = frozenset({Relation.NOT_LESS, Relation.NOT_MORE, Relation.INTERVAL_CONTAINS_0})
_HOLDS_ABOVE = frozenset({Relation.MORE, Relation.NOT_LESS})
_HOLDS_BELOW = frozenset({Relation.LESS, Relation.NOT_MORE})
_OF_DIFFERENCES = _HOLDS_WITHOUT | _HOLDS_ABOVE | _HOLDS_BELOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One sentence, taken apart."""

    text: str
    measure: Measure
    relation: Relation
    factor: float  # of the base's number
    value: float | None  # instead of it
    states: tuple[str, ...]
    bursts: tuple[str, ...]

    @property
    def is_of_base(self) -> bool:
        """Whether the reference is the base's number as it is."""
        return self.value is None and self.factor == 1.0

    def is_about(self, cell: Cell) -> bool:
        """Whether it must hold in a state and burst."""
        return cell.state in self.states and cell.burst in self.bursts


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How it fared: where it was missed, and in how many places it held."""

    expectation: Expectation
    held: int
    missed: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether it was missed nowhere."""
        return not self.missed

    def __str__(self) -> str:
        places = self.held + len(self.missed)
        if self.holds:
            return f"EXPECTED {self.expectation.text}: holds in {places} of {places} places"
        told = "; ".join(self.missed)
        return f"EXPECTED {self.expectation.text}: missed in {len(self.missed)} of {places}: {told}"


def parse_expectation(text: str, plan: Plan) -> Expectation:
    """Take a sentence apart; UserError says what of it does not fit the plan."""
    words = text.split()
    if len(words) < 3 or len(words) % 2 == 0:  # noqa: PLR2004 - three, and pairs
        raise UserError(f"--expect {text!r}: {_FORM}")
    name, relation, reference, *rest = words
    measure = _measure(text, name)
    bursts = [burst.name for burst in plan.bursts if _can_have(name, measure, burst)]
    if not bursts:
        lacking = _lacking(name, measure)
        raise UserError(f"--expect {text!r}: no burst of plan {plan.name} {lacking}")
    states = [state.name for state in plan.states]
    for word, names in zip(rest[::2], rest[1::2], strict=True):
        chosen = names.split(",")
        if word == "in":
            states = _chosen(text, "state", chosen, states)
        elif word == "at":
            bursts = _chosen(text, "burst", chosen, bursts)
        else:
            raise UserError(f"--expect {text!r}: {word!r} is neither `in` nor `at`; {_FORM}")
    factor, value = _reference(text, reference)
    return Expectation(
        text=" ".join(words),
        measure=measure,
        relation=_relation(text, relation),
        factor=factor,
        value=value,
        states=tuple(states),
        bursts=tuple(bursts),
    )


def _can_have(name: str, measure: Measure, burst: Burst) -> bool:
    """Whether a burst may have the number; what a kernel does not count is seen in its arms."""
    if name == HUGE_PAGES:
        return burst.order == _HUGE_ORDER
    if measure in OF_HUGE_PAGES:
        return burst.kind is not RequestKind.MODULE
    return measure is not Measure.BACKGROUND_FAILURES or burst.background_load > 0


def _lacking(name: str, measure: Measure) -> str:
    if name == HUGE_PAGES:
        return "is of huge pages"
    kinds = ", ".join(kind for kind in RequestKind if kind is not RequestKind.MODULE)
    return f"is of kind {kinds}" if measure in OF_HUGE_PAGES else "has a background_load"


def _chosen(text: str, kind: str, chosen: Collection[str], known: list[str]) -> list[str]:
    if strange := [name for name in chosen if name not in known]:
        raise UserError(
            f"--expect {text!r}: {strange[0]!r} is no {kind} that it can be about; there are "
            f"{', '.join(known)}"
        )
    return [name for name in known if name in chosen]


def _measure(text: str, name: str) -> Measure:
    if name == HUGE_PAGES:
        return Measure.BLOCKS
    if name not in set(Measure):
        raise UserError(
            f"--expect {text!r}: {name!r} is no measure; there are {HUGE_PAGES}, "
            f"{', '.join(Measure)}"
        )
    return Measure(name)


def _relation(text: str, name: str) -> Relation:
    if name not in set(Relation):
        raise UserError(
            f"--expect {text!r}: {name!r} is no relation; there are {', '.join(Relation)}"
        )
    return Relation(name)


def _reference(text: str, word: str) -> tuple[float, float | None]:
    number, star, base = word.rpartition("*")
    try:
        if base == BASE:
            factor = float(number) if star else 1.0
            value = None
        else:
            factor, value = 1.0, float(word)
    except ValueError:
        raise UserError(f"--expect {text!r}: {word!r} is neither base nor a number") from None
    if not all(math.isfinite(each) and each >= 0 for each in (factor, value or 0.0)):
        raise UserError(f"--expect {text!r}: {word!r} is no number of at least 0")
    return factor, value


def expected(one: Expectation, results: Results) -> Expected:
    """Hold the changed kernel to it; RecordError where nothing was measured that it is about."""
    held = 0
    missed: list[str] = []
    for holds, told in _of_base(one, results) if one.is_of_base else _of_claims(one, results):
        held += holds
        if not holds:
            missed.append(told)
    if not held and not missed:
        raise RecordError(
            f"--expect {one.text!r}: none of the arms has such a number; "
            "report.md has what they have"
        )
    return Expected(expectation=one, held=held, missed=tuple(missed))


def _of_base(one: Expectation, results: Results) -> list[tuple[bool, str]]:
    question = Question(name="expected", measures=(one.measure,), more_is_better=True)
    about = [cell for cell in cells(results) if one.is_about(cell)]
    found = differences(results, question, about, CHANGE)
    return [(_holds(one.relation, each), told_difference(each)) for each in found]


def _holds(relation: Relation, found: Difference) -> bool:
    if relation is Relation.EQUAL:
        return found.difference.above == found.difference.below == 0
    if relation is Relation.AT_LEAST:
        return found.median_difference >= 0
    if relation is Relation.AT_MOST:
        return found.median_difference <= 0
    if not found.is_real:
        return relation in _HOLDS_WITHOUT
    return relation in (_HOLDS_ABOVE if found.difference.mean > 0 else _HOLDS_BELOW)


def _of_claims(one: Expectation, results: Results) -> list[tuple[bool, str]]:
    fared = []
    for cell in cells(results):
        for _, setting in settings(results.plan):
            claim = Claim(
                says=one.text,
                arm=arm_of(setting, CHANGE),
                measure=one.measure,
                relation=one.relation,
                against=None if one.value is not None else arm_of(setting, BASE),
                factor=None if one.value is not None else one.factor,
                value=one.value,
            )
            found = judged(claim, cell) if one.is_about(cell) else None
            if found is not None and found.found is not None:
                told = f"{found.found.difference} ({cell.state} {cell.burst})"
                fared.append((found.fate is Fate.HIT, told))
    return fared

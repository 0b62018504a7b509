# SPDX-License-Identifier: GPL-2.0-only
"""What an exact answer rests on: the places and measures that differ beyond noise. Pure.

Of them a few are held against boots that are not repeatable (harness/compare/second_opinion.py):
each place more costs boots, and each sign more of a question takes more of them to be told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import fmean

from harness.compare.cells import Cell, cells, value_pairs
from harness.compare.judging import BASE, arm_of
from harness.compare.measures import Measure
from harness.compare.results import Results
from harness.compare.statistics import holm, paired, t_test
from harness.compare.verdict import HARM, QUESTIONS, RELEVANT_SHARE, Answer, Question, Verdict

GROUNDS_MAX = 6
PLACES_MAX = 3
_CHANCE = 0.05
# On the guest's clock: without a real accelerator it tells nothing of a machine's.
BY_CLOCK = frozenset(each for each in Measure if each.startswith("latency_"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One measure of one place in which an arm differs from another, exactly."""

    state: str
    burst: str
    arm: str
    against: str
    question: str
    measure: Measure
    mean: float  # of the differences, arm - against, over the seeds
    base: float  # the mean of `against`

    @property
    def share(self) -> float | None:
        """The difference as a share of what it is held against; None where that is 0."""
        return self.mean / abs(self.base) if self.base else None

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What a boot of each of the two arms is made for."""
        return (self.state, self.burst, self.arm, self.against)

    @property
    def told(self) -> str:
        """Say which sign it has, and where."""
        sign = "more" if self.mean > 0 else "less"
        return (
            f"{self.measure} {sign} with {self.arm} than with {self.against}, "
            f"{self.state} {self.burst}"
        )


def of_verdicts(verdicts: Iterable[Verdict]) -> tuple[Ground, ...]:
    """Return all that judgements call a difference."""
    return tuple(
        Ground(
            state=one.cell.state,
            burst=one.cell.burst,
            arm=arm_of(one.setting, verdict.variant),
            against=arm_of(one.setting, BASE),
            question=one.question.name,
            measure=one.measure,
            mean=one.difference.mean,
            base=one.base_mean,
        )
        for verdict in verdicts
        for one in verdict.differences
        if one.answer in {Answer.BETTER, Answer.WORSE}
    )


def of_comparison(results: Results) -> tuple[Ground, ...]:
    """Return in what arms differ from the baseline by the rules of a judgement.

    But for the noise floor: a plan need not have an A/A control.
    """
    found = cells(results)
    return tuple(one for question in QUESTIONS for one in _differing(results, question, found))


def _differing(results: Results, question: Question, found: Sequence[Cell]) -> tuple[Ground, ...]:
    baseline = results.plan.baseline
    drafts: list[tuple[Ground, float]] = []
    for cell in found:
        for arm in results.plan.arms:
            for measure in question.measures:
                both = value_pairs(measure, cell.of(arm.name), cell.of(baseline))
                if arm.name == baseline or not both:
                    continue
                ours, theirs = zip(*both, strict=True)
                difference = paired(ours, theirs)
                # What is the same for all seeds is none of those asked about.
                if not (difference.above or difference.below):
                    continue
                ground = Ground(
                    state=cell.state,
                    burst=cell.burst,
                    arm=arm.name,
                    against=baseline,
                    question=question.name,
                    measure=measure,
                    mean=difference.mean,
                    base=fmean(theirs),
                )
                is_one = difference.excludes_zero and _is_large(ground)
                drafts.append((ground, t_test(ours, theirs) if is_one else 1.0))
    corrected = holm([chance for _, chance in drafts])
    return tuple(
        ground for (ground, _), chance in zip(drafts, corrected, strict=True) if chance < _CHANCE
    )


def _is_large(ground: Ground) -> bool:
    return ground.share is None or abs(ground.share) >= RELEVANT_SHARE


def chosen(grounds: Sequence[Ground]) -> tuple[Ground, ...]:
    """Return the few that decide: the largest of each question, then the next of each.

    At most GROUNDS_MAX of at most PLACES_MAX places. Harm to others is asked about where nothing
    else differs: its measures mostly follow from how many blocks were got.
    """
    asked = [one for one in grounds if one.question != HARM] or grounds
    by_question = [
        sorted((one for one in asked if one.question == question.name), key=_size, reverse=True)
        for question in QUESTIONS
    ]
    kept: list[Ground] = []
    for turn in zip_longest(*by_question):
        for one in turn:
            places = {each.place for each in kept}
            is_there = one is not None and (one.place in places or len(places) < PLACES_MAX)
            if one is not None and is_there and len(kept) < GROUNDS_MAX:
                kept.append(one)
    return tuple(kept)


def _size(one: Ground) -> float:
    return abs(one.share) if one.share is not None else abs(one.mean)

# SPDX-License-Identifier: GPL-2.0-only
"""Whether a kernel is better, worse or the same with a change, from a comparison's results. Pure.

Each question has measures, and each of them a number for each state, burst and seed. The unit is
the seed: differences are of the changed kernel's number and the base's of the same seed. One is
called a difference if

- its 95 % interval (of the mean, BCa bootstrap) does not contain 0,
- it is larger than the noise floor, which is the far end of the interval that the A/A control has
  in the same place: the base against itself in another layout,
- the paired t-test's p, corrected for all measures, states and bursts of its question (Holm), is
  below 5 %,
- and it is at least 1 % of the base's mean: more than this may be real and is of no use.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean, median

from harness.compare.cells import Cell, cells, value_pairs
from harness.compare.judging import AGAIN, BASE, arm_of, judged_variants, settings
from harness.compare.measures import Measure
from harness.compare.plan import Variant
from harness.compare.results import Results
from harness.compare.statistics import Paired, Spread, holm, paired, spread, t_test

RELEVANT_SHARE = 0.01
_CHANCE = 0.05
HARM = "harm to others"


class Answer(StrEnum):
    """What a change is, to one question or to all."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no difference"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a change: of some measures, whether more of them is better."""

    name: str
    measures: tuple[Measure, ...]
    more_is_better: bool


QUESTIONS = (
    Question(name="got", measures=(Measure.BLOCKS,), more_is_better=True),
    Question(
        name="latency",
        measures=(Measure.LATENCY_MEDIAN, Measure.LATENCY_P99),
        more_is_better=False,
    ),
    Question(name="work", measures=(Measure.WORK,), more_is_better=False),
    Question(
        name=HARM,
        measures=(
            Measure.BACKGROUND_FAILURES,
            Measure.LATER_FAILURES,
            Measure.LATER_SMALL_FAILURES,
            Measure.OOM_KILLS,
            Measure.EXTFRAG_EVENTS,
            Measure.UNMOVABLE_MADE,
            Measure.MIXED_MADE,
        ),
        more_is_better=False,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One measure in one state and burst: the base, the changed kernel, and the control."""

    question: Question
    measure: Measure
    cell: Cell
    setting: str  # the plan's arm; empty where there is one
    base: Spread
    base_mean: float
    changed: Spread
    changed_mean: float
    difference: Paired
    median_difference: float
    control: Paired | None  # None: the control has no such number
    chance: float  # corrected for its question

    @property
    def place(self) -> str:
        """Say where."""
        return " ".join(part for part in (self.cell.state, self.cell.burst, self.setting) if part)

    @property
    def floor(self) -> float | None:
        """What the control shows of noise; None where it shows nothing."""
        one = self.control
        return None if one is None else max(abs(one.low), abs(one.high))

    @property
    def moved(self) -> bool:
        """Whether any seed differs, of the changed kernel or of the control."""
        found = (self.difference, self.control)
        return any(one.above or one.below for one in found if one)

    @property
    def is_real(self) -> bool:
        """Whether it is more than noise."""
        return (
            self.floor is not None
            and self.difference.excludes_zero
            and abs(self.difference.mean) > self.floor
            and self.chance < _CHANCE
        )

    @property
    def share(self) -> float | None:
        """The difference as a share of the size of the base's mean; None where that is 0."""
        return self.difference.mean / abs(self.base_mean) if self.base_mean else None

    @property
    def answer(self) -> Answer:
        """What the change is here."""
        is_large = self.share is None or abs(self.share) >= RELEVANT_SHARE
        if not (self.is_real and is_large):
            return Answer.SAME
        more = self.difference.mean > 0
        return Answer.BETTER if more == self.question.more_is_better else Answer.WORSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A question's answer, and all that it rests on."""

    question: Question
    differences: tuple[Difference, ...]

    @property
    def answer(self) -> Answer:
        """One word for all places."""
        return together(one.answer for one in self.differences)

    def largest(self, answer: Answer) -> Difference | None:
        """Return where a change is most of what it is; None where it is not."""
        found = [one for one in self.differences if one.answer is answer]
        return max(found, key=_size, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one kernel is, against its base."""

    variant: Variant
    answered: tuple[Answered, ...]
    seeds: int  # that all differences rest on, at least
    same_image: bool  # base and change are the same bytes: memory was, too

    @property
    def answer(self) -> Answer:
        """One word for all questions."""
        return together(one.answer for one in self.answered)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Everything that was asked, everywhere."""
        return tuple(one for each in self.answered for one in each.differences)


def together(answers: Iterator[Answer]) -> Answer:
    """Return one word for several; better here and worse there is mixed."""
    found = set(answers) - {Answer.SAME}
    if not found:
        return Answer.SAME
    return found.pop() if len(found) == 1 else Answer.MIXED


def verdicts(results: Results) -> tuple[Verdict, ...]:
    """Judge each changed kernel of a judged plan's results."""
    return tuple(_verdict(results, variant) for variant in judged_variants(results.plan))


def _verdict(results: Results, variant: Variant) -> Verdict:
    found = cells(results)
    answered = tuple(
        Answered(question=one, differences=differences(results, one, found, variant))
        for one in QUESTIONS
    )
    counts = [one.difference.count for each in answered for one in each.differences]
    images = {
        kernel.variant: (kernel.key.vmlinux_digest, kernel.key.initramfs_digest)
        for kernel in results.kernels.kernels
    }
    return Verdict(
        variant=variant,
        answered=answered,
        seeds=min(counts, default=0),
        same_image=variant in images and images.get(BASE) == images[variant],
    )


def differences(
    results: Results, question: Question, found: Sequence[Cell], variant: Variant
) -> tuple[Difference, ...]:
    """Compare all measures of a question in some cells, corrected for their number."""
    drafts = [
        draft
        for cell in found
        for _, setting in settings(results.plan)
        for measure in question.measures
        if (draft := _difference(question, measure, cell, setting, variant))
    ]
    # What is the same for all seeds can be no difference, and is none of those asked about.
    asked = [one for one in drafts if one.difference.above or one.difference.below]
    corrected = iter(holm([one.chance for one in asked]))
    chances = {id(one): next(corrected) for one in asked}
    return tuple(replace(one, chance=chances.get(id(one), 1.0)) for one in drafts)


def _difference(
    question: Question, measure: Measure, cell: Cell, setting: str, variant: Variant
) -> Difference | None:
    bases = cell.of(arm_of(setting, BASE))
    both = value_pairs(measure, cell.of(arm_of(setting, variant)), bases)
    control = value_pairs(measure, cell.of(arm_of(setting, AGAIN)), bases)
    if not both:
        return None
    ours, theirs = zip(*both, strict=True)
    return Difference(
        question=question,
        measure=measure,
        cell=cell,
        setting=setting,
        base=spread(theirs),
        base_mean=fmean(theirs),
        changed=spread(ours),
        changed_mean=fmean(ours),
        difference=paired(ours, theirs),
        median_difference=median(mine - other for mine, other in both),
        control=paired(*zip(*control, strict=True)) if control else None,
        chance=t_test(ours, theirs),
    )


def _size(one: Difference) -> float:
    return abs(one.share) if one.share is not None else abs(one.difference.mean)

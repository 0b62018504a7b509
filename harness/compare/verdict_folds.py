# SPDX-License-Identifier: GPL-2.0-only
"""What is under a field of a judgement's map: every measure, by seed, with the control. Pure."""

from collections.abc import Sequence
from statistics import fmean

from harness.compare.cells import value_pairs
from harness.compare.judging import AGAIN, BASE, arm_of
from harness.compare.measures import Measure, measured
from harness.compare.pictures import Row, differences_picture, pairs_picture
from harness.compare.plan import Variant
from harness.compare.verdict import Answer, Difference, Verdict
from harness.writers.picture import Picture, brief
from harness.writers.screen import Block, Fold, Pictures, Tone, Words

TONES = {
    Answer.BETTER: Tone.GOOD,
    Answer.WORSE: Tone.BAD,
    Answer.SAME: Tone.SAME,
    Answer.MIXED: Tone.MIXED,
}
NAMES = {
    Measure.BLOCKS: "blocks got",
    Measure.LATENCY_MEDIAN: "latency, median",
    Measure.LATENCY_P99: "latency, p99",
    Measure.WORK: "work",
    Measure.BACKGROUND_FAILURES: "others' failures",
    Measure.LATER_FAILURES: "later failures",
    Measure.LATER_SMALL_FAILURES: "later small failures",
    Measure.OOM_KILLS: "OOM kills",
    Measure.EXTFRAG_EVENTS: "extfrag events",
    Measure.UNMOVABLE_MADE: "unmovable made",
    Measure.MIXED_MADE: "mixed made",
}
_KEY = (
    ("dot-good", "better"),
    ("dot-bad", "worse"),
    ("dot-same", "no difference"),
    ("dot-base", "A/A control: the base in another layout"),
)
_PAIRS_KEY = (("dot-base", "base"), ("dot-arm", "changed"), ("dot-same", "base again (A/A)"))


def place_link(verdict: Verdict, at: int) -> str:
    """Name the fold of a verdict's place."""
    return f"judged-{verdict.variant.removeprefix('change').strip('-') or 'all'}-{at}"


def verdict_fold(verdict: Verdict, place: str, ours: Sequence[Difference], at: int) -> Fold:
    """Return the fold of a place: all differences with the control, then each measure by seed."""
    answers = [one.answer for one in ours]
    better, worse = answers.count(Answer.BETTER), answers.count(Answer.WORSE)
    moved = [one for one in ours if any(_differences(one, verdict.variant))]
    shares = [_row(one, verdict) for one in moved if one.base_mean]
    blocks: list[Block] = []
    if shares:
        title = "Differences of the changed kernel, % of the base's mean"
        picture = differences_picture(title, shares, unit=" %")
        blocks.append(Pictures(pictures=(picture,), key=_KEY))
    blocks.append(Pictures(pictures=tuple(_pairs(one, verdict) for one in moved), key=_PAIRS_KEY))
    equal = [NAMES[one.measure] for one in ours if one not in moved]
    if equal:
        blocks.append(Words(paragraphs=(f"Equal for every seed: {', '.join(equal)}.",)))
    return Fold(
        title=place,
        hint=f"{better} better, {worse} worse, {len(ours) - better - worse} no difference",
        link=place_link(verdict, at),
        is_open=at == 1,
        state=ours[0].cell.marked_state,
        request=" ".join(part for part in (ours[0].cell.burst, ours[0].setting) if part),
        blocks=tuple(blocks),
    )


def _differences(one: Difference, variant: Variant) -> list[float]:
    ours, base = (one.cell.of(arm_of(one.setting, name)) for name in (variant, BASE))
    return [mine - other for mine, other in value_pairs(one.measure, ours, base)]


def _row(one: Difference, verdict: Verdict) -> Row:
    def share(value: float) -> float:
        return 100 * value / abs(one.base_mean)

    found = one.difference
    return Row(
        name=NAMES[one.measure],
        differences=tuple(map(share, _differences(one, verdict.variant))),
        mean=share(found.mean),
        low=share(found.low),
        high=share(found.high),
        tone=TONES[one.answer],
        control=tuple(map(share, _differences(one, AGAIN))),
        floor=None if one.floor is None else share(one.floor),
    )


def _pairs(one: Difference, verdict: Verdict) -> Picture:
    base, again, ours = (_by_seed(one, name) for name in (BASE, AGAIN, verdict.variant))
    seeds = sorted(base.keys() & ours.keys())
    before, now = ([side[seed] for seed in seeds] for side in (base, ours))
    # A control that failed for a seed, or was never asked for, hides nothing of the change.
    control = [again[seed] for seed in seeds] if again.keys() >= set(seeds) else []
    title = f"{NAMES[one.measure]}: mean {_grouped(before)} to {_grouped(now)}"
    return pairs_picture(title, seeds, before, now, control=control, names=(BASE, verdict.variant))


def _by_seed(one: Difference, variant: Variant) -> dict[int, float]:
    """Return the numbers of a variant by seed, of those seeds that have one."""
    found = {each.seed: measured(one.measure, each.outcome)
             for each in one.cell.of(arm_of(one.setting, variant))}  # fmt: skip
    return {seed: value for seed, value in found.items() if value is not None}


def _grouped(numbers: Sequence[float]) -> str:
    return brief(fmean(numbers)) if numbers else "-"

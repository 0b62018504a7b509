# SPDX-License-Identifier: GPL-2.0-only
"""A judgement as it is looked at: better or worse, how sure, where, and why. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.compare.judging import AGAIN, BASE, arm_of
from harness.compare.measures import Measure
from harness.compare.place_folds import share_told
from harness.compare.places import places
from harness.compare.plan import Variant
from harness.compare.results import KernelFacts, Results
from harness.compare.screen import place_parts
from harness.compare.screen_facts import Shown, facts, largest_of
from harness.compare.state_differences import promises
from harness.compare.verdict import RELEVANT_SHARE, Answer, Difference, Verdict
from harness.compare.verdict_folds import NAMES, TONES, place_link, verdict_fold
from harness.writers.picture import brief
from harness.writers.screen import (
    Answer as Answered,
)
from harness.writers.screen import (
    Fold,
    Map,
    MapRow,
    Mark,
    Part,
    Screen,
    Words,
)
from harness.writers.table import Table
from harness.writers.words import counted

_NOTES = (
    (
        "Figures are mean differences as shares of the base's mean, or plain where "
        "that is 0. ▲ helps, ▼ hurts, = no difference beyond noise: whether more "
        "is better depends on the measure."
    ),
    (
        "Below it: the noise floor there, from the A/A control. Rows are sorted by "
        "their largest difference over it."
    ),
)
_WORDS = {Answer.BETTER: "helps", Answer.WORSE: "hurts", Answer.SAME: "nothing"}


def verdict_screen(
    results: Results,
    verdicts: Sequence[Verdict],
    *,
    command: str,
    tables: Sequence[Table],
    ran: Sequence[str],
    how_to_read: str,
) -> Screen:
    """Return the screen; `tables` have the numbers of the verdicts."""
    kernels = {one.variant: one for one in results.kernels.kernels}
    change = verdicts[-1].variant if verdicts else BASE
    # The whole change first, then what its first patches are without the others.
    ordered = (*verdicts[-1:], *verdicts[:-1])
    first = _First(variant=change, is_alone=len(verdicts) == 1)
    found = places(results)
    controls = {arm.name for arm in results.plan.arms if arm.kernel == AGAIN}
    told = _told_first(verdicts[-1]) if verdicts else None
    return Screen(
        kind="judgement",
        answers=tuple(_answer(results, one, first=first) for one in ordered),
        facts=facts(
            results,
            command=command,
            largest=told or largest_of(found, leaving_out=controls),
            change=_change(kernels, change),
        ),
        parts=(
            *(_map_part(one, first=first) for one in ordered if one.differences),
            *(_why_part(one, alone=len(verdicts) == 1) for one in ordered if one.differences),
            *place_parts(found, title="Each arm against base, as a comparison shows it"),
            Part(
                title="All numbers, and how to read them",
                blocks=(
                    Words(paragraphs=(results.plan.why, how_to_read)),
                    *(Fold(title=table.title, blocks=(table,)) for table in tables),
                    Fold(title="Kernels", blocks=(Words(points=tuple(ran)),)),
                ),
            ),
        ),
    )


def _told_first(verdict: Verdict) -> Shown | None:
    """Return where the difference is that the verdict's sentence names first, and its arm."""
    for wanted in (Answer.BETTER, Answer.WORSE):
        found = [one for one in verdict.differences if one.answer is wanted]
        for ours in _by_measure(found).values():
            largest = max(ours, key=_size)
            return largest.cell, arm_of(largest.setting, verdict.variant)
    return None


def _change(kernels: dict[Variant, KernelFacts], variant: Variant) -> str:
    """Name the patches that the changed kernel has beyond its base."""
    if BASE not in kernels or variant not in kernels:
        return variant
    before = len(kernels[BASE].provenance.patches)
    names = kernels[variant].provenance.patches[before:]
    return ", ".join(names) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class _First:
    """The verdict that is told with all that holds for the others as well."""

    variant: Variant
    is_alone: bool


def _answer(results: Results, verdict: Verdict, *, first: _First) -> Answered:
    return Answered(
        tone=TONES[verdict.answer],
        word=verdict.answer if verdict.differences else "not measured",
        sentence=_sentence(verdict, first),
        points=tuple(_points(results, verdict)) if verdict.variant == first.variant else (),
    )


def _sentence(verdict: Verdict, first: _First) -> str:
    is_whole = verdict.variant == first.variant
    subject = "The change" if is_whole else f"Its part `{verdict.variant}`"
    if not verdict.differences:
        return f"{subject} is not judged: no seed has numbers of it and of the base."
    better, worse = ([one for one in verdict.differences if one.answer is each]
                     for each in (Answer.BETTER, Answer.WORSE))  # fmt: skip
    if not better and not worse:
        return (
            f"{subject} makes no difference beyond noise to what requests get, how long they take, "
            "the work for them, or others."
        )
    parts = [
        f"{word} in {_most(found)}"
        for word, found in (("better", better), ("worse", worse))
        if found
    ]
    nothing = "" if worse else "; nothing is worse beyond noise"
    nothing = "; nothing is better beyond noise" if not better else nothing
    return f"{subject} is {' and '.join(parts)}{nothing}."


def _most(found: Sequence[Difference]) -> str:
    """Say which measures differ, each by what is most of it."""
    told = []
    for measure, ours in _by_measure(found).items():
        largest = max(ours, key=_size)
        more = f" and {len(ours) - 1} more" if len(ours) > 1 else ""
        told.append(f"{NAMES[measure]} ({_figure(largest)}, {largest.place}{more})")
    return ", ".join(told)


def _by_measure(found: Sequence[Difference]) -> dict[Measure, list[Difference]]:
    measures = dict.fromkeys(one.measure for one in found)
    return {measure: [one for one in found if one.measure is measure] for measure in measures}


def _noise(verdict: Verdict) -> Iterator[str]:
    """Say the noise of each difference that is told, or the most where there is none."""
    real = [one for one in verdict.differences if one.answer is not Answer.SAME]
    if real:
        largest = (max(ours, key=_size) for ours in _by_measure(real).values())
        told = ", ".join(f"{NAMES[one.measure]} {_floor_told(one)}" for one in largest)
        yield f"Noise there, of the base against itself in another layout: {told}."
        return
    floors = [one for one in verdict.differences if one.floor is not None and one.base_mean]
    if floors:
        most = max(floors, key=lambda one: (one.floor or 0.0) / abs(one.base_mean))
        yield (
            "Noise: the base against itself in another layout differs by up to "
            f"{_floor_told(most)} ({NAMES[most.measure]}, {most.place})."
        )


def _size(one: Difference) -> float:
    return abs(one.share) if one.share is not None else abs(one.difference.mean)


def _figure(one: Difference) -> str:
    if one.share is None:
        return brief(one.difference.mean, sign=True)
    return share_told(one.base_mean + one.difference.mean, one.base_mean)


def _points(results: Results, verdict: Verdict) -> Iterator[str]:
    memory = (
        "from the same memory"
        if verdict.same_image
        else "the same for each kernel, whose memory is not"
    )
    yield (
        f"How sure: N = {counted(verdict.seeds, 'seed')}, {memory}. A difference is "
        "called one if its 95 % interval excludes 0, it is above the noise floor of the A/A "
        f"control, p < 5 % after Holm's correction, and at least {100 * RELEVANT_SHARE:.0f} % of "
        "the base."
    )
    yield from _noise(verdict)
    yield f"Memory: {promises(results)}."


def _places(verdict: Verdict) -> dict[str, list[Difference]]:
    found: dict[str, list[Difference]] = {}
    for one in verdict.differences:
        found.setdefault(one.place, []).append(one)
    ordered = sorted(found.items(), key=lambda item: max(map(_over, item[1])), reverse=True)
    return dict(ordered)


def _over(one: Difference) -> tuple[bool, float]:
    """Return what places are sorted by: a difference, over its noise floor."""
    noise = max(one.floor or 0.0, RELEVANT_SHARE * abs(one.base_mean))
    over = abs(one.difference.mean) / noise if noise else float(bool(one.difference.mean))
    return one.answer is not Answer.SAME, over


def _map_part(verdict: Verdict, *, first: _First) -> Part:
    found = _places(verdict)
    measures = tuple(dict.fromkeys(one.measure for one in verdict.differences if one.moved))
    rows = []
    for at, ours in enumerate(found.values(), 1):
        by_measure = {each.measure: each for each in ours}
        one = ours[0]
        rows.append(
            MapRow(
                state=one.cell.marked_state,
                request=" ".join(part for part in (one.cell.burst, one.setting) if part),
                note="",
                link=place_link(verdict, at),
                marks=tuple(_mark(by_measure.get(measure)) for measure in measures),
                is_above_noise=any(each.answer is not Answer.SAME for each in ours),
            )
        )
    return Part(
        title="Where: changed against base"
        if first.is_alone
        else f"Where: {verdict.variant} against base",
        blocks=(
            Map(
                title=f"Map of {verdict.variant} against {BASE}",
                columns=tuple(NAMES[measure] for measure in measures),
                column_word="measure",
                rows=tuple(rows),
                notes=_NOTES if verdict.variant == first.variant else (),
            ),
        ),
    )


def _mark(one: Difference | None) -> Mark | None:
    if one is None:
        return None
    floor = "no A/A" if one.floor is None else f"noise {_floor_told(one)}"
    return Mark(
        tone=TONES[one.answer], word=_WORDS[one.answer], figure=_figure(one), notes=(floor,)
    )


def _floor_told(one: Difference) -> str:
    floor = one.floor or 0.0
    return f"{100 * floor / abs(one.base_mean):.1f} %" if one.base_mean else brief(floor)


def _why_part(verdict: Verdict, *, alone: bool) -> Part:
    folds = tuple(
        verdict_fold(verdict, place, ours, at)
        for at, (place, ours) in enumerate(_places(verdict).items(), 1)
    )
    return Part(
        title="Why: seed by seed" if alone else f"Why: {verdict.variant}, seed by seed",
        shows="Gains beside costs, as shares of the base's mean: a dot is a seed, a bar the 95 % "
        "interval of the mean, the grey band the noise floor.",
        blocks=folds,
    )

# SPDX-License-Identifier: GPL-2.0-only
"""The map of a comparison: places by arms, each field with colour, sign and number. Pure."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from harness.compare.cells import Cell, value_pairs
from harness.compare.effects import SAME_WORK, Effect
from harness.compare.measures import Measure
from harness.compare.place_folds import TONES, share_told
from harness.compare.places import Place
from harness.compare.results import Results
from harness.writers.picture import brief
from harness.writers.screen import Map, MapRow, Mark, Part, sign_of

# What a map's fields say of others, if their requests failed.
_OTHERS = (
    ("others' fails", Measure.BACKGROUND_FAILURES),
    ("later fails", Measure.LATER_FAILURES),
)
_WORDS = {
    Effect.HELPS: "helps",
    Effect.NOTHING: "nothing",
    Effect.COSTS: "costs",
    Effect.HURTS: "hurts",
}


def map_part(results: Results, found: Sequence[Place]) -> Part:
    """Return the map of all places by all arms."""
    baseline = results.plan.baseline
    arms = tuple(arm.name for arm in results.plan.arms if arm.name != baseline)
    rows = tuple(
        MapRow(
            state=one.cell.marked_state,
            request=one.cell.burst,
            note=_note(one, baseline),
            link=one.link,
            marks=tuple(_mark(one, arm) for arm in arms),
            is_above_noise=one.is_above_noise,
        )
        for one in found
    )
    return Part(
        title=f"Where: each arm against {baseline}",
        blocks=(
            Map(
                title=f"Map of each arm against {baseline}",
                columns=arms,
                column_word="arm",
                rows=rows,
                notes=(
                    (
                        "Figures are mean differences in blocks got. ▲ helps: the interval lies "
                        "above 0; ▼ hurts: below it; ◆ costs: neither, but over "
                        f"{100 * SAME_WORK:.0f} % more pages scanned; = nothing."
                    ),
                    (
                        "Below it: pages scanned against the baseline's, p99 of the latency, and "
                        "requests of others that failed, where there were any."
                    ),
                    (
                        "Rows are sorted by their largest change over its noise, which is half of "
                        "the 95 % interval; a row's name leads to its seeds, pictures and numbers."
                    ),
                ),
            ),
        ),
    )


def _note(one: Place, baseline: str) -> str:
    bases = [each.baseline_blocks for each in one.arms.values()]
    if not bases:
        return ""
    bound = max(each.outcome.bound.blocks for each in one.cell.arms)
    return f"{baseline} {brief(bases[0])} of {bound:,}"


def _mark(place: Place, arm: str) -> Mark | None:
    one = place.arms.get(arm)
    if one is None:
        return None
    return Mark(
        tone=TONES[one.effect],
        word=_WORDS[one.effect],
        figure=sign_of(one.blocks.mean),
        notes=(
            f"scan {share_told(one.scanned, one.baseline_scanned)}",
            f"p99 {share_told(one.p99, one.baseline_p99)}",
            *_harm_told(place.cell, arm),
        ),
    )


def _harm_told(cell: Cell, arm: str) -> Iterator[str]:
    """Say what an arm changes for requests of others, where somebody counted them."""
    for name, measure in _OTHERS:
        both = value_pairs(measure, cell.of(arm), cell.of(cell.plan.baseline))
        if any(one or other for one, other in both):
            change = fmean(one - other for one, other in both)
            yield f"{name} {brief(change, sign=True)}"

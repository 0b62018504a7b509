# SPDX-License-Identifier: GPL-2.0-only
"""What is under a field of a comparison's map: gains beside costs, seed by seed. Pure."""

from collections.abc import Iterator
from statistics import fmean

from harness.compare.cells import Cell, pairs, value_pairs, values
from harness.compare.effects import SAME_WORK, Effect
from harness.compare.huge_page_tables import huge_page_table
from harness.compare.measures import Measure, measured
from harness.compare.pictures import Row, differences_picture, pairs_picture, row_of
from harness.compare.places import Place
from harness.compare.price_pictures import latency_picture, price_picture
from harness.compare.seen_folds import seen_fold
from harness.compare.side_tables import latency_table, work_table
from harness.compare.statistics import paired
from harness.compare.tables import cell_table
from harness.writers.picture import Picture, brief
from harness.writers.screen import Block, Fold, Pictures, Tone, Words
from harness.writers.table import ABSENT, Table

TONES = {
    Effect.HELPS: Tone.GOOD,
    Effect.NOTHING: Tone.SAME,
    Effect.COSTS: Tone.COST,
    Effect.HURTS: Tone.BAD,
}
# Gains first, then what they cost: the work, the waiting, and what others met.
_SIDES: tuple[tuple[str, Measure], ...] = (
    ("blocks", Measure.BLOCKS),
    ("pages scanned", Measure.SCANNED),
    ("reclaim scanned", Measure.RECLAIM_SCANNED),
    ("latency p99", Measure.LATENCY_P99),
    ("all requests", Measure.LATENCY_TOTAL),
    ("extfrag events", Measure.EXTFRAG_EVENTS),
    ("unmovable pageblocks", Measure.UNMOVABLE_AFTER),
    ("mixed pageblocks", Measure.MIXED_AFTER),
    ("background failures", Measure.BACKGROUND_FAILURES),
    ("later failures", Measure.LATER_FAILURES),
    ("OOM kills", Measure.OOM_KILLS),
)
_DRAWN = (
    ("blocks", Measure.BLOCKS),
    ("pages scanned", Measure.SCANNED),
    ("latency p99, instructions", Measure.LATENCY_P99),
)
_SMALLEST_SHARE = 0.05  # per cent: less would print as 0.0
_KEY = (
    ("dot-base", "baseline"),
    ("dot-arm", "arm"),
    ("dot-good", "better"),
    ("dot-bad", "worse"),
    ("dot-cost", "more work"),
)


def place_fold(place: Place, *, is_drawn: bool = True) -> Fold:
    """Return the fold of a place; `is_drawn` says whether its memory is, if a guest saved it."""
    cell = place.cell
    return Fold(
        title=cell.title,
        hint=_hint(place),
        link=place.link,
        state=cell.marked_state,  # as the map names it
        request=cell.burst,
        blocks=tuple(_blocks(place, seen_fold(place) if is_drawn else None)),
    )


def short_fold(place: Place) -> Fold:
    """Return the fold of a place of which the page has no room to draw every seed."""
    cell = place.cell
    told = "Not drawn: other places changed more. report.md has all numbers of this one, too."
    return Fold(
        title=cell.title,
        hint=_hint(place),
        link=place.link,
        state=cell.marked_state,
        request=cell.burst,
        blocks=(_sides(place), Words(paragraphs=(told,))),
    )


def _hint(place: Place) -> str:
    """Say what is most in a place."""
    said = []
    for effect, words in ((Effect.HELPS, "gains most"), (Effect.HURTS, "loses most")):
        arms = {name: one for name, one in place.arms.items() if one.effect is effect}
        if arms:
            name, one = max(arms.items(), key=lambda item: abs(item[1].blocks.mean))
            said.append(f"{name} {words}: {brief(one.blocks.mean, sign=True)} blocks")
    return "; ".join(said) or "no arm gets more or fewer blocks"


def _blocks(place: Place, seen: Fold | None) -> Iterator[Block]:
    cell = place.cell
    if cell.broken:
        boots = ", ".join(cell.broken)
        yield Words(paragraphs=(f"Memory was not as expected, but is included: {boots}.",))
    yield _sides(place)
    forests = tuple(
        differences_picture(f"{name}, arm - {cell.plan.baseline}", rows)
        for name, measure in _DRAWN
        if (rows := _rows(place, measure))
    )
    price = price_picture(cell)
    prices = (price,) if price else ()
    yield Pictures(pictures=(*forests, *prices, latency_picture(cell)), key=_KEY)
    pictures = tuple(picture for arm in place.arms for picture in _pairs(cell, arm))
    equal = [arm for arm in place.arms if not any(True for _ in _pairs(cell, arm))]
    inner: list[Block] = []
    if pictures:
        inner.append(Pictures(pictures=pictures, are_twos=True, key=_KEY[:2]))
    if equal:
        told = f"No seed differs in blocks or scanning: {', '.join(equal)}."
        inner.append(Words(paragraphs=(told,)))
    yield Fold(title="By seed", hint="baseline and arm from the same memory", blocks=tuple(inner))
    if seen:
        yield seen
    tables = (cell_table(cell), huge_page_table(cell), work_table(cell), latency_table(cell))
    yield Fold(
        title="All numbers",
        hint="medians and ranges, work, latencies, keys",
        blocks=tuple(table for table in tables if table),
    )


def _sides(place: Place) -> Table:
    """Make a row for each arm: mean changes against the baseline, gains before costs."""
    cell, baseline = place.cell, place.cell.plan.baseline
    told = [
        (name, measure)
        for name, measure in _SIDES
        if any(measured(measure, one.outcome) for one in cell.arms)
    ]
    rows = [(name, *(_change(cell, name, measure) for _, measure in told)) for name in place.arms]
    base = values_told(cell, baseline, tuple(measure for _, measure in told))
    return Table(
        title=f"Gains beside costs: mean change against {baseline}",
        head=("arm", *(name for name, _ in told)),
        rows=((f"{baseline} (mean)", *base), *rows),
        figures=True,
    )


def values_told(cell: Cell, arm: str, measures: tuple[Measure, ...]) -> tuple[str, ...]:
    """Print an arm's means of some measures."""
    found = (values(measure, cell.of(arm)) for measure in measures)
    return tuple(_grouped(fmean(each)) if each else ABSENT for each in found)


def _grouped(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.1f}"  # noqa: PLR2004


def _change(cell: Cell, arm: str, measure: Measure) -> str:
    both = value_pairs(measure, cell.of(arm), cell.of(cell.plan.baseline))
    if not both:
        return ABSENT
    return change_told(fmean(one for one, _ in both), fmean(other for _, other in both))


def change_told(now: float, before: float) -> str:
    """Say by how much a mean changed, and by which share."""
    if now == before:
        return "0"
    plain = brief(now - before, sign=True)
    return f"{plain} ({share_told(now, before)})" if before else plain


def share_told(now: float, before: float) -> str:
    """Say by which share a mean changed; of a mean of 0, from what to what."""
    if now == before:
        return "0 %"
    if not before:
        return f"0 → {brief(now)}"
    # What a plan measures may be negative: of -2 to -1 is more.
    share = 100 * (now - before) / abs(before)
    if abs(share) < _SMALLEST_SHARE:
        return "0 %"
    text = f"{share:+,.0f}" if abs(share) >= 1 else f"{share:+.1f}"
    return f"{text} %".replace("-", "\N{MINUS SIGN}")


def _rows(place: Place, measure: Measure) -> list[Row]:
    """Return a row for each arm that differs for some seed."""
    cell = place.cell
    rows = []
    for arm, found in place.arms.items():
        both = value_pairs(measure, cell.of(arm), cell.of(cell.plan.baseline))
        differences = [one - other for one, other in both]
        if not any(differences):
            continue
        if measure is Measure.BLOCKS:
            rows.append(row_of(arm, differences, found.blocks, TONES[found.effect]))
            continue
        each = paired(*zip(*both, strict=True))
        base = fmean(other for _, other in both)
        rows.append(row_of(arm, differences, each, _cost_tone(each.low, each.high, base)))
    return rows


def _cost_tone(low: float, high: float, base: float) -> Tone:
    """Say of a cost what it is: less is good; what is within 5 % of the baseline's is the same."""
    if high < -SAME_WORK * base:
        return Tone.GOOD
    return Tone.COST if low > SAME_WORK * base else Tone.SAME


def _pairs(cell: Cell, arm: str) -> Iterator[Picture]:
    """Draw blocks and pages scanned of an arm, gains beside costs, where any seed differs."""
    baseline = cell.plan.baseline
    seeds = [one.seed for one, _ in pairs(cell.of(arm), cell.of(baseline))]
    numbers = {
        name: value_pairs(measure, cell.of(arm), cell.of(baseline)) for name, measure in _DRAWN[:2]
    }
    if all(one == other for both in numbers.values() for one, other in both):
        return
    for name, both in numbers.items():
        ours, base = zip(*both, strict=True)
        yield pairs_picture(f"{arm}: {name}", seeds, base, ours, names=(baseline, arm))

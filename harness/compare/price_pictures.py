# SPDX-License-Identifier: GPL-2.0-only
"""What the arms of a place got for how much work, and how long their requests took. Pure."""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, median

from harness.compare.cells import Cell, values
from harness.compare.measures import Measure
from harness.compare.pictures import WIDTH, shortened
from harness.compare.results import ArmResult
from harness.writers.picture import Label, Picture, Scale, Stroke, brief, dots, line, scale_of

_NAMES, _NUMBERS, _ROW, _AXIS = 118, 50, 18, 18
_COLUMN = WIDTH - 108  # of the names, beside dots
_GAP = 12.0  # from one of them to the next
_LEAST_BOTTOM = 140.0
_QUANTILES = (
    Measure.LATENCY_MEDIAN,
    Measure.LATENCY_P95,
    Measure.LATENCY_P99,
    Measure.LATENCY_MOST,
)


def price_picture(cell: Cell) -> Picture | None:
    """Draw blocks got over pages scanned, a dot an arm (means); None where all are the same."""
    points = {
        arm: (fmean(values(Measure.SCANNED, ours)), fmean(values(Measure.BLOCKS, ours)))
        for arm, ours in _arms(cell)
    }
    if len(set(points.values())) < 2:  # noqa: PLR2004
        return None
    bottom = max(_LEAST_BOTTOM, _GAP * len(points) + 4)
    across = _logarithmic([scanned for scanned, _ in points.values()], 40, _COLUMN - 24)
    up = scale_of([blocks for _, blocks in points.values()], bottom, 8)
    places = {
        arm: (across.at(_log(scanned)), up.at(blocks)) for arm, (scanned, blocks) in points.items()
    }
    base = cell.plan.baseline
    names = list(_named(places, bottom))
    strokes = [
        Stroke(path="".join(_levels(up)), look="axis"),
        Stroke(path="".join(path for _, path in names), look="lead"),
        Stroke(path=dots(at for arm, at in places.items() if arm != base), look="dot-arm"),
    ]
    if base in places:
        ring = dots([places[base]])
        strokes += [Stroke(path=ring, look="dot-base"), Stroke(path=ring, look="dot-hole")]
    return Picture(
        title="blocks got, over pages scanned (log scale), means",
        shows="; ".join(
            f"{arm}: {brief(blocks)} blocks for {brief(scanned)} pages scanned"
            for arm, (scanned, blocks) in points.items()
        ),
        width=WIDTH,
        height=round(bottom + _AXIS),
        strokes=tuple(strokes),
        labels=(
            *(label for label, _ in names),
            *(
                Label(x=34, y=up.at(at) + 4, text=brief(at), anchor="end", look="soft")
                for at in up.ticks(4)
            ),
            *_powers(across, bottom + 15),
        ),
    )


def latency_picture(cell: Cell) -> Picture:
    """Draw p50, p95, p99 and the longest of each arm's requests, medians over the seeds."""
    found = {
        arm: [median(values(measure, ours)) for measure in _QUANTILES] for arm, ours in _arms(cell)
    }
    across = _logarithmic(
        [value for each in found.values() for value in each], _NAMES, WIDTH - _NUMBERS - 6
    )
    bottom = _ROW * len(found) + 4
    strokes: list[Stroke] = []
    labels: list[Label] = []
    for at, (arm, quantiles) in enumerate(found.items()):
        middle = _ROW * at + _ROW / 2
        places = [(across.at(_log(value)), middle) for value in quantiles]
        look = "dot-base" if arm == cell.plan.baseline else "dot-arm"
        strokes += [
            Stroke(path=line(places[0], places[-1]), look="tie"),
            Stroke(path=dots(places), look=look),
        ]
        if arm == cell.plan.baseline:
            strokes.append(Stroke(path=dots(places), look="dot-hole"))
        labels += [
            Label(x=0, y=middle + 4, text=shortened(arm)),
            Label(x=WIDTH, y=middle + 4, text=brief(quantiles[2]), anchor="end", look="strong"),
        ]
    grid = "".join(line((across.at(at), 0), (across.at(at), bottom)) for at in _decades(across))
    return Picture(
        title="latency of a request (log scale, instructions): p50, p95, p99, max; in figures p99",
        shows="; ".join(
            f"{arm}: p50 {brief(one[0])}, p95 {brief(one[1])}, p99 {brief(one[2])}, "
            f"max {brief(one[3])}"
            for arm, one in found.items()
        ),
        width=WIDTH,
        height=bottom + _AXIS,
        strokes=(Stroke(path=grid or line((0, 0), (0, 0)), look="axis"), *strokes),
        labels=(*labels, *_powers(across, bottom + 13)),
    )


def _arms(cell: Cell) -> Iterator[tuple[str, tuple[ArmResult, ...]]]:
    for arm in cell.plan.arms:
        if ours := cell.of(arm.name):
            yield arm.name, ours


def _log(value: float) -> float:
    return math.log10(max(value, 1.0))


def _logarithmic(numbers: Sequence[float], start: float, end: float) -> Scale:
    return scale_of(map(_log, numbers), start, end)


def _decades(across: Scale) -> Iterator[int]:
    return iter(range(math.ceil(across.low), math.floor(across.high) + 1))


def _powers(across: Scale, y: float) -> Iterator[Label]:
    """Label the powers of ten of an axis; its ends where there is none."""
    found = [float(at) for at in _decades(across)] or [across.low, across.high]
    for at in found:
        yield Label(x=across.at(at), y=y, text=brief(10.0**at), anchor="middle", look="soft")


def _levels(up: Scale) -> Iterator[str]:
    return (line((38, up.at(at)), (_COLUMN - 24, up.at(at))) for at in up.ticks(4))


def _named(places: dict[str, tuple[float, float]], bottom: float) -> Iterator[tuple[Label, str]]:
    """Put names in a column at the right, none over another, each with a line from its dot."""
    ordered = sorted(places.items(), key=lambda item: item[1][1])
    heights: list[float] = []
    for _, (_, y) in ordered:
        heights.append(max(y, heights[-1] + _GAP if heights else 0.0))
    for at in range(len(heights) - 1, -1, -1):
        below = heights[at + 1] - _GAP if at + 1 < len(heights) else bottom
        heights[at] = min(heights[at], below)
    for (arm, place), height in zip(ordered, heights, strict=True):
        label = Label(x=_COLUMN + 4, y=height + 4, text=shortened(arm))
        yield label, line(place, (_COLUMN - 8, height), (_COLUMN, height))

# SPDX-License-Identifier: GPL-2.0-only
"""Pictures of differences over seeds. Pure: places are computed here, a writer draws them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.compare.statistics import Paired
from harness.writers.picture import (
    Label,
    Picture,
    Scale,
    Stroke,
    box,
    brief,
    dots,
    line,
    listed,
    scale_of,
)
from harness.writers.screen import Tone

WIDTH = 340
_NAMES = 118  # of a row's name, at its left
_NUMBERS = 60  # of its mean, at its right
_ROW = 20
_AXIS = 18
_NAME_CHARS = 18
_END_CHARS = 7  # of those, how many are of its end
_PAIRS_HEIGHT = 104


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Differences of one arm or measure, one for each seed, and their mean with its interval."""

    name: str
    differences: tuple[float, ...]
    mean: float
    low: float
    high: float
    tone: Tone
    control: tuple[float, ...] = ()  # the same of the A/A control
    floor: float | None = None  # noise, as that control shows it


def row_of(name: str, differences: Sequence[float], found: Paired, tone: Tone) -> Row:
    """Return a row of plain differences."""
    return Row(
        name=name,
        differences=tuple(differences),
        mean=found.mean,
        low=found.low,
        high=found.high,
        tone=tone,
    )


def differences_picture(title: str, rows: Sequence[Row], *, unit: str = "") -> Picture:
    """Draw a row of dots for each, a dot a seed, with the mean's interval; 0 is a line."""
    ends = [value for row in rows for value in _extent(row)]
    across = scale_of([0.0, *ends], _NAMES, WIDTH - _NUMBERS)
    bottom = _ROW * len(rows) + 4
    ticks = across.ticks(3 if unit else 4)  # as many as there is room for their labels
    strokes = [
        *(stroke for at, row in enumerate(rows) for stroke in _row_strokes(row, at, across)),
        Stroke(path=line((across.at(0), 0), (across.at(0), bottom)), look="zero"),
    ]
    labels = [label for at, row in enumerate(rows) for label in _row_labels(row, at, unit)]
    return Picture(
        title=title,
        shows="; ".join(_told(row, unit) for row in rows),
        width=WIDTH,
        height=bottom + _AXIS,
        strokes=(*_grid(across, bottom, ticks), *strokes),
        labels=(*labels, *_ticks(across, bottom, unit, ticks)),
    )


def _extent(row: Row) -> Iterator[float]:
    yield from row.differences
    yield from row.control
    yield from (row.low, row.high)
    if row.floor is not None:
        yield from (row.floor, -row.floor)


def _row_strokes(row: Row, at: int, across: Scale) -> Iterator[Stroke]:
    middle = _ROW * at + _ROW / 2
    if row.floor is not None:
        band = box(across.at(-row.floor), middle - 8, across.at(row.floor), middle + 8)
        yield Stroke(path=band, look="floor")
    if row.control:
        yield Stroke(
            path=dots((across.at(value), middle + 5) for value in row.control), look="dot-base"
        )
    yield Stroke(
        path=dots((across.at(value), middle) for value in row.differences),
        look=f"dot-{row.tone}",
    )
    # A bar of no length would not be seen.
    left, right = across.at(row.low), across.at(row.high)
    bar = line((left - 1, middle), (right + 1, middle)) + line(
        (across.at(row.mean), middle - 6), (across.at(row.mean), middle + 6)
    )
    yield Stroke(path=bar, look=f"bar-{row.tone}")


def _row_labels(row: Row, at: int, unit: str) -> Iterator[Label]:
    base = _ROW * at + _ROW / 2 + 4
    yield Label(x=0, y=base, text=shortened(row.name))
    number = brief(row.mean, sign=True) + unit
    yield Label(x=WIDTH, y=base, text=number, anchor="end", look="strong")


def shortened(name: str) -> str:
    """Shorten a name to the room that it has beside a picture; its description has all of it."""
    if len(name) <= _NAME_CHARS:
        return name
    # Names of one family differ at their ends.
    return f"{name[: _NAME_CHARS - _END_CHARS - 1]}…{name[-_END_CHARS:]}"


def _grid(across: Scale, bottom: float, ticks: Sequence[float]) -> Iterator[Stroke]:
    path = "".join(line((across.at(at), 0), (across.at(at), bottom)) for at in ticks)
    yield Stroke(path=path, look="axis")


def _ticks(across: Scale, bottom: float, unit: str, ticks: Sequence[float]) -> Iterator[Label]:
    for at in ticks:
        text = brief(at, sign=True) + unit
        yield Label(x=across.at(at), y=bottom + 13, text=text, anchor="middle", look="soft")


def _told(row: Row, unit: str) -> str:
    ends = f"{brief(row.low, sign=True)} to {brief(row.high, sign=True)}"
    return f"{row.name}: mean {brief(row.mean, sign=True)}{unit}, 95 % interval {ends}{unit}"


def pairs_picture(
    title: str,
    seeds: Sequence[int],
    base: Sequence[float],
    ours: Sequence[float],
    *,
    control: Sequence[float] = (),
    names: tuple[str, str],
) -> Picture:
    """Draw for each seed what base and arm had, and a line between; one column a seed."""
    up = scale_of([*base, *ours, *control], _PAIRS_HEIGHT - _AXIS, 6)
    across = Scale(0, max(len(seeds) - 1, 1), 48, WIDTH - 12)
    places = [across.at(at) for at in range(len(seeds))]
    ties = "".join(
        line((x, up.at(one)), (x, up.at(other)))
        for x, one, other in zip(places, base, ours, strict=True)
        if one != other
    )
    bases = dots(zip(places, map(up.at, base), strict=True))
    level = "".join(line((42, up.at(at)), (WIDTH, up.at(at))) for at in up.ticks(3))
    return Picture(
        title=title,
        shows=_pairs_told(seeds, base, ours, names),
        width=WIDTH,
        height=_PAIRS_HEIGHT,
        strokes=(
            Stroke(path=level, look="axis"),
            *((Stroke(path=ties, look="tie"),) if ties else ()),
            *(
                (Stroke(path=dots(zip(places, map(up.at, control), strict=True)), look="dot-same"),)
                if control
                else ()
            ),
            Stroke(path=bases, look="dot-base"),
            Stroke(path=bases, look="dot-hole"),  # a ring: told apart without colour
            Stroke(path=dots(zip(places, map(up.at, ours), strict=True)), look="dot-arm"),
        ),
        labels=(
            *(
                Label(x=40, y=up.at(at) + 4, text=brief(at), anchor="end", look="soft")
                for at in up.ticks(3)
            ),
            *_seed_labels(seeds, places),
        ),
    )


def _seed_labels(seeds: Sequence[int], places: Sequence[float]) -> Iterator[Label]:
    step = -(-len(seeds) // 12)
    for at in range(0, len(seeds), max(step, 1)):
        yield Label(
            x=places[at], y=_PAIRS_HEIGHT - 3, text=str(seeds[at]), anchor="middle", look="soft"
        )


def _pairs_told(
    seeds: Sequence[int], base: Sequence[float], ours: Sequence[float], names: tuple[str, str]
) -> str:
    numbers = [f"{_exact(one)} to {_exact(other)}" for one, other in zip(base, ours, strict=True)]
    return f"By seed, {names[0]} to {names[1]}: " + listed([str(seed) for seed in seeds], numbers)


def _exact(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3g}"

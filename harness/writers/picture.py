# SPDX-License-Identifier: GPL-2.0-only
"""A picture as values: strokes and labels at places that are already computed, and what it shows.

A writer draws it (html_blocks.j2 as inline SVG). Lengths are in CSS pixels, y grows downwards.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NICE = (1, 2, 5, 10)
_ROUNDED_UP = 0.9995  # of a unit: with three digits it is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A path; `look` names its style in html.css."""

    path: str
    look: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word at a place; `anchor` says which of its ends is there: start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    look: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing; `shows` says in words what is in it, for who cannot see it."""

    title: str
    shows: str
    width: int
    height: int
    strokes: tuple[Stroke, ...]
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear axis: values low..high at start..end."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value is."""
        width = self.high - self.low
        share = (value - self.low) / width if width else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int) -> tuple[float, ...]:
        """Return round values within the axis, at most `count` and one."""
        width = self.high - self.low
        if width <= 0:
            return (self.low,)
        rough = width / count
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * nice for nice in _NICE if unit * nice >= rough)
        first = math.ceil(self.low / step)
        return tuple(at * step for at in range(first, first + count + 2) if at * step <= self.high)


def scale_of(values: Iterable[float], start: float, end: float) -> Scale:
    """Return an axis that has all values, with some room at its ends."""
    found = list(values) or [0.0]
    low, high = min(found), max(found)
    room = (high - low) * 0.04 or abs(high) * 0.04 or 1.0
    return Scale(low - room, high + room, start, end)


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Return a path of dots: strokes without a length, whose caps are round."""
    return "".join(f"M{_short(x)} {_short(y)}h0" for x, y in points)


def line(*points: tuple[float, float]) -> str:
    """Return a path from point to point."""
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def box(left: float, top: float, right: float, bottom: float) -> str:
    """Return a closed path around a box."""
    x, y, width, height = map(_short, (left, top, right - left, bottom - top))
    return f"M{x} {y}h{width}v{height}h-{width}z"


def brief(value: float, *, sign: bool = False) -> str:
    """Print a number with three digits, and k, M or G behind it where it is large."""
    plus = "+" if sign and value > 0 else ""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= _ROUNDED_UP * size:
            text = f"{value / size:.3g}{unit}"
            break
    else:
        text = f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"
    return plus + (text if "e" not in text else f"{value:.0f}").replace("-", "\N{MINUS SIGN}")


def listed(names: Sequence[str], numbers: Sequence[str]) -> str:
    """Say numbers by their names, in one line."""
    return ", ".join(f"{name}: {number}" for name, number in zip(names, numbers, strict=True))


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

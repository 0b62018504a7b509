# SPDX-License-Identifier: GPL-2.0-only
"""Counters of /proc/vmstat over the requests of a burst, small multiples by arm. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.compare.burst_seen import TimeLine
from harness.writers.picture import Label, Picture, Scale, Stroke, brief, line

_WIDTH = 340
_NAMES, _NUMBERS, _PANEL, _AXIS = 104, 46, 30, 18
_Numbers = Callable[[TimeLine], tuple[int, ...]]


def _of(*names: str) -> _Numbers:
    def numbers(one: TimeLine) -> tuple[int, ...]:
        return tuple(map(sum, zip(*(one.counters[name] for name in names), strict=True)))

    return numbers


# What a panel shows, by its name.
_PANELS: tuple[tuple[str, _Numbers], ...] = (
    ("blocks got", lambda one: one.got),
    ("compact stalls", _of("compact_stall")),
    ("migrate scanned", _of("compact_migrate_scanned")),
    ("free scanned", _of("compact_free_scanned")),
    ("pages migrated", _of("pgmigrate_success")),
    ("reclaim scanned", _of("pgscan_kswapd", "pgscan_direct")),
    ("free pages", _of("nr_free_pages")),
)


def time_line_pictures(arms: Mapping[str, TimeLine]) -> tuple[Picture, ...]:
    """Draw each arm; a panel has one scale for all arms, and is left out where nothing rises."""
    panels = [
        (name, numbers, most)
        for name, numbers in _PANELS
        if (most := max((max(numbers(one)) for one in arms.values()), default=0))
    ]
    last = max((one.requests[-1] for one in arms.values()), default=0)
    return tuple(_picture(arm, one, panels, last) for arm, one in arms.items())


def _picture(
    arm: str, one: TimeLine, panels: Sequence[tuple[str, _Numbers, int]], last: int
) -> Picture:
    across = Scale(0, max(last, 1), _NAMES, _WIDTH - _NUMBERS)
    bottom = _PANEL * len(panels)
    levels, curves, labels = [], [], []
    for at, (name, numbers, most) in enumerate(panels):
        up = Scale(0, most, _PANEL * (at + 1) - 4, _PANEL * at + 4)
        values = numbers(one)
        levels.append(line((_NAMES, up.at(0)), (_WIDTH - _NUMBERS, up.at(0))))
        curves.append(line(*_points(one.requests, values, across, up)))
        labels += [
            Label(x=0, y=up.at(0) - 6, text=name),
            Label(x=_WIDTH, y=up.at(0) - 6, text=brief(values[-1]), anchor="end", look="strong"),
        ]
    return Picture(
        title=f"{arm}: counters over its {one.requests[-1]} requests",
        shows=_told(one, panels),
        width=_WIDTH,
        height=bottom + _AXIS,
        strokes=(
            Stroke(path="".join(levels), look="axis"),
            Stroke(path="".join(curves), look="curve"),
        ),
        labels=(*labels, *_requests(across, bottom + 12)),
    )


def _points(
    requests: Sequence[int], values: Sequence[int], across: Scale, up: Scale
) -> Iterator[tuple[float, float]]:
    """Yield corners, without those between two that are as high."""
    for at, (request, value) in enumerate(zip(requests, values, strict=True)):
        is_end = at in {0, len(values) - 1}
        if is_end or not values[at - 1] == value == values[at + 1]:
            yield across.at(request), up.at(value)


def _requests(across: Scale, y: float) -> Iterator[Label]:
    for at in across.ticks(4):
        yield Label(x=across.at(at), y=y, text=brief(at), anchor="middle", look="soft")


def _told(one: TimeLine, panels: Sequence[tuple[str, _Numbers, int]]) -> str:
    middle = len(one.requests) // 2
    told = [
        f"{name} {brief(values[middle])}, then {brief(values[-1])}"
        for name, numbers, _ in panels
        for values in (numbers(one),)
    ]
    return (
        f"{one.requests[-1]} requests in {brief(one.time_us[-1])} microseconds; after "
        f"{one.requests[middle]} of them, and at the end: {'; '.join(told)}"
    )

# SPDX-License-Identifier: GPL-2.0-only
"""The cross-check module's `free` text: the exact state of all zones at one instant.

Made by kmod/cross_check_free.c:

    cross_check free 2
    zone node=0 name=DMA32 index=1 managed=N min=N low=N high=N boost=N nr_free=N
         highatomic=N cma=N reserve=a,b,c,d pcp=N defer_shift=N considered=N order_failed=N
    free node=0 zone=DMA32 type=Unmovable c0 .. c10
    pageblocks node=0 zone=DMA32 Unmovable=N Movable=N Reclaimable=N ...
    mixed node=0 zone=DMA32 Unmovable=N Movable=N Reclaimable=N ...
    ranges node=0 zone=DMA32 order=K total=N free=N clearable=N
    end

(each `zone` on one line). Amounts are pages, counts are blocks or ranges; the watermarks are
struct zone's _watermark, without the boost that stands beside them. `mixed` are those of the
pageblocks that have a page of another mobility. `free 1`, of before, has no line of either.
"""

from dataclasses import dataclass, field

from harness.texts.pages import MAX_ORDER, Order, PageCount, order_of
from harness.texts.text import (
    damaged,
    key_values,
    natural,
    naturals,
    required,
    shown,
    whole_lines,
)

FIRST_LINE = "cross_check free 2"
_OLD_FIRST_LINE = "cross_check free 1"
LAST_LINE = "end"
_WHAT = "cross-check free"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeList:
    """Free blocks of one migratetype: `blocks[k]` of order k, exact."""

    migratetype: str
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Aligned ranges of 2^order pages inside the zone; clearable: nothing in it is pinned."""

    order: Order
    total: int
    free: int
    clearable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDump:
    """One populated zone."""

    node: int
    name: str
    index: int  # enum zone_type
    managed: PageCount
    min: PageCount
    low: PageCount
    high: PageCount
    boost: PageCount
    nr_free: PageCount
    highatomic: PageCount
    cma: PageCount
    reserve: tuple[PageCount, ...]  # lowmem_reserve by the highest zone index of a request
    pcp: PageCount
    defer_shift: int
    considered: int
    order_failed: int
    free: tuple[FreeList, ...]
    # By migratetype; None: texts of before form 2 do not tell.
    pageblocks: tuple[tuple[str, int], ...] | None
    mixed: tuple[tuple[str, int], ...] | None
    ranges: tuple[Ranges, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeDump:
    """All populated zones, lowest first."""

    zones: tuple[ZoneDump, ...]

    @property
    def mixed_pageblocks(self) -> int | None:
        """How many of all zones have a page of another mobility; None: this text does not tell."""
        if any(zone.mixed is None for zone in self.zones):
            return None
        return sum(blocks for zone in self.zones for _, blocks in zone.mixed or ())


_ByType = dict[tuple[str, str], tuple[tuple[str, int], ...]]


@dataclass(slots=True)
class _Reading:
    zones: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    free: dict[tuple[str, str], list[FreeList]] = field(default_factory=dict)
    blocks: _ByType = field(default_factory=dict)
    mixed: _ByType = field(default_factory=dict)
    ranges: dict[tuple[str, str], list[Ranges]] = field(default_factory=dict)


def parse_free_dump(text: str) -> FreeDump:
    """Parse the whole text; RecordError if it is cut short or a line is not as documented."""
    first, *lines = whole_lines(text, _WHAT)
    if first not in {FIRST_LINE, _OLD_FIRST_LINE}:
        raise damaged(_WHAT, f"the first line is {shown(first)}, not {FIRST_LINE!r}")
    if not lines or lines.pop() != LAST_LINE:
        raise damaged(_WHAT, f"cut short, the last line is not {LAST_LINE!r}")
    reading = _Reading()
    for line in lines:
        _read_line(reading, line)
    if not reading.zones:
        raise damaged(_WHAT, "no zone line")
    for table in (reading.free, reading.blocks, reading.mixed, reading.ranges):
        if stray := set(table) - set(reading.zones):
            raise damaged(_WHAT, f"zone {shown(stray.pop()[1])} has no zone line")
    if first == FIRST_LINE:
        _require_pageblocks(reading)
    return FreeDump(zones=tuple(_zone(reading, key) for key in reading.zones))


def _read_line(reading: _Reading, line: str) -> None:
    kind, *words = line.split(" ")
    if kind == "zone":
        values = key_values(words, _WHAT)
        key = required(values, "node", _WHAT), required(values, "name", _WHAT)
        if key in reading.zones:
            raise damaged(_WHAT, f"zone {shown(key[1])} is given twice")
        reading.zones[key] = values
    elif kind == "free" and len(words) > MAX_ORDER:
        values = key_values(words[:-MAX_ORDER], _WHAT)
        one = FreeList(
            migratetype=required(values, "type", _WHAT),
            blocks=naturals(" ".join(words[-MAX_ORDER:]), MAX_ORDER, _WHAT),
        )
        lists = reading.free.setdefault(_key(values), [])
        if any(other.migratetype == one.migratetype for other in lists):
            raise damaged(_WHAT, f"{shown(line)} is given twice")
        lists.append(one)
    elif kind in {"pageblocks", "mixed"}:
        table = reading.mixed if kind == "mixed" else reading.blocks
        values = key_values(words, _WHAT)
        key = _key(values)
        if key in table:
            raise damaged(_WHAT, f"{shown(line)} is given twice")
        table[key] = tuple(
            (name, natural(value, _WHAT))
            for name, value in values.items()
            if name not in {"node", "zone"}
        )
    elif kind == "ranges":
        values = key_values(words, _WHAT)
        reading.ranges.setdefault(_key(values), []).append(_ranges(values))
    else:
        raise damaged(_WHAT, f"{shown(line)} is no line of it")


def _require_pageblocks(reading: _Reading) -> None:
    """Each zone has both lines, and no type more mixed pageblocks than pageblocks."""
    for key in reading.zones:
        what = f"{_WHAT} zone {shown(key[1])}"
        if key not in reading.blocks or key not in reading.mixed:
            raise damaged(what, "no line of pageblocks, or none of mixed ones")
        blocks, mixed = dict(reading.blocks[key]), dict(reading.mixed[key])
        if blocks.keys() != mixed.keys():
            raise damaged(what, f"mixed are pageblocks of {sorted(mixed)}, not {sorted(blocks)}")
        for name, count in mixed.items():
            if count > blocks[name]:
                raise damaged(what, f"{count} of {blocks[name]} {name} pageblocks are mixed")


def _key(values: dict[str, str]) -> tuple[str, str]:
    return required(values, "node", _WHAT), required(values, "zone", _WHAT)


def _number(values: dict[str, str], key: str) -> int:
    return natural(required(values, key, _WHAT), f"{_WHAT} {key}")


def _ranges(values: dict[str, str]) -> Ranges:
    one = Ranges(
        order=order_of(_number(values, "order"), _WHAT),
        total=_number(values, "total"),
        free=_number(values, "free"),
        clearable=_number(values, "clearable"),
    )
    if not one.free <= one.clearable <= one.total:
        raise damaged(_WHAT, f"ranges of order {one.order}: free, clearable and total do not rise")
    return one


def _zone(reading: _Reading, key: tuple[str, str]) -> ZoneDump:
    values = reading.zones[key]
    what = f"{_WHAT} zone {shown(key[1])}"
    if not reading.free.get(key):
        raise damaged(what, "no line of free blocks")

    def pages(name: str) -> PageCount:
        return PageCount(_number(values, name))

    return ZoneDump(
        node=natural(key[0], what),
        name=key[1],
        index=_number(values, "index"),
        managed=pages("managed"),
        min=pages("min"),
        low=pages("low"),
        high=pages("high"),
        boost=pages("boost"),
        nr_free=pages("nr_free"),
        highatomic=pages("highatomic"),
        cma=pages("cma"),
        reserve=tuple(
            PageCount(natural(word, what)) for word in required(values, "reserve", what).split(",")
        ),
        pcp=pages("pcp"),
        defer_shift=_number(values, "defer_shift"),
        considered=_number(values, "considered"),
        order_failed=_number(values, "order_failed"),
        free=tuple(reading.free[key]),
        pageblocks=reading.blocks.get(key),
        mixed=reading.mixed.get(key),
        ranges=tuple(reading.ranges.get(key, ())),
    )

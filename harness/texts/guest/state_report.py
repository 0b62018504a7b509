# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/make_state.sh says of a state of memory it made (vm/guest/comb.h, kmod).

A text has its name in the first line and again in the last, so that a cut one is refused.
All numbers are pages or blocks, free blocks are by order and summed over all zones.
"""

import re
from dataclasses import dataclass

from harness.texts.pages import MAX_ORDER, PageCount
from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

_WHAT = "state report"
_FIRST = re.compile(r"state 1 name=([a-z]+(?:_[0-9]+)?)")
# Words that say how far the maker has come, and of what kind the pages are.
_STEPS = frozenset({"movable_comb", "cache_comb", "released", "ready"})

Blocks = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comb:
    """Pages given back by physical address (comb.h): of each `keep_one_in` blocks one stays."""

    reclaimable: bool  # page cache; else anonymous memory, which only moves
    keep_one_in: int
    block_order: int
    seed: int
    pages: PageCount
    rest: Blocks  # free when all pages were taken and none was given back
    units: int  # stretches of `unit_pages` that are wholly the comb's
    unit_pages: PageCount
    given_back: PageCount
    partial_units: int
    partial_given_back: PageCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What kmod/unmovable_comb.c did: pages kept for good, and ranges by what holds them."""

    blocks: int
    kept: int
    freed: PageCount
    plugged: int
    ranges: int
    own: int
    foreign: int
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Pageblocks of the filled memory that were given back whole to be pinned."""

    percent: int
    order: int  # of a pageblock
    ours: int
    free: int  # those that were free anyway
    chosen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateReport:
    """One state as its maker tells it; at least one of `comb` and `pins` is there."""

    name: str
    free_before: Blocks
    free_after: Blocks
    comb: Comb | None
    pins: Pins | None
    share: Share | None


def parse_state_report(text: str) -> StateReport:
    """Parse the whole text; RecordError if it is cut, or lacks or repeats a value."""
    lines = whole_lines(text, _WHAT)
    match = _FIRST.fullmatch(lines[0])
    if match is None or lines[-1] != f"end state name={match[1]}":
        raise damaged(_WHAT, f"it begins {shown(lines[0])} and ends {shown(lines[-1])}")
    words = [word for line in lines[1:-1] for word in line.split()]
    values = key_values((word for word in words if word not in _STEPS), _WHAT)
    report = StateReport(
        name=match[1],
        free_before=_blocks(values, "free_before"),
        free_after=_blocks(values, "free_after"),
        comb=_comb(values, reclaimable="cache_comb" in words) if "units" in values else None,
        pins=_pins(values) if "kept" in values else None,
        share=_share(values) if "share" in values else None,
    )
    if report.comb is None and report.pins is None:
        raise damaged(_WHAT, "it names no comb")
    return report


def _number(values: dict[str, str], key: str) -> int:
    return natural(required(values, key, _WHAT), _WHAT)


def _blocks(values: dict[str, str], key: str) -> Blocks:
    words = required(values, key, _WHAT).split(",")
    if len(words) != MAX_ORDER:
        raise damaged(_WHAT, f"{key} has {len(words)} orders where {MAX_ORDER} belong")
    return tuple(natural(word, _WHAT) for word in words)


def _comb(values: dict[str, str], *, reclaimable: bool) -> Comb:
    return Comb(
        reclaimable=reclaimable,
        keep_one_in=_number(values, "keep_one_in"),
        block_order=_number(values, "block_order"),
        seed=_number(values, "seed"),
        pages=PageCount(_number(values, "pages")),
        rest=_blocks(values, "rest"),
        units=_number(values, "units"),
        unit_pages=PageCount(_number(values, "unit_pages")),
        given_back=PageCount(_number(values, "given_back")),
        partial_units=_number(values, "partial_units"),
        partial_given_back=PageCount(_number(values, "partial_given_back")),
    )


def _pins(values: dict[str, str]) -> Pins:
    return Pins(
        blocks=_number(values, "blocks"),
        kept=_number(values, "kept"),
        freed=PageCount(_number(values, "freed")),
        plugged=_number(values, "plugged"),
        ranges=_number(values, "ranges"),
        own=_number(values, "own"),
        foreign=_number(values, "foreign"),
        open=_number(values, "open"),
    )


def _share(values: dict[str, str]) -> Share:
    return Share(
        percent=_number(values, "share"),
        order=_number(values, "share_order"),
        ours=_number(values, "share_blocks_ours"),
        free=_number(values, "share_blocks_free"),
        chosen=_number(values, "share_blocks_chosen"),
    )

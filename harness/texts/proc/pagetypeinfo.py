# SPDX-License-Identifier: GPL-2.0-only
"""/proc/pagetypeinfo: free blocks per migratetype, and pageblocks per migratetype.

mm/vmstat.c pagetypeinfo_show: for each node a page block order, a table of free
blocks, a table of pageblocks and, with page_owner=on, one of mixed pageblocks.
pagetypeinfo_showfree_print stops counting a list at 100000 and prints `>100000`.
"""

import re
from dataclasses import dataclass, field

from harness.texts.pages import MAX_ORDER
from harness.texts.text import damaged, natural, naturals, shown, whole_lines

_WHAT = "pagetypeinfo"
_FREE_LINE = re.compile(r"Node +([0-9]+), zone +(\S+), type +(\S+) +(.*)")
_BLOCKS_LINE = re.compile(r"Node ([0-9]+), zone +(\S+) +(.*)")
_BLOCK_ORDER = "Page block order: "
_BLOCK_PAGES = "Pages per block: "
_FREE_HEADER = "Free pages count per migrate type at order"
_BLOCKS_HEADER = "Number of blocks type"
_MIXED_HEADER = "Number of mixed blocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCount:
    """Free blocks of one order; a lower bound where the kernel stopped counting."""

    blocks: int
    is_lower_bound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratetypeFree:
    """Free blocks of one migratetype of one zone: `orders[k]` of order k."""

    node: int
    zone: str
    migratetype: str
    orders: tuple[BlockCount, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pageblocks:
    """How many pageblocks of a zone carry each migratetype."""

    node: int
    zone: str
    counts: tuple[tuple[str, int], ...]

    def count(self, migratetype: str) -> int:
        """Return the pageblocks of `migratetype`; RecordError if this kernel has none so named."""
        for name, blocks in self.counts:
            if name == migratetype:
                return blocks
        raise damaged(_WHAT, f"zone {shown(self.zone)} lists no migratetype {shown(migratetype)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTypeInfo:
    """Both tables, and the size of a pageblock (the same on every node)."""

    pageblock_order: int
    pageblock_pages: int
    free: tuple[MigratetypeFree, ...]
    pageblocks: tuple[Pageblocks, ...]


@dataclass(slots=True)
class _Reading:
    """What has been read so far; `section` names the table the next line belongs to."""

    section: str = ""
    block_order: set[int] = field(default_factory=set)
    block_pages: set[int] = field(default_factory=set)
    free: dict[tuple[int, str, str], MigratetypeFree] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    blocks: dict[tuple[int, str], Pageblocks] = field(default_factory=dict)


def parse_pagetypeinfo(text: str) -> PageTypeInfo:
    """Parse the whole file; RecordError unless both tables cover the same zones and types."""
    reading = _Reading()
    for line in whole_lines(text, _WHAT):
        if line:
            _read_line(reading, line)
    _check_complete(reading)
    return PageTypeInfo(
        pageblock_order=reading.block_order.pop(),
        pageblock_pages=reading.block_pages.pop(),
        free=tuple(reading.free.values()),
        pageblocks=tuple(reading.blocks.values()),
    )


def _read_line(reading: _Reading, line: str) -> None:
    if line.startswith(_BLOCK_ORDER):
        reading.block_order.add(natural(line.removeprefix(_BLOCK_ORDER), _WHAT))
    elif line.startswith(_BLOCK_PAGES):
        reading.block_pages.add(natural(line.removeprefix(_BLOCK_PAGES).strip(), _WHAT))
    elif line.startswith(_FREE_HEADER):
        naturals(line.removeprefix(_FREE_HEADER), MAX_ORDER, _WHAT)
        reading.section = _FREE_HEADER
    elif line.startswith(_BLOCKS_HEADER):
        reading.types = tuple(line.removeprefix(_BLOCKS_HEADER).split())
        reading.section = _BLOCKS_HEADER
    elif line.startswith(_MIXED_HEADER):
        reading.section = _MIXED_HEADER
    elif reading.section == _FREE_HEADER:
        _read_free(reading, line)
    elif reading.section == _BLOCKS_HEADER:
        _read_blocks(reading, line)
    elif reading.section != _MIXED_HEADER or not _BLOCKS_LINE.fullmatch(line):
        raise damaged(_WHAT, f"{shown(line)} belongs to no table")


def _read_free(reading: _Reading, line: str) -> None:
    match = _FREE_LINE.fullmatch(line)
    if match is None:
        raise damaged(_WHAT, f"{shown(line)} is not a line of free blocks")
    key = natural(match[1], _WHAT), match[2], match[3]
    counts = tuple(_block_count(word) for word in match[4].split())
    if key in reading.free or len(counts) != MAX_ORDER:
        raise damaged(_WHAT, f"{shown(line)} is given twice or has not {MAX_ORDER} counts")
    reading.free[key] = MigratetypeFree(node=key[0], zone=key[1], migratetype=key[2], orders=counts)


def _block_count(word: str) -> BlockCount:
    return BlockCount(
        blocks=natural(word.removeprefix(">"), _WHAT), is_lower_bound=word.startswith(">")
    )


def _read_blocks(reading: _Reading, line: str) -> None:
    match = _BLOCKS_LINE.fullmatch(line)
    if match is None:
        raise damaged(_WHAT, f"{shown(line)} is not a line of pageblocks")
    key = natural(match[1], _WHAT), match[2]
    if key in reading.blocks:
        raise damaged(_WHAT, f"pageblocks of zone {shown(key[1])} are given twice")
    counts = naturals(match[3], len(reading.types), _WHAT)
    reading.blocks[key] = Pageblocks(
        node=key[0], zone=key[1], counts=tuple(zip(reading.types, counts, strict=True))
    )


def _check_complete(reading: _Reading) -> None:
    if len(reading.block_order) != 1 or len(reading.block_pages) != 1:
        raise damaged(_WHAT, "the size of a pageblock is absent or ambiguous")
    if not reading.free or not reading.types:
        raise damaged(_WHAT, "cut short, a table is absent")
    expected = {
        (node, zone, migratetype) for node, zone in reading.blocks for migratetype in reading.types
    }
    if set(reading.free) != expected:
        raise damaged(_WHAT, "cut short, its two tables cover different zones or types")

# SPDX-License-Identifier: GPL-2.0-only
"""/proc/buddyinfo: free blocks per zone and order (mm/vmstat.c frag_show_print)."""

import re
from dataclasses import dataclass

from harness.texts.pages import MAX_ORDER, ORDERS, Order, PageCount, block_pages, blocks_within
from harness.texts.text import damaged, natural, naturals, of_another_kernel, shown, whole_lines

_LINE = re.compile(r"Node ([0-9]+), zone +(\S+) +(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeArea:
    """Free blocks of one zone: `blocks[k]` of order k (struct zone, free_area[k].nr_free)."""

    node: int
    zone: str
    blocks: tuple[int, ...]

    @property
    def free_pages(self) -> PageCount:
        """Pages in all free blocks."""
        return PageCount(sum(block_pages(order, self.blocks[order]) for order in ORDERS))

    def available(self, order: Order) -> int:
        """Blocks of `order` that could be handed out at once, larger ones cut up."""
        return sum(blocks_within(self.blocks[larger], larger, order) for larger in ORDERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuddyInfo:
    """All populated zones, in the kernel's order."""

    zones: tuple[FreeArea, ...]

    @property
    def free_pages(self) -> PageCount:
        """Pages in all free blocks of all zones."""
        return PageCount(sum(area.free_pages for area in self.zones))

    def blocks(self, order: Order) -> int:
        """Free blocks of exactly `order` in all zones."""
        return sum(area.blocks[order] for area in self.zones)

    def available(self, order: Order) -> int:
        """Blocks of `order` that could be handed out at once from all zones."""
        return sum(area.available(order) for area in self.zones)


def parse_buddyinfo(text: str) -> BuddyInfo:
    """Parse the whole file; RecordError unless each line is a zone with eleven counts."""
    what = "buddyinfo"
    lines = whole_lines(text, what)
    _require_orders(lines, what)
    zones: dict[tuple[int, str], FreeArea] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise damaged(what, f"{shown(line)} is not a zone line")
        node, zone = natural(match[1], what), match[2]
        if (node, zone) in zones:
            raise damaged(what, f"node {node} zone {shown(zone)} is given twice")
        blocks = naturals(match[3], MAX_ORDER, what)
        zones[node, zone] = FreeArea(node=node, zone=zone, blocks=blocks)
    return BuddyInfo(zones=tuple(zones.values()))


def _require_orders(lines: list[str], what: str) -> None:
    """Refuse another largest order (CONFIG_ARCH_FORCE_MAX_ORDER): all lines have its columns."""
    columns = {len(match[3].split()) if (match := _LINE.fullmatch(line)) else 0 for line in lines}
    if len(columns) == 1 and (count := columns.pop()) > MAX_ORDER:
        raise of_another_kernel(what, f"it counts blocks of orders 0 to {count - 1}")

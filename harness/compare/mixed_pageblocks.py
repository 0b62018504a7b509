# SPDX-License-Identifier: GPL-2.0-only
"""How many pageblocks have a page of another mobility, before and after an arm's burst.

The cross-check module judges pages by what they are (kmod/cross_check_free.c), not, as
mm/page_owner.c does, by the gfp mask of the request for them.
"""

from collections.abc import Mapping

from harness.texts.guest.free_dump import ZoneDump, parse_free_dump
from harness.texts.text import damaged

FILE = "free"
# A page that is pinned makes these mixed, and it makes their range one that is not clearable.
_FOR_MOVABLE = ("Movable", "CMA")


def mixed_pageblocks(files: Mapping[str, bytes], when: str, pageblock_order: int) -> int | None:
    """Read the snapshot `when` (before, after); None where its module did not count them yet.

    RecordError if the text is damaged, or its pageblocks and its ranges contradict each other.
    """
    path = f"{when}/{FILE}"
    if path not in files:
        return None
    dump = parse_free_dump(files[path].decode("ascii", errors="replace"))
    for zone in dump.zones:
        _require_consistent(zone, pageblock_order, path)
    return dump.mixed_pageblocks


def _require_consistent(zone: ZoneDump, pageblock_order: int, path: str) -> None:
    """Refuse more pageblocks than there are: one with a pinned page is not clearable, if whole.

    One walk counts both, so this holds whatever the guest does meanwhile: of all pageblocks, those
    that the zone has only a part of are no range, and the others are ranges of their order.
    """
    ranges = [one for one in zone.ranges if one.order == pageblock_order]
    if zone.mixed is None or zone.pageblocks is None or not ranges:
        return
    blocks = sum(count for _, count in zone.pageblocks)
    pinned = sum(count for name, count in zone.mixed if name in _FOR_MOVABLE)
    clearable = ranges[0].clearable
    if not ranges[0].total <= blocks or pinned + clearable > blocks:
        raise damaged(
            path,
            f"zone {zone.name} has {blocks} pageblocks, {ranges[0].total} of them whole: "
            f"{clearable} cannot be clearable and {pinned} have a page that is pinned",
        )

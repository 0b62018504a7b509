# SPDX-License-Identifier: GPL-2.0-only
"""A zone as boot leaves it: all free, in the largest blocks that fit (mm/memblock.c)."""

from collections.abc import Iterable, Sequence

from harness.model.zone import Zone
from harness.texts.pages import MAX_ORDER


def fill(zone: Zone, ranges: Iterable[tuple[int, int]] | None = None) -> None:
    """Free all pages, or the given ranges [first, end), as memblock does at boot."""
    largest = MAX_ORDER - 1
    whole: Sequence[tuple[int, int]] = ((zone.shape.start_pfn, zone.shape.end_pfn),)
    for first, end in whole if ranges is None else ranges:
        at = first
        while at < end:
            order = min(largest, (at & -at).bit_length() - 1 if at else largest)
            while at + (1 << order) > end:
                order -= 1
            zone.free(at, order)
            at += 1 << order

# SPDX-License-Identifier: GPL-2.0-only
"""mthp: the faults of thp, with huge pages of one size below or at that of a PMD.

Their size is allowed in 6.8 and later, and counted in 6.10 and later (mm/memory.c
alloc_anon_folio, MTHP_STAT_ANON_FAULT_ALLOC): without the count nobody confirms a burst.
"""

from collections.abc import Iterator

from harness.compare.kinds.base import HugePages, Kind, RequestKind, SourceText
from harness.compare.kinds.huge_page import (
    PMD_ORDER,
    Pair,
    anon_huge_pages,
    mapped_by_pmd,
    of_size,
    reader,
    words_of,
)
from harness.errors import RecordError
from harness.texts.guest.huge_page_burst import WHAT, HugePageBurst

_SMALLEST_ORDER = 2  # a folio of order 1 has no room for the list of deferred splits


def _witnesses(burst: HugePageBurst, counted: HugePages) -> Iterator[Pair]:
    if counted.anon_fault_alloc is None:
        raise RecordError(f"{WHAT}: no statistics of the size; give a kernel of 6.10 or later")
    yield from of_size(burst, counted)
    if burst.order == PMD_ORDER:
        yield from mapped_by_pmd(burst, counted)
    else:
        yield from anon_huge_pages(burst, 0)


KIND = Kind(
    orders=range(_SMALLEST_ORDER, PMD_ORDER + 1),
    words=words_of(RequestKind.MTHP),
    read=reader(RequestKind.MTHP, _witnesses),
    takes_thp_defrag=True,
    needs=(
        SourceText(
            path="include/linux/huge_mm.h",
            text="MTHP_STAT_ANON_FAULT_ALLOC",
            what="statistics of each size of huge pages (6.10 and later), which mthp bursts need",
        ),
    ),
)

# SPDX-License-Identifier: GPL-2.0-only
"""thp: faults on MADV_HUGEPAGE memory, the unit that memory-management people report.

mm/huge_memory.c do_huge_pmd_anonymous_page counts one thp_fault_alloc or thp_fault_fallback for
each; nobody else's memory is advised (the guest's kernel has TRANSPARENT_HUGEPAGE_MADVISE).
"""

from collections.abc import Iterator

from harness.compare.kinds.base import HugePages, Kind, RequestKind
from harness.compare.kinds.huge_page import (
    PMD_ORDER,
    Pair,
    mapped_by_pmd,
    of_size,
    reader,
    words_of,
)
from harness.texts.guest.huge_page_burst import HugePageBurst


def _witnesses(burst: HugePageBurst, counted: HugePages) -> Iterator[Pair]:
    yield from mapped_by_pmd(burst, counted)
    yield from of_size(burst, counted)


KIND = Kind(
    orders=range(PMD_ORDER, PMD_ORDER + 1),
    words=words_of(RequestKind.THP),
    read=reader(RequestKind.THP, _witnesses),
    takes_thp_defrag=True,
)

# SPDX-License-Identifier: GPL-2.0-only
"""hugetlb: vm.nr_hugepages raised by one at a time, as an administrator fills the pool.

mm/hugetlb.c asks with __GFP_RETRY_MAYFAIL and counts htlb_buddy_alloc_success or _fail, the
latter once for each try: a request that fails may have been tried again.
"""

from collections.abc import Iterator

from harness.compare.kinds.base import HugePages, Kind, RequestKind
from harness.compare.kinds.huge_page import PMD_ORDER, Pair, reader, words_of
from harness.texts.guest.huge_page_burst import WHAT, HugePageBurst
from harness.texts.text import damaged


def _witnesses(burst: HugePageBurst, counted: HugePages) -> Iterator[Pair]:
    seen, tried = burst.seen, counted.htlb_buddy_alloc_fail
    if counted.htlb_buddy_alloc_success is None or tried is None:
        raise damaged("vmstat", "htlb_buddy_alloc_success or htlb_buddy_alloc_fail is absent")
    if not {"pool_before", "pool_after"} <= seen.keys():
        raise damaged(WHAT, "the size of the pool is absent")
    yield "pages more in the pool", burst.succeeded, seen["pool_after"] - seen["pool_before"]
    yield "htlb_buddy_alloc_success", burst.succeeded, counted.htlb_buddy_alloc_success
    yield "requests that failed untried", 0, max(0, burst.failed - tried)


KIND = Kind(
    orders=range(PMD_ORDER, PMD_ORDER + 1),
    words=words_of(RequestKind.HUGETLB),
    read=reader(RequestKind.HUGETLB, _witnesses),
)

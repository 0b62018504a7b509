# SPDX-License-Identifier: GPL-2.0-only
"""Every counter's name, once: the columns of /proc/buddy_monitor and the items behind them.

Who adds a counter to the series adds it here, and nowhere else in the harness. A test compares
these names with those in the series' own mm/buddy_monitor.c and include/linux/buddy_monitor.h.
"""

from dataclasses import dataclass, fields
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One order's counters, in the columns' order (mm/buddy_monitor.c, buddy_monitor_show)."""

    req: int  # requests at entry of __alloc_pages()
    success: int
    fail: int
    slowpath: int  # entries into __alloc_pages_slowpath()
    compact: int  # attempts at direct compaction, skipped ones too
    adaptive: int  # requests whose compaction was raised, or for which more was done at the end

    def counter(self, name: str) -> int:
        """Return one of COUNTERS by name; KeyError for another."""
        counts: dict[str, int] = {each: getattr(self, each) for each in COUNTERS}
        return counts[name]


COUNTERS: tuple[str, ...] = tuple(field.name for field in fields(Counts))
# The last column is no counter but a percentage: the one recorded last.
FRAG_PCT = "frag_pct"
HEADER = " ".join(("order", *COUNTERS, FRAG_PCT))


class Item(StrEnum):
    """What the monitor counts by order (include/linux/buddy_monitor.h, enum buddy_item).

    A step, a reason or a result is named with its kind before it, in the order of its table's
    columns in debugfs.
    """

    REQ = "req"  # requests at entry of __alloc_pages()
    SLOWPATH = "slowpath"  # entries into __alloc_pages_slowpath()
    COMPACT = "compact"  # attempts at direct compaction: skipped and stall
    ADAPTIVE = "adaptive"  # requests for which the policy acted
    SUCCESS = "success"  # requests that got a block: the sum of the steps
    FAIL = "fail"  # requests that got none: the sum of the reasons
    COMPACT_SKIPPED = "compact_skipped"  # no zone was suitable: nothing was tried
    COMPACT_STALL = "compact_stall"  # a task compacted itself: success and fail
    COMPACT_DEFERRED = "compact_deferred"  # of the stalls, those put off in all zones
    COMPACT_SUCCESS = "compact_success"  # stalls after which a block was there
    COMPACT_FAIL = "compact_fail"  # stalls after which none was
    STEP_FAST = "step_fast"  # the fast path, down to the low watermark
    STEP_MIN_WATERMARK = "step_min_watermark"  # the second attempt, down to the min watermark
    STEP_COMPACT_FIRST = "step_compact_first"  # direct compaction before reclaim
    STEP_FREELIST = "step_freelist"  # any later attempt at the free lists
    STEP_RECLAIM = "step_reclaim"  # direct reclaim
    STEP_COMPACT_SECOND = "step_compact_second"  # direct compaction after reclaim
    STEP_LAST_RESORT = "step_last_resort"  # the policy's, in modes last and clear
    STEP_OOM = "step_oom"  # in __alloc_pages_may_oom()
    STEP_NOFAIL = "step_nofail"  # a last attempt for __GFP_NOFAIL
    STEP_BULK = "step_bulk"  # the bulk allocator, pages of order 0
    FAIL_INJECTED = "fail_injected"  # fault injection
    FAIL_MEMCG = "fail_memcg"  # the limit of a memory cgroup
    FAIL_NO_ZONE = "fail_no_zone"  # no zone is allowed
    FAIL_NORETRY_COMPACT = "fail_noretry_compact"  # __GFP_NORETRY, compaction skipped or deferred
    FAIL_NO_DIRECT_RECLAIM = "fail_no_direct_reclaim"  # the caller may not reclaim
    FAIL_MEMALLOC = "fail_memalloc"  # the caller itself reclaims (PF_MEMALLOC)
    FAIL_NORETRY = "fail_noretry"  # __GFP_NORETRY
    FAIL_COSTLY = "fail_costly"  # an order above 3, after one round of the ladder
    FAIL_OOM_VICTIM = "fail_oom_victim"  # the caller was chosen by the OOM killer
    FAIL_EXHAUSTED = "fail_exhausted"  # no progress, and nothing to kill
    FAIL_NOFAIL_ATOMIC = "fail_nofail_atomic"  # __GFP_NOFAIL of a caller that may not reclaim


def _of_kind(prefix: str) -> tuple[Item, ...]:
    return tuple(item for item in Item if item.startswith(prefix))


def _columns(items: tuple[Item, ...]) -> tuple[str, ...]:
    return tuple(item.value.partition("_")[2] for item in items)


STEP_ITEMS = _of_kind("step_")
REASON_ITEMS = _of_kind("fail_")
RESULT_ITEMS = _of_kind("compact_")
# The columns of debugfs success_by_step, fail_by_reason and compact_by_result.
STEPS = _columns(STEP_ITEMS)
REASONS = _columns(REASON_ITEMS)
RESULTS = _columns(RESULT_ITEMS)

# The step of requests served at the end of the ladder, and the table of what mode clear did
# there: attempts, one for each zone; zones skipped because of their back-off; aligned ranges
# emptied; pages inspected, and pages scanned for migration; attempts that led to a block.
LAST_RESORT = "last_resort"
LAST_RESORT_COUNTS = ("tried", "backed_off", "ranges", "inspected", "scanned", "made")

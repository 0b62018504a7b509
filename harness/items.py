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

    REQ = "req"
    SLOWPATH = "slowpath"
    COMPACT = "compact"
    ADAPTIVE = "adaptive"
    SUCCESS = "success"
    FAIL = "fail"
    COMPACT_SKIPPED = "compact_skipped"
    COMPACT_STALL = "compact_stall"
    COMPACT_DEFERRED = "compact_deferred"
    COMPACT_SUCCESS = "compact_success"
    COMPACT_FAIL = "compact_fail"
    STEP_FAST = "step_fast"
    STEP_MIN_WATERMARK = "step_min_watermark"
    STEP_COMPACT_FIRST = "step_compact_first"
    STEP_FREELIST = "step_freelist"
    STEP_RECLAIM = "step_reclaim"
    STEP_COMPACT_SECOND = "step_compact_second"
    STEP_LAST_RESORT = "step_last_resort"
    STEP_OOM = "step_oom"
    STEP_NOFAIL = "step_nofail"
    STEP_BULK = "step_bulk"
    FAIL_INJECTED = "fail_injected"
    FAIL_MEMCG = "fail_memcg"
    FAIL_NO_ZONE = "fail_no_zone"
    FAIL_NORETRY_COMPACT = "fail_noretry_compact"
    FAIL_NO_DIRECT_RECLAIM = "fail_no_direct_reclaim"
    FAIL_MEMALLOC = "fail_memalloc"
    FAIL_NORETRY = "fail_noretry"
    FAIL_COSTLY = "fail_costly"
    FAIL_OOM_VICTIM = "fail_oom_victim"
    FAIL_EXHAUSTED = "fail_exhausted"
    FAIL_NOFAIL_ATOMIC = "fail_nofail_atomic"


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

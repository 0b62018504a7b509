# SPDX-License-Identifier: GPL-2.0-only
"""What a claim may be about: one number of an arm's outcome, by name."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import StrEnum

from harness.compare.kinds.base import HugePages
from harness.compare.outcome import Outcome


class Measure(StrEnum):
    """Names as plans have them; pages or events unless said otherwise."""

    BLOCKS = "blocks"  # blocks that the requests got
    BOUND_SHARE = "bound_share"  # of the bound, 1 is all of it; none where the bound is 0
    SCANNED = "scanned"  # pages that compaction's migration scanner looked at
    SCANNED_PER_BLOCK_MADE = "scanned_per_block_made"  # none where no block was made
    INSPECTED = "inspected"  # pages that mode 5 looked at; none where it is not told
    WORK = "work"  # pages that compaction and reclaim scanned
    FREE_SCANNED = "free_scanned"  # pages that compaction's free scanner looked at
    MIGRATED = "migrated"  # pages that compaction moved
    RECLAIM_SCANNED = "reclaim_scanned"  # pages that reclaim looked at
    RECLAIMED = "reclaimed"  # pages that reclaim freed
    STALLS = "stalls"  # attempts at direct compaction
    COMPACT_SUCCESSES = "compact_successes"  # of them, those that made a block; none in old results
    COMPACT_FAILURES = "compact_failures"  # of them, the others; none in old results
    RECLAIM_STALLS = "reclaim_stalls"  # entries into direct reclaim
    DEFERRED = "deferred"  # attempts put off in all zones; none without the monitor
    ADAPTIVE = "adaptive"  # requests for which the policy acted; none without the monitor
    KCOMPACTD_SCANNED = "kcompactd_scanned"  # pages that kcompactd looked at
    KSWAPD_SCANNED = "kswapd_scanned"  # pages that kswapd looked at
    OOM_KILLS = "oom_kills"  # tasks that the OOM killer chose
    UNMOVABLE_AFTER = "unmovable_after"  # pageblocks of that type
    UNMOVABLE_MADE = "unmovable_made"  # of them, more than before
    MIXED_AFTER = "mixed_after"  # pageblocks with a page of another mobility; none in old results
    MIXED_MADE = "mixed_made"  # of them, more than before
    EXTFRAG_EVENTS = "extfrag_events"  # mm_page_alloc_extfrag: blocks taken of another migratetype
    BACKGROUND_FAILURES = "background_failures"  # of its requests; none without a background load
    LATER_FAILURES = "later_failures"  # of large requests, later; none without a later demand
    LATER_SMALL_FAILURES = "later_small_failures"  # of small ones; none without a later demand
    FALLBACKS = "fallbacks"  # requests that got no block
    THP_FAULT_ALLOC = "thp_fault_alloc"  # these seven: none without huge pages
    THP_FAULT_FALLBACK = "thp_fault_fallback"  # as /proc/vmstat has it
    THP_SPLIT_PAGE = "thp_split_page"  # as /proc/vmstat has it
    ANON_FAULT_ALLOC = "anon_fault_alloc"  # of the size; none before 6.10
    ANON_FAULT_FALLBACK = "anon_fault_fallback"  # of the size; none before 6.10
    HTLB_BUDDY_ALLOC_SUCCESS = "htlb_buddy_alloc_success"  # as /proc/vmstat has it
    HTLB_BUDDY_ALLOC_FAIL = "htlb_buddy_alloc_fail"  # as /proc/vmstat has it
    LATENCY_MEDIAN = "latency_median"  # of a request, guest instructions
    LATENCY_P95 = "latency_p95"  # 95th percentile
    LATENCY_P99 = "latency_p99"  # 99th percentile
    LATENCY_MOST = "latency_most"  # the longest
    LATENCY_TOTAL = "latency_total"  # of all requests together


# What is counted of huge pages alone.
OF_HUGE_PAGES = frozenset(Measure(field.name) for field in fields(HugePages))


def measured(measure: Measure, outcome: Outcome) -> float | None:
    """Read a measure off an outcome; None where it has no such number."""
    return _READERS[measure](outcome)


def blocks_made(outcome: Outcome) -> int:
    """Return the blocks beyond those that were whole at the start."""
    return outcome.blocks - outcome.whole_before


def _bound_share(one: Outcome) -> float | None:
    return one.blocks / one.bound.blocks if one.bound.blocks else None


def _per_block_made(one: Outcome) -> float | None:
    made = blocks_made(one)
    return one.work.migrate_scanned / made if made > 0 else None


def _all_scanned(one: Outcome) -> float | None:
    work = one.work
    if work.reclaim_scanned is None:
        return None
    return work.migrate_scanned + work.free_scanned + work.reclaim_scanned


def _mixed_made(one: Outcome) -> float | None:
    if one.mixed_before is None or one.mixed_after is None:
        return None
    return one.mixed_after - one.mixed_before


def _huge_pages(field: str) -> Callable[[Outcome], float | None]:
    return lambda one: getattr(one.huge_pages, field) if one.huge_pages else None


_READERS: Mapping[Measure, Callable[[Outcome], float | None]] = {
    Measure.BLOCKS: lambda one: one.blocks,
    Measure.BOUND_SHARE: _bound_share,
    Measure.SCANNED: lambda one: one.work.migrate_scanned,
    Measure.SCANNED_PER_BLOCK_MADE: _per_block_made,
    Measure.INSPECTED: lambda one: one.inspected,
    Measure.WORK: _all_scanned,
    Measure.FREE_SCANNED: lambda one: one.work.free_scanned,
    Measure.MIGRATED: lambda one: one.work.migrated,
    Measure.RECLAIM_SCANNED: lambda one: one.work.reclaim_scanned,
    Measure.RECLAIMED: lambda one: one.work.reclaimed,
    Measure.STALLS: lambda one: one.work.compact_stalls,
    Measure.COMPACT_SUCCESSES: lambda one: one.work.compact_successes,
    Measure.COMPACT_FAILURES: lambda one: one.work.compact_failures,
    Measure.RECLAIM_STALLS: lambda one: one.work.reclaim_stalls,
    Measure.DEFERRED: lambda one: one.monitored.deferred if one.monitored else None,
    Measure.ADAPTIVE: lambda one: one.monitored.adaptive if one.monitored else None,
    Measure.KCOMPACTD_SCANNED: lambda one: one.work.kcompactd_scanned,
    Measure.KSWAPD_SCANNED: lambda one: one.work.kswapd_scanned,
    Measure.OOM_KILLS: lambda one: one.work.oom_kills,
    Measure.UNMOVABLE_AFTER: lambda one: one.unmovable_after,
    Measure.UNMOVABLE_MADE: lambda one: one.unmovable_after - one.unmovable_before,
    Measure.MIXED_AFTER: lambda one: one.mixed_after,
    Measure.MIXED_MADE: _mixed_made,
    Measure.EXTFRAG_EVENTS: lambda one: one.extfrag_events,
    Measure.BACKGROUND_FAILURES: (
        lambda one: one.background_load.failures if one.background_load else None
    ),
    Measure.LATER_FAILURES: lambda one: one.later_demand.failures if one.later_demand else None,
    Measure.LATER_SMALL_FAILURES: (
        lambda one: one.later_demand.small_failures if one.later_demand else None
    ),
    Measure.FALLBACKS: lambda one: one.requests - one.blocks,
    **{measure: _huge_pages(measure) for measure in OF_HUGE_PAGES},
    Measure.LATENCY_MEDIAN: lambda one: one.latency.median,
    Measure.LATENCY_P95: lambda one: one.latency.p95,
    Measure.LATENCY_P99: lambda one: one.latency.p99,
    Measure.LATENCY_MOST: lambda one: one.latency.most,
    Measure.LATENCY_TOTAL: lambda one: one.latency.total,
}

# SPDX-License-Identifier: GPL-2.0-only
"""What a claim may be about: one number of an arm's outcome, by name."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import StrEnum

from harness.compare.kinds.base import HugePages
from harness.compare.outcome import Outcome


class Measure(StrEnum):
    """Names as plans have them; pages or events unless said otherwise."""

    BLOCKS = "blocks"
    BOUND_SHARE = "bound_share"  # of the bound, 1 is all of it; none where the bound is 0
    SCANNED = "scanned"
    SCANNED_PER_BLOCK_MADE = "scanned_per_block_made"  # none where no block was made
    INSPECTED = "inspected"  # none where the kernel does not tell
    WORK = "work"  # pages that compaction and reclaim scanned
    FREE_SCANNED = "free_scanned"
    MIGRATED = "migrated"
    RECLAIM_SCANNED = "reclaim_scanned"
    RECLAIMED = "reclaimed"
    STALLS = "stalls"  # attempts at direct compaction
    COMPACT_SUCCESSES = "compact_successes"  # of them; none in old results
    COMPACT_FAILURES = "compact_failures"
    RECLAIM_STALLS = "reclaim_stalls"
    DEFERRED = "deferred"  # none without the monitor
    ADAPTIVE = "adaptive"  # none without the monitor
    KCOMPACTD_SCANNED = "kcompactd_scanned"
    KSWAPD_SCANNED = "kswapd_scanned"
    OOM_KILLS = "oom_kills"
    UNMOVABLE_AFTER = "unmovable_after"  # pageblocks
    UNMOVABLE_MADE = "unmovable_made"  # pageblocks more than before
    MIXED_AFTER = "mixed_after"  # pageblocks with a page of another mobility; none in old results
    MIXED_MADE = "mixed_made"  # of them, more than before
    EXTFRAG_EVENTS = "extfrag_events"
    BACKGROUND_FAILURES = "background_failures"  # none without a background load
    LATER_FAILURES = "later_failures"  # of large requests; none without a later demand
    LATER_SMALL_FAILURES = "later_small_failures"  # none without a later demand
    FALLBACKS = "fallbacks"  # requests that got no block
    THP_FAULT_ALLOC = "thp_fault_alloc"  # these seven: none where no huge page was asked for
    THP_FAULT_FALLBACK = "thp_fault_fallback"
    THP_SPLIT_PAGE = "thp_split_page"
    ANON_FAULT_ALLOC = "anon_fault_alloc"  # of the size; none before 6.10
    ANON_FAULT_FALLBACK = "anon_fault_fallback"
    HTLB_BUDDY_ALLOC_SUCCESS = "htlb_buddy_alloc_success"
    HTLB_BUDDY_ALLOC_FAIL = "htlb_buddy_alloc_fail"
    LATENCY_MEDIAN = "latency_median"  # of a request, guest instructions
    LATENCY_P95 = "latency_p95"
    LATENCY_P99 = "latency_p99"
    LATENCY_MOST = "latency_most"
    LATENCY_TOTAL = "latency_total"


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

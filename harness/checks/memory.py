# SPDX-License-Identifier: GPL-2.0-only
"""The monitor and the kernel's own counts of free pages and compactions agree."""

from collections.abc import Iterable, Iterator

from harness.checks.base import Check, Comparison, NotApplicable, unmonitored
from harness.checks.last_resort import last_resort_events
from harness.errors import RecordError
from harness.record.run import RunRecord
from harness.texts.pages import PageCount
from harness.texts.proc.zoneinfo import Zone

# vm/guest/snapshot.c folds the counters in and reads one file right after the other, its
# buffers allocated and locked before: only kernel threads and interrupts allocate between.
READER_PAGES = 64


def _free_pages_agree(run: RunRecord) -> Iterator[Comparison]:
    for snapshot in run.snapshots:
        zones = {(zone.node, zone.name): zone for zone in snapshot.zoneinfo.populated}
        for area in snapshot.buddyinfo.zones:
            zone = zones.get((area.node, area.zone))
            if zone is None or zone.nr_free_pages is None:
                raise RecordError(
                    f"{snapshot.label}: zoneinfo has no zone {area.zone}; repeat the run"
                )
            difference = abs(area.free_pages - zone.nr_free_pages)
            bound = free_pages_bound(zone)
            yield Comparison(
                holds=difference <= bound,
                text=f"{snapshot.label} node {area.node} zone {area.zone}: buddyinfo "
                f"{area.free_pages} pages, nr_free_pages {zone.nr_free_pages}, apart by "
                f"{difference}, allowed {bound} (counters {zone.counter_drift}, a batch "
                f"for each CPU {_batch_pages(zone)}, others {READER_PAGES})",
            )


def free_pages_bound(zone: Zone) -> PageCount:
    """Return by how many pages the two counts may differ.

    nr_free_pages lags by each CPU's threshold (mm/vmstat.c calculate_normal_threshold).
    Pages on per-CPU lists are in neither count, but a CPU may refill or drain a list by
    one batch between the two readings, and others may have allocated.
    """
    return PageCount(zone.counter_drift + _batch_pages(zone) + READER_PAGES)


def _batch_pages(zone: Zone) -> PageCount:
    return PageCount(sum(pageset.batch for pageset in zone.pagesets))


def _compaction_agrees(run: RunRecord) -> Iterator[Comparison]:
    for stage in run.stages:
        stall = stage.vmstat_delta("compact_stall")
        success = stage.vmstat_delta("compact_success")
        fail = stage.vmstat_delta("compact_fail")
        yield Comparison(
            holds=stall == success + fail,
            text=f"{stage.name}: compact_stall rose by {stall}, compact_success by {success} and "
            f"compact_fail by {fail}",
        )


def _stalls_counted(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return unmonitored(run) or _stalls(run)


def _stalls(run: RunRecord) -> Iterator[Comparison]:
    for stage in run.stages:
        stall = stage.vmstat_delta("compact_stall")
        compact = sum(delta.compact for delta in stage.deltas)
        cleared = last_resort_events(run, stage, "compact_stall")
        yield Comparison(
            holds=cleared <= stall <= compact + cleared,
            text=f"{stage.name}: compact_stall of vmstat rose by {stall}, compact of all orders "
            f"by {compact}, attempts of the last resort by {cleared}",
        )


RANK = 30
CHECKS = (
    Check(
        name="free-blocks-add-up-to-free-pages",
        why="the free lists and the zone's counter describe the same pages",
        judge=_free_pages_agree,
    ),
    Check(
        name="every-stall-has-an-outcome",
        why="each direct compaction that ran ended with a page or without one",
        judge=_compaction_agrees,
    ),
    Check(
        name="every-stall-is-a-counted-attempt",
        why="the kernel counts an attempt as a stall unless compaction was skipped",
        judge=_stalls_counted,
    ),
)

# SPDX-License-Identifier: GPL-2.0-only
"""What mode clear says it did, against the step that leads to it and against vmstat.

Texts are exact here from order 4 up, and the last resort is for no order below.
"""

from collections.abc import Iterable, Iterator

from harness.checks.base import Check, Comparison, NotApplicable
from harness.checks.interval import (
    EXACT_ORDERS,
    Pair,
    compared,
    details_of,
    judged,
    rise,
    text_count,
    without_details,
)
from harness.checks.policy import steady_mode
from harness.errors import RecordError
from harness.items import LAST_RESORT_COUNTS
from harness.record.run import RunRecord, Snapshot, StageRecord
from harness.texts.build.provides import LAST_RESORT_STALLS
from harness.texts.pages import NOT_COSTLY, ORDERS, Order
from harness.texts.proc.sysctl import PolicyMode

_SCANNED = "compact_migrate_scanned"
# What of its attempts each event of vmstat counts, as a sum.
_EVENTS = {
    "compact_stall": {"tried": 1},
    "compact_success": {"made": 1},
    "compact_fail": {"tried": 1, "made": -1},
}


def without_last_resort(run: RunRecord) -> NotApplicable | None:
    """Return why what mode clear did cannot be judged."""
    absent = without_details(run)
    if absent is None and all(
        details_of(snapshot).last_resort is None for snapshot in run.snapshots
    ):
        return NotApplicable("this part of the series has no policy that clears ranges")
    return absent


def _last_resort(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_last_resort(run) or (each for stage in judged(run) for each in _stage(stage))


def _stage(stage: StageRecord) -> Iterator[Comparison]:
    mode = steady_mode(stage)
    tried = {order: rise(stage, last_resort_count, "tried", order) for order in EXACT_ORDERS}
    made = {order: rise(stage, last_resort_count, "made", order) for order in EXACT_ORDERS}
    served = {order: rise(stage, text_count, "step_last_resort", order) for order in EXACT_ORDERS}
    yield from compared(
        stage.name,
        "tries and those of them that made a block",
        (Pair(order, tried[order], made[order], 0, tried[order]) for order in EXACT_ORDERS),
    )
    # Mode last makes blocks otherwise; in the torture, and where it changed, it may have been set.
    otherwise = {
        order: served[order] if mode in {None, PolicyMode.LAST} else 0 for order in EXACT_ORDERS
    }
    yield from compared(
        stage.name,
        "served by the last resort and blocks made",
        (Pair(order, served[order], made[order], 0, otherwise[order]) for order in EXACT_ORDERS),
    )
    if mode is PolicyMode.CLEAR:
        yield from _each_request(stage, tried)
    yield from _untouched(stage, ORDERS if mode not in {None, PolicyMode.CLEAR} else NOT_COSTLY)
    yield _within_vmstat(stage)


def _each_request(stage: StageRecord, tried: dict[Order, int]) -> Iterator[Comparison]:
    """Compare where all of adaptive is for requests that tried a zone, each zone once."""
    zones = len(stage.after.buddyinfo.zones)
    adaptive = {order: rise(stage, text_count, "adaptive", order) for order in EXACT_ORDERS}
    yield from compared(
        stage.name,
        f"tries and adaptive, with {zones} zones to try",
        (
            Pair(order, tried[order], adaptive[order], 0, adaptive[order] * (zones - 1))
            for order in EXACT_ORDERS
        ),
    )


def _untouched(stage: StageRecord, orders: tuple[Order, ...]) -> Iterator[Comparison]:
    yield from compared(
        stage.name,
        "counts of a last resort that is not for these orders, or not on, and none",
        (
            Pair(
                order,
                sum(rise(stage, last_resort_count, name, order) for name in LAST_RESORT_COUNTS),
                0,
            )
            for order in orders
        ),
    )


def _within_vmstat(stage: StageRecord) -> Comparison:
    scanned = sum(rise(stage, last_resort_count, "scanned", order) for order in ORDERS)
    whole = stage.vmstat_delta(_SCANNED)
    return Comparison(
        holds=scanned <= whole,
        text=f"{stage.name}: {scanned} pages scanned to clear ranges, {_SCANNED} of vmstat rose by "
        f"{whole}",
    )


def last_resort_count(snapshot: Snapshot, name: str, order: Order) -> int:
    """Return a count of debugfs buddy_monitor/last_resort."""
    table = details_of(snapshot).last_resort
    if table is None:
        raise RecordError(f"{snapshot.label}: monitor_last_resort is absent; repeat the run")
    return table.value(name, order)


def last_resort_events(run: RunRecord, stage: StageRecord, event: str) -> int:
    """Return what attempts added to compact_stall, compact_success or compact_fail of vmstat."""
    if LAST_RESORT_STALLS not in run.provenance.provides:
        return 0
    return sum(
        sign * rise(stage, last_resort_count, name, order)
        for name, sign in _EVENTS[event].items()
        for order in ORDERS
    )


RANK = 100
CHECKS = (
    Check(
        name="last-resort-serves-what-it-made",
        why="each request served at the end of the ladder got a block that an attempt made",
        judge=_last_resort,
    ),
)

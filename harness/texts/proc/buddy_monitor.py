# SPDX-License-Identifier: GPL-2.0-only
"""/proc/buddy_monitor: our per-order counters (the series' mm/buddy_monitor.c, buddy_monitor_show).

req counts requests at entry; success and fail their outcomes; slowpath entries into
__alloc_pages_slowpath; compact attempts at direct compaction; adaptive requests whose
compaction was raised, or for which something was done at the end. All count from boot. frag_pct is
not a counter but the percentage last recorded. The kernel reads each row's later counters first and
req last.
"""

from dataclasses import dataclass

from harness.items import COUNTERS, HEADER, Counts
from harness.texts.pages import MAX_ORDER, ORDERS, Order
from harness.texts.text import damaged, naturals, shown, whole_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRow(Counts):
    """The counters of one order since boot, and its last recorded frag_pct."""

    order: Order
    frag_pct: int

    @property
    def in_flight(self) -> int:
        """Requests begun and not yet answered; negative means an outcome was counted twice."""
        return self.req - self.success - self.fail


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorDelta(Counts):
    """What one order's counters rose by between two snapshots; negative if they fell."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class BuddyMonitor:
    """One row for each order from 0 to 10: `rows[k]` is order k."""

    rows: tuple[MonitorRow, ...]


def parse_buddy_monitor(text: str) -> BuddyMonitor:
    """Parse the whole file; RecordError unless header, eleven rows and eight columns are there."""
    what = "buddy_monitor"
    header, *lines = whole_lines(text, what)
    if header != HEADER:
        raise damaged(what, f"the first line is {shown(header)}, not {HEADER!r}")
    if len(lines) != MAX_ORDER:
        raise damaged(what, f"{len(lines)} rows where {MAX_ORDER} belong")
    return BuddyMonitor(
        rows=tuple(_parse_row(line, order) for order, line in zip(ORDERS, lines, strict=True))
    )


def monitor_deltas(before: BuddyMonitor, after: BuddyMonitor) -> tuple[MonitorDelta, ...]:
    """Return what each order's counters rose by."""
    return tuple(
        MonitorDelta(
            order=new.order,
            **{name: new.counter(name) - old.counter(name) for name in COUNTERS},
        )
        for old, new in zip(before.rows, after.rows, strict=True)
    )


def _parse_row(line: str, expected: Order) -> MonitorRow:
    what = f"buddy_monitor order {expected}"
    order, *counts, frag_pct = naturals(line, len(COUNTERS) + 2, what)
    if order != expected:
        raise damaged(what, f"the row says order {order}")
    return MonitorRow(
        order=expected,
        frag_pct=frag_pct,
        **dict(zip(COUNTERS, counts, strict=True)),
    )

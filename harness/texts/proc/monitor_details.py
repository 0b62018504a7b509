# SPDX-License-Identifier: GPL-2.0-only
"""debugfs buddy_monitor/: what /proc/buddy_monitor sums up (the series' mm/buddy_monitor.c).

Seven tables by order, whose columns count events since boot, the fragmentation percentage of
each zone for every cutoff, and how often counting was switched. Patches 7 to 10 of the
series add them; 11 and 12 the step and the table `last_resort`, which a kernel with fewer
lacks: nothing was served by that step there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.errors import RecordError
from harness.items import LAST_RESORT, LAST_RESORT_COUNTS, REASONS, RESULTS, STEPS
from harness.texts.pages import MAX_ORDER, ORDERS, Order
from harness.texts.text import damaged, natural, naturals, shown, whole_lines

# The slowpath is timed for orders from 3; bucket b holds visits of 2^b ns up to twice that.
TIMED_ORDERS = ORDERS[3:]
_BUCKETS = tuple(f"log2_ns_{bucket}" for bucket in range(32))
_ZONE_LINE = re.compile(r"Node ([0-9]+), zone +(\S+) +(.*)")
_INDEX = re.compile(r"([01])\.([0-9]{3})")
_STILL = re.compile(r"tries=([0-9]+) still=([01])")
_PERCENT_MAX = 100
_PERMILLE = 1000

# As a snapshot saves them.
DETAIL_FILES = (
    "monitor_success_by_step",
    "monitor_fail_by_reason",
    "monitor_compact_by_result",
    "monitor_in_flight",
    "monitor_slowpath_latency",
    "monitor_frag_pct",
    "monitor_switches",
    "monitor_invalid_order",
)
LAST_RESORT_FILE = "monitor_last_resort"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTable:
    """Counts by order: `rows[i]` belongs to `orders[i]` and has a value for each column."""

    name: str
    columns: tuple[str, ...]
    orders: tuple[Order, ...]
    rows: tuple[tuple[int, ...], ...]

    def row(self, order: Order) -> tuple[int, ...]:
        """Return the values of one order; RecordError if the table has no such row."""
        if order not in self.orders:
            raise RecordError(f"{self.name}: no row for order {order}; repeat the run")
        return self.rows[self.orders.index(order)]

    def value(self, column: str, order: Order) -> int:
        """Return one value; RecordError if the table has no such column or row."""
        if column not in self.columns:
            raise RecordError(f"{self.name}: no column {column!r}; choose from {self.columns}")
        return self.row(order)[self.columns.index(column)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneValues:
    """One figure of a zone for each order: per cent, or per mille of unusable_index."""

    node: int
    zone: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorDetails:
    """All of debugfs buddy_monitor/ at a snapshot."""

    success_by_step: OrderTable
    fail_by_reason: OrderTable
    compact_by_result: OrderTable
    in_flight: OrderTable
    slowpath_latency: OrderTable
    last_resort: OrderTable | None  # None: a kernel without mode clear
    frag_pct: tuple[ZoneValues, ...]
    switches: int
    invalid_requests: int
    invalid_failures: int

    def item(self, name: str, order: Order) -> int:
        """Return a count by the kernel's own name of it, e.g. step_fast or compact_stall."""
        kind, _underscore, column = name.partition("_")
        tables = {
            "step": self.success_by_step,
            "fail": self.fail_by_reason,
            "compact": self.compact_by_result,
        }
        if kind not in tables:
            raise RecordError(f"buddy_monitor: no table of debugfs counts {name!r}; repeat the run")
        return tables[kind].value(column, order)


def parse_monitor_details(texts: Mapping[str, str]) -> MonitorDetails:
    """Parse the texts of DETAIL_FILES by name, and of LAST_RESORT_FILE if it is there.

    RecordError if one is damaged, or the last resort has its table but no column as a step.
    """
    (switches,) = whole_lines(texts["monitor_switches"], "monitor_switches")[:1]
    invalid = whole_lines(texts["monitor_invalid_order"], "monitor_invalid_order")
    header, counts = (*invalid, "", "")[:2]
    if header != "req fail":
        raise damaged("monitor_invalid_order", f"the first line is {shown(header)}")
    requests, failures = naturals(counts, 2, "monitor_invalid_order")

    def table(
        name: str, columns: tuple[str, ...], orders: tuple[Order, ...] = ORDERS
    ) -> OrderTable:
        return _table(texts[f"monitor_{name}"], name, columns, orders)

    last_resort = texts.get(LAST_RESORT_FILE)
    return MonitorDetails(
        success_by_step=_steps(texts["monitor_success_by_step"], whole=last_resort is not None),
        fail_by_reason=table("fail_by_reason", REASONS),
        compact_by_result=table("compact_by_result", RESULTS),
        in_flight=table("in_flight", ("in_flight",)),
        slowpath_latency=table("slowpath_latency", _BUCKETS, TIMED_ORDERS),
        last_resort=(
            None
            if last_resort is None
            else _table(last_resort, LAST_RESORT, LAST_RESORT_COUNTS, ORDERS)
        ),
        frag_pct=_frag_pct(texts["monitor_frag_pct"]),
        switches=natural(switches, "monitor_switches"),
        invalid_requests=requests,
        invalid_failures=failures,
    )


def parse_unusable_index(text: str) -> tuple[ZoneValues, ...]:
    """Parse debugfs extfrag/unusable_index, in per mille (mm/vmstat.c unusable_show_print)."""
    return tuple(
        ZoneValues(node=node, zone=zone, values=tuple(_permille(word) for word in words))
        for node, zone, words in _zones(text, "unusable_index")
    )


def parse_still(text: str) -> bool:
    """Return whether free memory was the same before and after it was read as a set."""
    (line,) = whole_lines(text, "still")[:1]
    match = _STILL.fullmatch(line)
    if match is None:
        raise damaged("still", f"{shown(line)} is not tries=N still=0|1")
    return match[2] == "1"


def _table(text: str, what: str, columns: tuple[str, ...], orders: tuple[Order, ...]) -> OrderTable:
    header, *lines = whole_lines(text, what)
    if header != " ".join(("order", *columns)):
        raise damaged(what, f"the first line is {shown(header)}")
    rows = [naturals(line, len(columns) + 1, what) for line in lines]
    if [row[0] for row in rows] != list(orders):
        raise damaged(what, f"its {len(rows)} rows are not orders {orders[0]} to {orders[-1]}")
    return OrderTable(
        name=what, columns=columns, orders=orders, rows=tuple(row[1:] for row in rows)
    )


def _steps(text: str, *, whole: bool) -> OrderTable:
    """Parse the steps; unless they must be `whole`, the last resort may be none of them."""
    what = "success_by_step"
    if whole or LAST_RESORT in text.partition("\n")[0].split():
        return _table(text, what, STEPS, ORDERS)
    at = STEPS.index(LAST_RESORT)
    older = _table(text, what, (*STEPS[:at], *STEPS[at + 1 :]), ORDERS)
    rows = tuple((*row[:at], 0, *row[at:]) for row in older.rows)
    return replace(older, columns=STEPS, rows=rows)


def _frag_pct(text: str) -> tuple[ZoneValues, ...]:
    what = "monitor_frag_pct"
    zones = tuple(
        ZoneValues(node=node, zone=zone, values=naturals(" ".join(words), MAX_ORDER, what))
        for node, zone, words in _zones(text, what)
    )
    for zone in zones:
        if max(zone.values) > _PERCENT_MAX:
            raise damaged(what, f"zone {shown(zone.zone)} has {max(zone.values)} per cent")
    return zones


def _zones(text: str, what: str) -> list[tuple[int, str, list[str]]]:
    found: list[tuple[int, str, list[str]]] = []
    for line in whole_lines(text, what):
        match = _ZONE_LINE.fullmatch(line)
        words = match[3].split() if match else []
        if match is None or len(words) != MAX_ORDER:
            raise damaged(what, f"{shown(line)} is not a zone with {MAX_ORDER} values")
        found.append((natural(match[1], what), match[2], words))
    if len({(node, zone) for node, zone, _words in found}) != len(found):
        raise damaged(what, "a zone is given twice")
    return found


def _permille(word: str) -> int:
    match = _INDEX.fullmatch(word)
    if match is None:
        raise damaged("unusable_index", f"{shown(word)} is not a number from 0.000 to 1.000")
    return int(match[1]) * _PERMILLE + int(match[2])

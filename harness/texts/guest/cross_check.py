# SPDX-License-Identifier: GPL-2.0-only
"""debugfs cross_check/: what our module counted inside the kernel (kmod/cross_check_events.c).

A snapshot is one instant, all CPUs stopped: the monitor's counters since boot, and hits of
tracepoints since the module was loaded, by order. Only differences between two snapshots
may be compared with each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import RecordError
from harness.items import Item
from harness.texts.pages import MAX_ORDER, Order, order_of
from harness.texts.proc.trace_hist import TraceHistogram, parse_trace_hist
from harness.texts.text import damaged, key_values, natural, naturals, required, shown, whole_lines

# enum compact_priority of include/linux/compaction.h: the lower, the harder.
PRIO_FULL, PRIO_LIGHT, PRIO_ASYNC = PRIORITIES = (0, 1, 2)
# What a kernel without the modes that act at the end does not count: none was served so.
_LATER_ITEM = Item.STEP_LAST_RESORT
_SNAPSHOT = "cross_check"
_DECISIONS = "decisions"
_EVENTS = ("compact_stall", "compact_success", "compact_fail")

# As a snapshot saves them.
CROSS_CHECK_FILES = ("cross_check", "decisions", "hist_alloc", "hist_compact")
# A trace event has its histogram's file whether or not anybody asked for one.
ALWAYS_THERE = ("hist_alloc", "hist_compact")

Row = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheckSnapshot:
    """One instant; every row has a value for each order."""

    cpus: int
    monitor: Mapping[str, Row]  # by the kernel's names; empty on a kernel without the series
    switches: int
    allocated: Row  # hits of kmem:mm_page_alloc with a page
    refused: Row  # and without one
    compact_calls: tuple[Row, ...]  # by priority: try_to_compact_pages was traced
    decisions: Row
    events: Mapping[str, int]  # compact_stall, compact_success and compact_fail of vmstat

    def item(self, name: str, order: Order) -> int:
        """Return a counter of the monitor; RecordError if this kernel has none so named."""
        if name not in self.monitor:
            raise RecordError(f"{_SNAPSHOT}: no counter {name!r} of the monitor; repeat the run")
        return self.monitor[name][order]

    def requests(self, order: Order) -> int:
        """Return the requests of an order that were traced, whatever came of them."""
        return self.allocated[order] + self.refused[order]

    def calls(self, order: Order) -> int:
        """Return the compactions of an order that were traced, whatever their priority."""
        return sum(row[order] for row in self.compact_calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision of the policy; `free[k]` are the free blocks of order k that it saw."""

    order: Order
    gfp: int
    cutoff: Order
    threshold_pct: int
    frag_pct: int
    mode: int
    free: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The last decisions, oldest first, of `seen` since the module was loaded."""

    seen: int
    kept: tuple[Decision, ...]

    def since(self, earlier: "Decisions") -> tuple[Decision, ...]:
        """Return those that are kept and were made after `earlier` was read."""
        made = self.seen - earlier.seen
        return self.kept[max(len(self.kept) - made, 0) :] if made > 0 else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossChecks:
    """What others than the monitor counted, as saved in a snapshot."""

    instant: CrossCheckSnapshot
    decisions: Decisions
    allocations: TraceHistogram  # kmem:mm_page_alloc by order
    compactions: TraceHistogram  # compaction:mm_compaction_try_to_compact_pages by order, prio

    def calls_in_texts(self, order: Order) -> int:
        """Return the compactions of an order that the histogram has."""
        return sum(self.compactions.count(order, prio) for prio in PRIORITIES)


def parse_cross_checks(texts: Mapping[str, str]) -> CrossChecks:
    """Parse the texts of CROSS_CHECK_FILES by name; RecordError if one is damaged."""
    return CrossChecks(
        instant=parse_cross_check(texts["cross_check"]),
        decisions=parse_decisions(texts["decisions"]),
        allocations=parse_trace_hist(texts["hist_alloc"], keys=("order",)),
        compactions=parse_trace_hist(texts["hist_compact"], keys=("order", "prio")),
    )


def parse_cross_check(text: str) -> CrossCheckSnapshot:
    """Parse a snapshot; RecordError unless it is whole and lists what this program knows."""
    header, *lines = whole_lines(text, _SNAPSHOT)
    if header != "cross_check snapshot 1" or not lines or lines[-1] != "end":
        raise damaged(_SNAPSHOT, f"cut short or of another format, it begins {shown(header)}")
    rows = _rows(lines[:-1])

    def take(name: str) -> str:
        if name not in rows:
            raise damaged(_SNAPSHOT, f"{name} is absent")
        return rows.pop(name)

    def by_order(name: str) -> Row:
        return naturals(take(name), MAX_ORDER, f"{_SNAPSHOT} {name}")

    def numbers(name: str, keys: tuple[str, ...]) -> dict[str, int]:
        values = key_values(take(name).split(), f"{_SNAPSHOT} {name}")
        if tuple(values) != keys:
            raise damaged(_SNAPSHOT, f"{name} has {shown(' '.join(values))}")
        return {key: natural(value, f"{_SNAPSHOT} {key}") for key, value in values.items()}

    monitored = "monitor_invalid" in rows
    snapshot = CrossCheckSnapshot(
        cpus=natural(take("cpus"), f"{_SNAPSHOT} cpus"),
        monitor={name.value: by_order(f"monitor {name}") for name in Item} if monitored else {},
        switches=numbers("monitor_invalid", ("req", "fail", "switches"))["switches"]
        if monitored
        else 0,
        allocated=by_order("allocated"),
        refused=by_order("refused"),
        compact_calls=tuple(by_order(f"compact_call prio={prio}") for prio in PRIORITIES),
        decisions=by_order("decisions"),
        events=numbers("vm", _EVENTS),
    )
    if rows:
        raise damaged(_SNAPSHOT, f"{shown(next(iter(rows)))} is not known")
    return snapshot


def parse_decisions(text: str) -> Decisions:
    """Parse the last decisions; RecordError unless as many are there as it says."""
    header, *lines = whole_lines(text, _DECISIONS)
    prefix = "cross_check decisions 1 "
    if not header.startswith(prefix) or not lines or lines[-1] != "end":
        raise damaged(_DECISIONS, f"cut short or of another format, it begins {shown(header)}")
    values = key_values(header.removeprefix(prefix).split(), _DECISIONS)
    seen, kept = (
        natural(required(values, key, _DECISIONS), _DECISIONS) for key in ("seen", "kept")
    )
    decisions = tuple(_decision(line) for line in lines[:-1])
    if len(decisions) != kept or kept > seen:
        raise damaged(_DECISIONS, f"{len(decisions)} lines, it says kept={kept} of seen={seen}")
    return Decisions(seen=seen, kept=decisions)


def _rows(lines: list[str]) -> dict[str, str]:
    """Return the values of each row by its name, of which none may come twice."""
    rows: dict[str, str] = {}
    for line in lines:
        name, values = _named(line)
        if name in rows:
            raise damaged(_SNAPSHOT, f"{shown(name)} is given twice")
        rows[name] = values
    if "monitor_invalid" in rows:
        rows.setdefault(f"monitor {_LATER_ITEM}", " ".join("0" * MAX_ORDER))
    return rows


def _named(line: str) -> tuple[str, str]:
    """Split a line into the name of its row, which may have two words, and its values."""
    first, _space, rest = line.partition(" ")
    if first in ("monitor", "compact_call"):
        second, _space, rest = rest.partition(" ")
        return f"{first} {second}", rest
    if first.startswith("cpus="):
        return "cpus", first.removeprefix("cpus=")
    return first, rest


def _decision(line: str) -> Decision:
    values = key_values(line.split(), _DECISIONS)

    def number(key: str) -> int:
        return natural(required(values, key, _DECISIONS), f"{_DECISIONS} {key}")

    return Decision(
        order=order_of(number("order"), _DECISIONS),
        gfp=number("gfp"),
        cutoff=order_of(number("cutoff"), f"{_DECISIONS} cutoff"),
        threshold_pct=number("threshold"),
        frag_pct=number("frag_pct"),
        mode=number("mode"),
        free=naturals(
            required(values, "free", _DECISIONS).replace(",", " "), MAX_ORDER, _DECISIONS
        ),
    )

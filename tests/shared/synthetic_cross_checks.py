# SPDX-License-Identifier: GPL-2.0-only
"""What debugfs and the cross-check module would say in the synthetic run, consistent with it.

Every request of order 10 that stalled was served by its first compaction; one was skipped and
then served by reclaim. Nothing fails. The module was loaded when each order had seen one
request, and reads order 0 in the histogram a little later than the rest.
"""

from dataclasses import dataclass

from harness.items import LAST_RESORT_COUNTS, REASONS, RESULTS, STEPS, Item
from harness.texts.metrics import frag_pct, unusable_index
from harness.texts.pages import ORDERS
from harness.texts.proc.buddyinfo import FreeArea

BEFORE_LOADED = 1
# 71 % of 800 pages lie in blocks below order 3, and 50 % of 400: not above the threshold.
RAISED = "frag_pct=71 mode=2 free=568,0,0,29,0,0,0,0,0,0,0"
CALM = "frag_pct=50 mode=0 free=100,50,0,25,0,0,0,0,0,0,0"
Row = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The monitor's counters by order, and the kernel's stalls, at one snapshot."""

    req: Row
    success: Row
    slowpath: Row
    compact: Row
    adaptive: Row
    stall: int
    zones: tuple[FreeArea, ...]


def texts(state: State) -> dict[str, str]:
    items = counters(state)
    return {
        "monitor_success_by_step": table(STEPS, [items[f"step_{name}"] for name in STEPS]),
        "monitor_last_resort": table(
            LAST_RESORT_COUNTS, [only_largest(0) for _name in LAST_RESORT_COUNTS]
        ),
        "monitor_fail_by_reason": table(REASONS, [items[f"fail_{name}"] for name in REASONS]),
        "monitor_compact_by_result": table(RESULTS, [items[f"compact_{name}"] for name in RESULTS]),
        "monitor_in_flight": table(("in_flight",), [difference(state.req, state.success)]),
        "monitor_slowpath_latency": latency(state),
        "monitor_frag_pct": "".join(
            f"Node {area.node}, zone {area.zone} "
            + " ".join(str(frag_pct([area], cutoff)) for cutoff in ORDERS)
            + "\n"
            for area in state.zones
        ),
        "monitor_switches": "0\n",
        "monitor_invalid_order": "req fail\n0 0\n",
        "unusable_index": "".join(
            f"Node {area.node}, zone {area.zone:>8} "
            + "".join(
                f"{value // 1000}.{value % 1000:03} "
                for value in (unusable_index(area, order) for order in ORDERS)
            )
            + "\n"
            for area in state.zones
        ),
        "still": "tries=1 still=1\n",
        "cross_check": cross_check(state, items),
        "decisions": decisions(state),
        "hist_alloc": histogram(
            "order",
            {f"order: {order:10}": hits for order, hits in enumerate(allocated(state)) if hits},
        ),
        "hist_compact": histogram(
            "order,prio",
            {
                f"order: {order:10}, prio: {prio:10}": hits
                for prio, row in enumerate(calls(state))
                for order, hits in enumerate(row)
                if hits
            },
        ),
    }


def counters(state: State) -> dict[str, Row]:
    stalls = only_largest(state.stall)
    items = dict.fromkeys(Item, only_largest(0))
    return items | {
        "req": state.req,
        "success": state.success,
        "slowpath": state.slowpath,
        "compact": state.compact,
        "adaptive": state.adaptive,
        "step_fast": difference(state.success, state.slowpath),
        "step_compact_first": stalls,
        "step_reclaim": difference(state.slowpath, stalls),
        "compact_skipped": difference(state.compact, stalls),
        "compact_stall": stalls,
        "compact_success": stalls,
    }


def only_largest(value: int) -> Row:
    return (*(0 for _order in ORDERS[:-1]), value)


def difference(left: Row, right: Row) -> Row:
    return tuple(one - other for one, other in zip(left, right, strict=True))


def allocated(state: State) -> Row:
    return tuple(value - BEFORE_LOADED for value in state.success)


def calls(state: State) -> tuple[Row, Row, Row]:
    """By priority: those that the policy raised were full, the others asynchronous."""
    return state.adaptive, only_largest(0), difference(state.compact, state.adaptive)


def words(row: Row) -> str:
    return " ".join(str(value) for value in row)


def table(columns: tuple[str, ...], values: list[Row]) -> str:
    rows = (f"{order} {words(tuple(column[order] for column in values))}\n" for order in ORDERS)
    return f"order {' '.join(columns)}\n{''.join(rows)}"


def latency(state: State) -> str:
    text = "order " + " ".join(f"log2_ns_{bucket}" for bucket in range(32)) + "\n"
    for order in ORDERS[3:]:
        text += f"{order} {words((0,) * 20 + (state.slowpath[order],) + (0,) * 11)}\n"
    return text


def cross_check(state: State, items: dict[str, Row]) -> str:
    lines = [
        "cross_check snapshot 1",
        "cpus=1",
        *(f"monitor {name} {words(row)}" for name, row in items.items()),
        "monitor_invalid req=0 fail=0 switches=0",
        f"allocated {words(allocated(state))}",
        f"refused {words(only_largest(0))}",
        *(f"compact_call prio={prio} {words(row)}" for prio, row in enumerate(calls(state))),
        f"decisions {words(state.slowpath)}",
        f"vm compact_stall={state.stall} compact_success={state.stall} compact_fail=0",
        "end",
    ]
    return "\n".join(lines) + "\n"


def decisions(state: State) -> str:
    made, raised = sum(state.slowpath), sum(state.adaptive)
    text = f"cross_check decisions 1 seen={made} kept={made}\n"
    for each in [CALM] * (made - raised) + [RAISED] * raised:
        text += f"order=10 gfp=11456 cutoff=3 threshold=50 {each}\n"
    return text + "end\n"


def histogram(keys: str, hits: dict[str, int]) -> str:
    entries = "".join(f"{{ {key} }} hitcount: {count:10}\n" for key, count in hits.items())
    return (
        "# event histogram\n#\n"
        f"# trigger info: hist:keys={keys}:vals=hitcount:sort=hitcount:size=2048 [active]\n#\n\n"
        f"{entries}\nTotals:\n    Hits: {sum(hits.values())}\n    Entries: {len(hits)}\n"
        "    Dropped: 0\n"
    )

# SPDX-License-Identifier: GPL-2.0-only
"""The pieces of report.md that set the paper's tables beside ours."""

from harness.report import paper
from harness.report.document import Run, RunStage, StageSnapshot
from harness.texts.pages import ORDERS, Order
from harness.texts.proc.buddy_monitor import MonitorDelta
from harness.writers.page import ABSENT, Section, table


def paper_sections(run: Run) -> tuple[Section, ...]:
    """Return the paper's figures and tables beside this run's, in the paper's order."""
    return (
        _baseline(run),
        _stress_ng(run),
        _fragment(run),
        _high_order(run),
        _fields(),
        _workloads(run),
    )


def _baseline(run: Run) -> Section:
    stage = run.stage("baseline")
    rows = () if stage is None else stage.before.monitor
    ours = [(row.req, row.success, row.fail, row.slowpath, row.compact) for row in rows]
    names = ("req", "success", "fail", "slowpath", "compact")
    return Section(
        title="Fig. 2: counters after boot",
        shows="The kernel's request counters soon after boot, before any workload. Every request "
        "should have succeeded.",
        tables=(
            table(
                (
                    "order",
                    *(f"paper {name}" for name in names),
                    *(f"ours {name}" for name in names),
                ),
                (
                    (order, *paper.FIG_2[order], *(ours[order] if ours else (ABSENT,) * 5))
                    for order in ORDERS
                ),
            ),
        ),
        notes=(
            *_absent_note(stage, "baseline"),
            (
                "The paper's machine ran a desktop. This guest runs little more than the "
                "workloads, so its counts are smaller."
            ),
        ),
    )


def _stress_ng(run: Run) -> Section:
    stage = run.stage("stress_ng")
    return Section(
        title="Tables I and II: stress-ng",
        shows="The effect of general memory pressure on requests for single pages (order 0) and "
        "for huge pages (order 9).",
        tables=(
            table(
                ("order", "source", "req before", "req after", "slowpath", "compact", "adaptive"),
                (
                    row
                    for order, *values in paper.TABLE_I
                    for row in (
                        (order, "paper, Table I", *values),
                        (order, "ours, counts since boot", *_since_boot(stage, order)),
                        (order, "ours, this stage alone", *_this_stage(stage, order)),
                    )
                ),
            ),
            table(
                ("order", "source", "req after", "slowpath", "compact", "adaptive", "frag_pct"),
                (
                    (paper.THP_ORDER, "paper, Table II", *paper.TABLE_II),
                    (paper.THP_ORDER, "ours", *_with_frag_pct(stage, paper.THP_ORDER)),
                ),
            ),
        ),
        notes=_absent_note(stage, "stress_ng"),
    )


def _since_boot(stage: RunStage | None, order: Order) -> tuple[object, ...]:
    if stage is None or not stage.before.monitor:
        return (ABSENT,) * 5
    after = stage.after.monitor[order]
    return (
        stage.before.monitor[order].req,
        after.req,
        after.slowpath,
        after.compact,
        after.adaptive,
    )


def _this_stage(stage: RunStage | None, order: Order) -> tuple[object, ...]:
    if stage is None or not stage.deltas:
        return (ABSENT,) * 5
    delta = stage.deltas[order]
    return 0, delta.req, delta.slowpath, delta.compact, delta.adaptive


def _with_frag_pct(stage: RunStage | None, order: Order) -> tuple[object, ...]:
    if stage is None or not stage.after.monitor:
        return (ABSENT,) * 5
    row = stage.after.monitor[order]
    return row.req, row.slowpath, row.compact, row.adaptive, row.frag_pct


def _fragment(run: Run) -> Section:
    stage = run.stage("fragment_stress")
    names = tuple(f"order {order}" for order in ORDERS)
    return Section(
        title="Fragmentation workload: state changed, behavior or not",
        shows="The free blocks of each order and zone before and after fragment_stress, and "
        "whether requests entered the slowpath.",
        tables=()
        if stage is None
        else (
            table(
                ("zone", "when", *names),
                (
                    (f"node {area.node} {area.zone}", when, *area.blocks)
                    for when, snapshot in (("before", stage.before), ("after", stage.after))
                    for area in snapshot.free
                ),
            ),
            table(
                ("source", "slowpath", "compact", "adaptive"),
                (
                    ("paper", 0, 0, 0),
                    ("ours, orders 3 to 10", *_high_order_counts(stage)),
                ),
            ),
        ),
        notes=(
            *_absent_note(stage, "fragment_stress"),
            *(_frag_notes(stage) if stage is not None else ()),
        ),
    )


def _frag_notes(stage: RunStage) -> tuple[str, ...]:
    return (
        (
            f"{stage.before.frag_pct} % of free memory before and {stage.after.frag_pct} % after "
            "the stage was in blocks below the cutoff."
        ),
    )


def _high_order(run: Run) -> Section:
    rows: list[tuple[object, ...]] = []
    names = ("requests", "success", "fail", "slowpath", "compact", "adaptive")
    for name, requests, slowpath, compact, adaptive in paper.TABLE_III:
        rows.append((name, "paper's text", requests, ABSENT, 0, slowpath, compact, adaptive))
        rows.append((name, "ours", *_burst_counts(run.stage(name))))
    return Section(
        title="Table III: high-order bursts (our numbers; the paper's table is missing)",
        shows="The outcome of requests for large blocks: first a small burst in unfragmented "
        "memory, then a burst larger than the number of free blocks.",
        tables=(table(("stage", "source", *names), rows),),
        notes=(
            (
                "Table III is missing from our copy of the paper. The numbers are compared with "
                "the paper's text: 0/0/0 for the early test and 86/86/86 for the final one."
            ),
            (
                "The paper reports 897 requests in its final experiment. That number does not "
                "follow from its command, `10 512 5000 0 512 1`, which makes 512."
            ),
            (
                "The arguments are read as order, requests, hold ms, delay ms, most held, "
                "hold_until_fail."
            ),
        ),
    )


def _burst_counts(stage: RunStage | None) -> tuple[object, ...]:
    if stage is None or stage.burst is None:
        return (ABSENT,) * 6
    if not stage.deltas:
        burst = stage.burst
        return burst.attempted, burst.succeeded, burst.failed, ABSENT, ABSENT, ABSENT
    delta = stage.deltas[stage.burst.order]
    return delta.req, delta.success, delta.fail, delta.slowpath, delta.compact, delta.adaptive


def _fields() -> Section:
    return Section(
        title="Table IV: the fields of /proc/buddy_monitor",
        shows="What each column counts: the paper's definition and the series'.",
        tables=(table(("field", "paper", "ours"), paper.TABLE_IV),),
    )


def _workloads(run: Run) -> Section:
    rows: list[tuple[object, ...]] = []
    for name, workload, slowpath, compact, adaptive, observation in paper.TABLE_V:
        rows.append((workload, "paper", slowpath, compact, adaptive, observation))
        stage = run.stage(name)
        counts = (ABSENT,) * 3 if stage is None else _high_order_counts(stage)
        rows.append((name, "ours", *counts, _observation(stage)))
    return Section(
        title="Table V: the workloads compared",
        shows="For each workload, how many requests of order 3 and above entered the slowpath, "
        "attempted compaction, and were acted on by the policy.",
        tables=(
            table(("workload", "source", "slowpath", "compact", "adaptive", "observation"), rows),
        ),
    )


def _observation(stage: RunStage | None) -> str:
    if stage is None:
        return "not in this run"
    before, after = _largest_blocks(stage.before), _largest_blocks(stage.after)
    return f"free order-10 blocks {before} -> {after}"


def _largest_blocks(snapshot: StageSnapshot) -> int:
    return sum(area.blocks[-1] for area in snapshot.free)


def _high_order_counts(stage: RunStage) -> tuple[object, ...]:
    high: list[MonitorDelta] = [delta for delta in stage.deltas if delta.order >= paper.HIGH_ORDER]
    if not high:
        return (ABSENT,) * 3
    return (
        sum(delta.slowpath for delta in high),
        sum(delta.compact for delta in high),
        sum(delta.adaptive for delta in high),
    )


def _absent_note(stage: RunStage | None, name: str) -> tuple[str, ...]:
    return () if stage is not None else (f"This run has no stage {name}.",)

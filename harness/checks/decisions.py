# SPDX-License-Identifier: GPL-2.0-only
"""What the policy saw and decided, computed again from what others recorded."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from harness.checks.base import Check, Comparison, NotApplicable
from harness.checks.counters import EXACT_FROM_ORDER, in_flight_bound
from harness.checks.interval import (
    EXACT_ORDERS,
    Pair,
    compared,
    cross_check_count,
    cross_checks_of,
    details_of,
    judged,
    new_decisions,
    rise,
    text_count,
    without_cross_checks,
    without_details,
)
from harness.checks.policy import stage_policy
from harness.checks.torture import STAGE as TORTURE_STAGE
from harness.errors import RecordError
from harness.record.run import RunRecord, Snapshot, StageRecord
from harness.texts.guest.cross_check import Decision
from harness.texts.metrics import frag_pct
from harness.texts.pages import COSTLY_ORDER, ORDERS, Order
from harness.texts.proc.buddyinfo import FreeArea
from harness.texts.proc.monitor_details import TIMED_ORDERS
from harness.texts.proc.sysctl import Policy, PolicyMode

_PAGE_OWNER = "page_owner=on"
_PERMILLE_OF_PERCENT = 10
# include/linux/gfp.h of 5.15, gfp_types.h of 6.1: only who may reclaim and do I/O, and did not
# ask to be spared, is the policy's business.
_GFP_NEEDED = 0x40 | 0x400  # ___GFP_IO | ___GFP_DIRECT_RECLAIM
_GFP_NORETRY = 0x10000
# The module's classes of which every request is such a one.
ELIGIBLE_CLASSES = ("kernel", "kernel_nokswapd", "retry_mayfail", "movable")
_BROKEN_SHOWN = 5


def _metric(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    absent = without_details(run)
    if absent:
        return absent
    if all(snapshot.unusable is None for snapshot in run.snapshots):
        return NotApplicable("this kernel has no debugfs extfrag/unusable_index")
    if _PAGE_OWNER in run.key.kernel_command_line.split() and not any(
        snapshot.still for snapshot in run.snapshots
    ):
        return NotApplicable(f"with {_PAGE_OWNER} reading the free lists never left them alone")
    return (
        each
        for snapshot in run.snapshots
        if snapshot.still and snapshot.unusable is not None
        for each in _zone_metrics(snapshot)
    )


def _zone_metrics(snapshot: Snapshot) -> Iterator[Comparison]:
    ours = {(zone.node, zone.zone): zone.values for zone in details_of(snapshot).frag_pct}
    index = {(zone.node, zone.zone): zone.values for zone in snapshot.unusable or ()}
    for area in snapshot.buddyinfo.zones:
        zone = area.node, area.zone
        if zone not in ours or zone not in index:
            raise RecordError(f"{snapshot.label}: zone {area.zone} has no metric; repeat the run")
        computed = tuple(frag_pct([area], cutoff) for cutoff in ORDERS)
        kernel = tuple(
            value // _PERMILLE_OF_PERCENT if area.free_pages else 0 for value in index[zone]
        )
        yield Comparison(
            holds=ours[zone] == computed == kernel,
            text=f"{snapshot.label} node {area.node} zone {area.zone}: the policy says "
            f"{_words(ours[zone])}, unusable_index {_words(kernel)}, buddyinfo {_words(computed)} "
            "per cent below orders 0 to 10",
        )


def _words(values: tuple[int, ...]) -> str:
    return " ".join(str(value) for value in values)


def _decisions(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_cross_checks(run) or _recomputed(run)


def _recomputed(run: RunRecord) -> Iterator[Comparison]:
    first = run.snapshots[0]
    yield from _arithmetic(first.label, cross_checks_of(first).decisions.kept)
    for before, after in pairwise(run.snapshots):
        new = new_decisions(before, after)
        yield from _arithmetic(f"{before.label} -> {after.label}", new)
        if after.label != f"{TORTURE_STAGE}/after":
            yield from _as_set(before, after, new)
    for snapshot in run.snapshots:
        yield from _last_recorded(run, snapshot)
    for stage in judged(run):
        made = [
            later - earlier
            for earlier, later in zip(
                *(cross_checks_of(snapshot).instant.decisions for snapshot in stage.snapshots),
                strict=True,
            )
        ]
        entries = [rise(stage, cross_check_count, "slowpath", order) for order in ORDERS]
        yield from compared(
            stage.name,
            "slowpath and decisions (some requests are not eligible)",
            (
                Pair(order, entries[order], made[order], 0, _undecided(stage, order))
                for order in ORDERS
            ),
        )


def _undecided(stage: StageRecord, order: Order) -> int:
    """Return how many slowpath entries may lack a decision: none of the module's own."""
    records, policies = stage.records, stage_policy(stage)
    decided = (
        records is not None
        and policies is not None
        and records.order == order >= max(policy.min_order for policy in policies)
        and records.gfp in ELIGIBLE_CLASSES
        and records.attempted == rise(stage, cross_check_count, "req", order)
    )
    return 0 if decided else rise(stage, cross_check_count, "slowpath", order)


def _arithmetic(what: str, decisions: tuple[Decision, ...]) -> Iterator[Comparison]:
    wrong = 0
    for decision in decisions:
        area = FreeArea(node=0, zone="all", blocks=decision.free)
        computed = frag_pct([area], decision.cutoff)
        if (
            decision.frag_pct == computed
            and _may_act(decision)
            and decision.gfp & (_GFP_NEEDED | _GFP_NORETRY) == _GFP_NEEDED
        ):
            continue
        wrong += 1
        if wrong <= _BROKEN_SHOWN:
            yield Comparison(
                holds=False,
                text=f"{what}: order {decision.order} below {decision.cutoff} of free areas "
                f"{_words(decision.free)}: computed {computed} %, recorded {decision.frag_pct} %, "
                f"threshold {decision.threshold_pct} %, mode {decision.mode}, gfp "
                f"{decision.gfp:#x}",
            )
    yield Comparison(
        holds=not wrong, text=f"{what}: {len(decisions)} decisions recomputed, {wrong} wrong"
    )


def _may_act(decision: Decision) -> bool:
    """Whether some setting of the mode leads to this decision, the threshold being what it was."""
    if decision.mode == PolicyMode.OFF:
        return True
    if decision.mode in {PolicyMode.LAST, PolicyMode.CLEAR}:
        return decision.order > COSTLY_ORDER
    raising = {PolicyMode.LATE, PolicyMode.EARLY, PolicyMode.LIGHT}
    return decision.mode in raising and decision.frag_pct > decision.threshold_pct


def _as_set(before: Snapshot, after: Snapshot, new: tuple[Decision, ...]) -> Iterator[Comparison]:
    """Compare with the sysctls, where both snapshots say the same."""
    policy = after.sysctls.policy
    if policy is None or before.sysctls.policy != policy or not new:
        return
    wrong = [decision for decision in new if not _obeys(decision, policy)]
    for decision in wrong[:_BROKEN_SHOWN]:
        yield Comparison(
            holds=False,
            text=f"{before.label} -> {after.label}: a decision for order {decision.order} at "
            f"{decision.frag_pct} % has cutoff {decision.cutoff}, threshold "
            f"{decision.threshold_pct}, mode {decision.mode}; set are {policy.cutoff}, "
            f"{policy.threshold_pct}, {policy.mode.value}, min_order {policy.min_order}",
        )
    yield Comparison(
        holds=not wrong,
        text=f"{before.label} -> {after.label}: {len(new)} decisions, {len(wrong)} not as the "
        "sysctls say",
    )


def _obeys(decision: Decision, policy: Policy) -> bool:
    return (
        decision.cutoff == policy.cutoff
        and decision.threshold_pct == policy.threshold_pct
        and decision.mode == policy.mode_for(decision.order, decision.frag_pct)
        and decision.order >= policy.min_order
    )


def _last_recorded(run: RunRecord, snapshot: Snapshot) -> Iterator[Comparison]:
    """Compare the last decision with the frag_pct column.

    Between its being recorded and its being traced each other CPU may have done both once.
    """
    if snapshot.monitor is None:
        return
    for order in EXACT_ORDERS:
        kept = [
            each.frag_pct
            for each in cross_checks_of(snapshot).decisions.kept
            if each.order == order
        ]
        shown = snapshot.monitor.rows[order].frag_pct
        if kept or not snapshot.monitor.rows[order].slowpath:
            last = kept[-run.key.cpus :] or [0]
            yield Comparison(
                holds=shown in last,
                text=f"{snapshot.label} order {order}: frag_pct {shown}, last decided "
                f"{' or '.join(str(each) for each in last)}",
            )


def _latency(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_details(run) or _timed(run)


def _timed(run: RunRecord) -> Iterator[Comparison]:
    for stage in judged(run):
        pairs: list[Pair] = []
        for order in TIMED_ORDERS:
            before, after = (
                sum(details_of(snapshot).slowpath_latency.row(order))
                for snapshot in stage.snapshots
            )
            slack = 0 if order >= EXACT_FROM_ORDER else in_flight_bound(run)
            entries = rise(stage, text_count, "slowpath", order)
            pairs.append(Pair(order, after - before, entries, -slack, slack))
        yield from compared(stage.name, "slowpath visits timed and slowpath", pairs)


RANK = 90
CHECKS = (
    Check(
        name="metric-matches-unusable-index",
        why="frag_pct is the kernel's own index for the same order, rounded down",
        judge=_metric,
    ),
    Check(
        name="decisions-recompute",
        why="each decision follows from the free areas and the sysctls at its time",
        judge=_decisions,
    ),
    Check(
        name="slowpath-latency-counts-slowpaths",
        why="each entry of the slowpath is timed once",
        judge=_latency,
    ),
)

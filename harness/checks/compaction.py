# SPDX-License-Identifier: GPL-2.0-only
"""Attempts at compaction against vmstat and the compaction's own event, to the unit."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from harness.checks.base import Check, Comparison, NotApplicable
from harness.checks.interval import (
    EXACT_ORDERS,
    Pair,
    Source,
    compared,
    cross_check_count,
    cross_checked,
    cross_checks_of,
    in_flight,
    judged,
    rise,
    text_count,
    text_slack,
    without_cross_checks,
    without_details,
)
from harness.checks.last_resort import last_resort_events
from harness.checks.torture import STAGE as TORTURE_STAGE
from harness.record.run import RunRecord, StageRecord
from harness.texts.build.rules import Rule, rules_in
from harness.texts.pages import ORDERS, Order

_OUTCOMES = {"compact_stall": "stall", "compact_success": "success", "compact_fail": "fail"}


def _compact_splits(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_details(run) or _splits(run)


def _splits(run: RunRecord) -> Iterator[Comparison]:
    for snapshot in run.snapshots:
        slack = {order: text_slack(run, order) for order in ORDERS}
        skips = Rule.DEFERRED_IS_SKIPPED in rules_in(run.provenance.provides)
        yield from _split(
            f"{snapshot.label}, texts",
            partial(text_count, snapshot),
            asleep=slack,
            apart=slack,
            deferred_is_skipped=skips,
        )
        if cross_checked(run):
            # An attempt may sleep; what came of it is told without a pause.
            yield from _split(
                f"{snapshot.label}, cross-check",
                partial(cross_check_count, snapshot),
                asleep={order: max(in_flight(snapshot, order), 0) for order in ORDERS},
                apart=dict.fromkeys(ORDERS, 0),
                deferred_is_skipped=skips,
            )


def _split(
    what: str,
    count: Callable[[str, Order], int],
    *,
    asleep: Mapping[Order, int],
    apart: Mapping[Order, int],
    deferred_is_skipped: bool,
) -> Iterator[Comparison]:
    """Compare the parts; so many attempts may be `asleep`, the readings so far `apart`."""

    def pairs(left: str, right: tuple[str, ...], most: Callable[[Order], int]) -> Iterator[Pair]:
        for order in ORDERS:
            parts = sum(count(name, order) for name in right)
            yield Pair(order, count(left, order), parts, -apart[order], most(order))

    yield from compared(
        what,
        "compact and skipped + stall",
        pairs("compact", ("compact_skipped", "compact_stall"), asleep.__getitem__),
    )
    yield from compared(
        what,
        "stall and success + fail",
        pairs("compact_stall", ("compact_success", "compact_fail"), apart.__getitem__),
    )
    holder = "compact_skipped" if deferred_is_skipped else "compact_stall"
    yield from compared(
        what,
        f"{holder.removeprefix('compact_')} and those of them that were deferred",
        pairs(holder, ("compact_deferred",), lambda order: count(holder, order)),
    )


def _compaction_agrees(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_details(run) or _against_vmstat(run)


def _against_vmstat(run: RunRecord) -> Iterator[Comparison]:
    for stage in judged(run):
        for event in _OUTCOMES:
            cleared = last_resort_events(run, stage, event)
            rose = stage.vmstat_delta(event) - cleared
            yield _same_event(stage, "texts", event, text_count, rose)
            if cross_checked(run):
                before, after = (
                    cross_checks_of(snapshot).instant.events[event] for snapshot in stage.snapshots
                )
                rose = after - before - cleared
                yield _same_event(stage, "cross-check", event, cross_check_count, rose)


def _same_event(
    stage: StageRecord, where: str, event: str, source: Source, kernel: int
) -> Comparison:
    ours = sum(rise(stage, source, event, order) for order in ORDERS)
    return Comparison(
        holds=ours == kernel,
        text=f"{stage.name}, {where}: {_OUTCOMES[event]} of all orders rose by {ours}, {event} of "
        f"vmstat by {kernel} without the last resort",
    )


def _attempts_match(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_cross_checks(run) or _attempts(run)


def _attempts(run: RunRecord) -> Iterator[Comparison]:
    for stage in judged(run):
        claim = "compact and hits of try_to_compact_pages"
        if _may_lack_io(stage):
            claim += " (some requests may not do I/O)"

        def pair(order: Order, attempts: int, hits: int, stage: StageRecord = stage) -> Pair:
            most = attempts if _may_lack_io(stage) else 0
            return Pair(order, attempts, hits, 0, most)

        yield from compared(
            f"{stage.name}, texts",
            claim,
            (
                pair(order, rise(stage, text_count, "compact", order), _hist_calls(stage, order))
                for order in EXACT_ORDERS
            ),
        )
        before, after = (cross_checks_of(snapshot).instant for snapshot in stage.snapshots)
        yield from compared(
            f"{stage.name}, cross-check",
            claim,
            (
                pair(
                    order,
                    rise(stage, cross_check_count, "compact", order),
                    after.calls(order) - before.calls(order),
                )
                for order in ORDERS
            ),
        )


def _may_lack_io(stage: StageRecord) -> bool:
    """Whether requests without __GFP_IO ran: attempts that the tracepoint does not show."""
    noio = stage.records is not None and stage.records.gfp == "noio"
    return noio or stage.name == TORTURE_STAGE


def _hist_calls(stage: StageRecord, order: Order) -> int:
    before, after = (cross_checks_of(snapshot) for snapshot in stage.snapshots)
    return after.calls_in_texts(order) - before.calls_in_texts(order)


RANK = 60
CHECKS = (
    Check(
        name="compact-splits-into-skipped-and-stall",
        why="each attempt is skipped or stalls, and each stall ends with a page or without",
        judge=_compact_splits,
    ),
    Check(
        name="compaction-matches-vmstat",
        why="vmstat counts the same compactions, for all orders together",
        judge=_compaction_agrees,
    ),
    Check(
        name="attempts-match-compaction-tracepoint",
        why="compaction's own event tells how often, and for which order, it was called",
        judge=_attempts_match,
    ),
)

# SPDX-License-Identifier: GPL-2.0-only
"""Requests and outcomes against each other and against the kernel's own event, to the unit."""

from collections.abc import Iterable, Iterator, Sequence

from harness.checks.base import Check, Comparison, NotApplicable, unmonitored
from harness.checks.interval import (
    EXACT_ORDERS,
    Pair,
    Source,
    compared,
    cross_check_count,
    cross_checked,
    cross_checks_of,
    details_of,
    interruption,
    judged,
    rise,
    text_count,
    text_slack,
    without_cross_checks,
    without_details,
)
from harness.items import COUNTERS, REASONS, STEPS, Item
from harness.record.run import RunRecord, StageRecord
from harness.texts.build.rules import Rule, rules_in
from harness.texts.pages import ORDERS, Order


def _not_switched(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    absent = unmonitored(run)
    if absent or any(snapshot.details is None for snapshot in run.snapshots):
        return absent or NotApplicable("this part of the series cannot switch its counting")
    return (
        Comparison(
            holds=interruption(stage) is None,
            text=f"{stage.name}: "
            + (interruption(stage) or f"{details_of(stage.after).switches} switches since boot"),
        )
        for stage in run.stages
    )


def _steps(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_details(run) or _sums(run, "success", [f"step_{step}" for step in STEPS])


def _reasons(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_details(run) or _sums(run, "fail", [f"fail_{reason}" for reason in REASONS])


def _sums(run: RunRecord, whole: str, parts: list[str]) -> Iterator[Comparison]:
    claim = f"sum of its {len(parts)} parts and {whole}"
    for snapshot in run.snapshots:
        yield from compared(
            f"{snapshot.label}, texts",
            claim,
            (
                Pair(
                    order,
                    sum(text_count(snapshot, part, order) for part in parts),
                    text_count(snapshot, whole, order),
                    -text_slack(run, order),
                    text_slack(run, order),
                )
                for order in ORDERS
            ),
        )
        if cross_checked(run):
            yield from compared(
                f"{snapshot.label}, cross-check",
                claim,
                (
                    Pair(
                        order,
                        sum(cross_check_count(snapshot, part, order) for part in parts),
                        cross_check_count(snapshot, whole, order),
                    )
                    for order in ORDERS
                ),
            )


def _requests_match(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_cross_checks(run) or _against_events(run)


def _against_events(run: RunRecord) -> Iterator[Comparison]:
    for stage in judged(run):
        yield from compared(
            f"{stage.name}, texts",
            "outcomes but bulk and injected, and hits of mm_page_alloc",
            (
                Pair(order, _traced(stage, text_count, order), _hist_hits(stage, order))
                for order in EXACT_ORDERS
            ),
        )
        yield from _no_hit_lost(stage)
        yield from compared(
            f"{stage.name}, cross-check",
            "outcomes but bulk and injected, and hits of mm_page_alloc",
            (
                Pair(
                    order,
                    _traced(stage, cross_check_count, order),
                    _hits(stage, order, "allocated") + _hits(stage, order, "refused"),
                )
                for order in ORDERS
            ),
        )
        yield from compared(
            f"{stage.name}, cross-check",
            "success but bulk, and hits with a page",
            (
                Pair(
                    order,
                    rise(stage, cross_check_count, "success", order)
                    - rise(stage, cross_check_count, "step_bulk", order),
                    _hits(stage, order, "allocated"),
                )
                for order in ORDERS
            ),
        )
    for snapshot in run.snapshots:
        yield from compared(
            f"{snapshot.label}, cross-check",
            "req and success + fail",
            (
                Pair(
                    order,
                    cross_check_count(snapshot, "req", order),
                    cross_check_count(snapshot, "success", order)
                    + cross_check_count(snapshot, "fail", order),
                    0,
                    text_slack(run, order),
                )
                for order in ORDERS
            ),
        )
        yield from compared(
            f"{snapshot.label}, texts",
            "in_flight and none",
            (
                Pair(
                    order,
                    details_of(snapshot).in_flight.value("in_flight", order),
                    0,
                    0,
                    text_slack(run, order),
                )
                for order in ORDERS
            ),
        )


def _traced(stage: StageRecord, source: Source, order: Order) -> int:
    """Return how many requests ended where the event is: bulk and injected ones do not."""
    return (
        rise(stage, source, "success", order)
        - rise(stage, source, "step_bulk", order)
        + rise(stage, source, "fail", order)
        - rise(stage, source, "fail_injected", order)
    )


def _hist_hits(stage: StageRecord, order: Order) -> int:
    before, after = (
        cross_checks_of(snapshot).allocations.count(order) for snapshot in stage.snapshots
    )
    return after - before


def _hits(stage: StageRecord, order: Order, kind: str) -> int:
    instants = [cross_checks_of(snapshot).instant for snapshot in stage.snapshots]
    before, after = (
        (instant.allocated if kind == "allocated" else instant.refused)[order]
        for instant in instants
    )
    return after - before


def _no_hit_lost(stage: StageRecord) -> Iterator[Comparison]:
    cross_checks = cross_checks_of(stage.after)
    for name, histogram in (
        ("mm_page_alloc", cross_checks.allocations),
        ("try_to_compact_pages", cross_checks.compactions),
    ):
        if histogram.dropped:
            yield Comparison(
                holds=False,
                text=f"{stage.name}: the histogram of {name} lost {histogram.dropped} hits",
            )


def _fast_path(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_details(run) or _missed(run)


def _missed(run: RunRecord) -> Iterator[Comparison]:
    refused = ["fail_memcg"]
    # Requests that wait for no lock have one attempt: none enters the slowpath.
    if Rule.COMPACTS_IN_LOOP in rules_in(run.provenance.provides):
        refused.append("fail_no_direct_reclaim")
    for stage in judged(run):
        yield from _at_the_door(f"{stage.name}, texts", stage, text_count, EXACT_ORDERS, refused)
        if cross_checked(run):
            yield from _at_the_door(
                f"{stage.name}, cross-check", stage, cross_check_count, ORDERS, refused
            )


def _at_the_door(
    what: str,
    stage: StageRecord,
    source: Source,
    orders: tuple[Order, ...],
    refused: Sequence[str],
) -> Iterator[Comparison]:
    """Compare where no request sleeps: all that are in flight have entered the slowpath."""
    ways = ("slowpath", "step_fast", "step_bulk", "fail_injected")
    yield from compared(
        what,
        "req and slowpath + fast + bulk + injected (a control group may refuse more)",
        (
            Pair(
                order,
                rise(stage, source, "req", order),
                sum(rise(stage, source, way, order) for way in ways),
                0,
                sum(rise(stage, source, way, order) for way in refused),
            )
            for order in orders
        ),
    )


def _texts_show(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_cross_checks(run) or (
        comparison
        for snapshot in run.snapshots
        for name in Item
        for comparison in compared(
            f"{snapshot.label}, {name}",
            "text and cross-check",
            (
                Pair(
                    order,
                    text_count(snapshot, name, order),
                    cross_check_count(snapshot, name, order),
                )
                for order in EXACT_ORDERS
            ),
        )
        if name in COUNTERS or not comparison.holds
    )


RANK = 50
CHECKS = (
    Check(
        name="monitor-was-not-switched",
        why="an interval in which counting was switched on or off is only partly counted",
        judge=_not_switched,
    ),
    Check(
        name="steps-sum-to-success",
        why="each request that succeeded was served by exactly one step",
        judge=_steps,
    ),
    Check(
        name="reasons-sum-to-fail",
        why="each request that failed did so for exactly one reason",
        judge=_reasons,
    ),
    Check(
        name="texts-show-what-was-counted",
        why="a column shows the counter that it is named after, and no other",
        judge=_texts_show,
    ),
    Check(
        name="requests-match-trace-events",
        why="the kernel's event fires once for each request that neither bulk nor a fault ended",
        judge=_requests_match,
    ),
    Check(
        name="fast-path-is-what-the-slowpath-missed",
        why="a request is served by the fast path, enters the slowpath, or is refused at once",
        judge=_fast_path,
    ),
)

# SPDX-License-Identifier: GPL-2.0-only
"""Which compactions the policy raised or added, by the priority that their own event tells."""

from collections.abc import Iterable, Iterator

from harness.checks.base import Check, Comparison, NotApplicable
from harness.checks.interval import (
    EXACT_ORDERS,
    Pair,
    compared,
    cross_check_count,
    cross_checks_of,
    in_flight,
    judged,
    new_decisions,
    rise,
    without_cross_checks,
)
from harness.checks.policy import steady_mode
from harness.record.run import RunRecord, StageRecord
from harness.texts.guest.cross_check import PRIO_ASYNC, PRIO_FULL, PRIO_LIGHT
from harness.texts.pages import NOT_COSTLY, ORDERS, Order
from harness.texts.proc.sysctl import PolicyMode

# Which compactions no request of a costly order makes once the policy decided to act for it:
# the first call is asynchronous unless raised, the later ones light.
_NEVER: dict[PolicyMode, tuple[int, ...]] = {
    PolicyMode.LATE: (PRIO_LIGHT,),
    PolicyMode.EARLY: (PRIO_LIGHT, PRIO_ASYNC),
    PolicyMode.LIGHT: (PRIO_FULL, PRIO_ASYNC),
    PolicyMode.LAST: (),
    PolicyMode.CLEAR: (PRIO_FULL,),
}


def _priorities(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    absent = without_cross_checks(run)
    if absent:
        return absent
    stages = [(stage, mode) for stage in judged(run) if (mode := steady_mode(stage)) is not None]
    if not stages:
        return NotApplicable("the policy changed in every stage, or the kernel has none")
    return (each for stage, mode in stages for each in _stage_priorities(stage, mode))


def _stage_priorities(stage: StageRecord, mode: PolicyMode) -> Iterator[Comparison]:
    what = f"{stage.name}, mode {mode.name.lower()}"
    match mode:
        case PolicyMode.OFF:
            yield from _none_full(stage, what)
        case PolicyMode.LATE | PolicyMode.EARLY:
            yield from _raised_to_full(stage, what)
        case PolicyMode.LIGHT:
            yield from _none_full(stage, what)
            # Light is also what second calls are: more of them than were raised is no wonder.
            yield from _as_many_as_adaptive(stage, what, PRIO_LIGHT, "light")
        case PolicyMode.LAST:
            yield from _one_full_each(stage, what)
            yield from _only_at_the_end(stage, what)
        case PolicyMode.CLEAR:
            yield from _none_full(stage, what)
            yield from _only_at_the_end(stage, what)
    for order in EXACT_ORDERS:
        yield from _all_raised(stage, mode, order)


def _none_full(stage: StageRecord, what: str) -> Iterator[Comparison]:
    yield from compared(
        what,
        "compactions at full priority of costly orders and none",
        (Pair(order, _calls(stage, order, PRIO_FULL), 0) for order in EXACT_ORDERS),
    )


def _raised_to_full(stage: StageRecord, what: str) -> Iterator[Comparison]:
    full = [_calls(stage, order, PRIO_FULL) for order in ORDERS]
    adaptive = [_adaptive(stage, order) for order in ORDERS]
    yield from _as_many_as_adaptive(stage, what, PRIO_FULL, "full")
    yield from compared(
        what,
        "costly orders: adaptive or requests in flight, where compaction was at full priority",
        (
            Pair(
                order,
                adaptive[order] + in_flight(stage.after, order),
                min(full[order], 1),
                0,
                adaptive[order] + in_flight(stage.after, order),
            )
            for order in EXACT_ORDERS
        ),
    )


def _as_many_as_adaptive(
    stage: StageRecord, what: str, prio: int, name: str
) -> Iterator[Comparison]:
    """Compare calls of the priority that the policy raises to: one at least for each request."""
    calls = [_calls(stage, order, prio) for order in ORDERS]
    # adaptive is counted once an attempt is over: one may have begun before the stage.
    yield from compared(
        what,
        f"compactions at {name} priority and adaptive",
        (
            Pair(
                order,
                calls[order],
                _adaptive(stage, order),
                -in_flight(stage.before, order),
                calls[order],
            )
            for order in ORDERS
        ),
    )


def _one_full_each(stage: StageRecord, what: str) -> Iterator[Comparison]:
    yield from compared(
        what,
        "costly orders: compactions at full priority and adaptive",
        (
            Pair(
                order,
                _calls(stage, order, PRIO_FULL),
                _adaptive(stage, order),
                -in_flight(stage.before, order),
                in_flight(stage.after, order),
            )
            for order in EXACT_ORDERS
        ),
    )


def _only_at_the_end(stage: StageRecord, what: str) -> Iterator[Comparison]:
    """Whoever comes to the last resort is served by it, or fails; only costly orders do."""
    yield from compared(
        what,
        "adaptive and served by the last resort (others that it was for failed)",
        (
            Pair(
                order,
                _adaptive(stage, order),
                rise(stage, cross_check_count, "step_last_resort", order),
                -in_flight(stage.before, order),
                rise(stage, cross_check_count, "fail", order) + in_flight(stage.after, order),
            )
            for order in EXACT_ORDERS
        ),
    )
    yield from compared(
        what,
        "adaptive of orders that are not costly and none",
        (
            Pair(order, _adaptive(stage, order), 0, 0, in_flight(stage.before, order))
            for order in NOT_COSTLY
        ),
    )


def _all_raised(stage: StageRecord, mode: PolicyMode, order: Order) -> Iterator[Comparison]:
    """Compare where every slowpath entry of an order in this stage is a decision to act."""
    if mode is PolicyMode.OFF:
        return
    decisions = new_decisions(stage.before, stage.after)
    acted = [each for each in decisions if each.order == order and each.mode == mode]
    entries = rise(stage, cross_check_count, "slowpath", order)
    if not acted or len(acted) != entries or in_flight(stage.before, order):
        return
    for prio in _NEVER[mode]:
        hits = _calls(stage, order, prio)
        yield Comparison(
            holds=hits == 0,
            text=f"{stage.name} order {order}: all {entries} slowpath entries were decided "
            f"{mode.name.lower()}, {hits} compactions had priority {prio}",
        )


def _adaptive(stage: StageRecord, order: Order) -> int:
    return rise(stage, cross_check_count, "adaptive", order)


def _calls(stage: StageRecord, order: Order, prio: int) -> int:
    before, after = (
        cross_checks_of(snapshot).instant.compact_calls[prio][order] for snapshot in stage.snapshots
    )
    return after - before


RANK = 80
CHECKS = (
    Check(
        name="priorities-match-policy",
        why="compactions have the priority that the policy's mode requires, and no other",
        judge=_priorities,
    ),
)

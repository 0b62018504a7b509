# SPDX-License-Identifier: GPL-2.0-only
"""What the reconciling checks share: where they apply, and numbers set against each other.

A stage is an interval between two snapshots. Its counts come from two sources: the texts,
read one after the other, exact for orders that nothing asks for meanwhile; and the cross-check,
all counts of one instant, exact for every order but for requests that sleep inside.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harness.checks.base import Comparison, NotApplicable, unmonitored
from harness.checks.counters import EXACT_FROM_ORDER, in_flight_bound
from harness.errors import RecordError
from harness.items import COUNTERS
from harness.record.run import RunRecord, Snapshot, StageRecord
from harness.texts.guest.cross_check import CrossChecks, Decision
from harness.texts.pages import ORDERS, Order
from harness.texts.proc.monitor_details import MonitorDetails

EXACT_ORDERS = ORDERS[EXACT_FROM_ORDER:]
# What a count is at a snapshot, by the kernel's name of it and the order.
Source = Callable[[Snapshot, str, Order], int]
_SWITCH = "vm.buddy_monitor"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two numbers of an order: `left` may exceed `right` by `least` to `most`."""

    order: Order
    left: int
    right: int
    least: int = 0
    most: int = 0

    @property
    def holds(self) -> bool:
        """Whether they differ by no more than is allowed."""
        return self.least <= self.left - self.right <= self.most


def compared(what: str, claim: str, pairs: Iterable[Pair]) -> Iterator[Comparison]:
    """Yield a comparison for each pair that does not hold, and one for all together."""
    pairs = tuple(pairs)
    broken = [pair for pair in pairs if not pair.holds]
    for pair in broken:
        yield Comparison(
            holds=False,
            text=f"{what} order {pair.order}: {claim}: {pair.left} and {pair.right}, apart by "
            f"{pair.left - pair.right}, allowed {pair.least}..{pair.most}",
        )
    yield Comparison(
        holds=not broken,
        text=f"{what}: {claim}: {sum(pair.left for pair in pairs)} and "
        f"{sum(pair.right for pair in pairs)} over orders {pairs[0].order} to {pairs[-1].order}, "
        f"{len(broken)} orders disagree",
    )


def details_of(snapshot: Snapshot) -> MonitorDetails:
    """Return the tables of debugfs; RecordError without them."""
    if snapshot.details is None:
        raise RecordError(f"{snapshot.label}: monitor_* are absent; repeat the run")
    return snapshot.details


def cross_checks_of(snapshot: Snapshot) -> CrossChecks:
    """Return what the cross-checks counted; RecordError without them."""
    if snapshot.cross_checks is None:
        raise RecordError(f"{snapshot.label}: cross-check is absent; repeat the run")
    return snapshot.cross_checks


def text_count(snapshot: Snapshot, name: str, order: Order) -> int:
    """Return a count from /proc/buddy_monitor or debugfs buddy_monitor/."""
    if snapshot.monitor is not None and name in COUNTERS:
        return snapshot.monitor.rows[order].counter(name)
    return details_of(snapshot).item(name, order)


def cross_check_count(snapshot: Snapshot, name: str, order: Order) -> int:
    """Return the same count at the cross-check module's instant."""
    return cross_checks_of(snapshot).instant.item(name, order)


def in_flight(snapshot: Snapshot, order: Order) -> int:
    """Return the requests in flight at the cross-check module's instant."""
    req, success, fail = (
        cross_check_count(snapshot, name, order) for name in ("req", "success", "fail")
    )
    return req - success - fail


def new_decisions(before: Snapshot, after: Snapshot) -> tuple[Decision, ...]:
    """Return the decisions that were made between two snapshots and are kept."""
    return cross_checks_of(after).decisions.since(cross_checks_of(before).decisions)


def rise(stage: StageRecord, source: Source, name: str, order: Order) -> int:
    """Return what a count rose by in a stage."""
    return source(stage.after, name, order) - source(stage.before, name, order)


def text_slack(run: RunRecord, order: Order) -> int:
    """Return by how much two texts, read one after the other, may differ on an order."""
    return 0 if order >= EXACT_FROM_ORDER else in_flight_bound(run)


def without_details(run: RunRecord) -> NotApplicable | None:
    """Return why what debugfs shows cannot be judged."""
    absent = unmonitored(run)
    if absent:
        return absent
    if any(snapshot.details is None for snapshot in run.snapshots):
        return NotApplicable("this part of the series does not show its counts in debugfs")
    if not judged(run):
        return NotApplicable("counting was switched in every stage: no interval to judge")
    return None


def without_cross_checks(run: RunRecord) -> NotApplicable | None:
    """Return why the cross-checks cannot be asked."""
    absent = without_details(run)
    if absent is None and not cross_checked(run):
        return NotApplicable("the run was made without cross-checks")
    return absent


def cross_checked(run: RunRecord) -> bool:
    """Whether the cross-check module was there."""
    return all(snapshot.cross_checks is not None for snapshot in run.snapshots)


def judged(run: RunRecord) -> tuple[StageRecord, ...]:
    """Return the stages in which the monitor counted all the time."""
    return tuple(stage for stage in run.stages if interruption(stage) is None)


def interruption(stage: StageRecord) -> str | None:
    """Return why the monitor did not count all through a stage; None if it did."""
    switches = [details_of(snapshot).switches for snapshot in stage.snapshots]
    if switches[0] != switches[1]:
        return f"counting was switched {switches[1] - switches[0]} times, the interval is invalid"
    off = [snapshot.label for snapshot in stage.snapshots if is_off(snapshot)]
    return f"{_SWITCH} was 0 at {off[0]}, the interval is invalid" if off else None


def is_off(snapshot: Snapshot) -> bool:
    """Whether counting was switched off, where it can be."""
    return snapshot.sysctls.values.get(_SWITCH) == "0"

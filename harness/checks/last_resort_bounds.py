# SPDX-License-Identifier: GPL-2.0-only
"""What a try of mode clear may do, and when there is one.

A try empties a batch of ranges at most, and none that holds a page which cannot be moved. There
is one where a costly request fails though free memory would do, a zone rests after one in vain,
and is busy no longer than its try takes. Each is judged where what a stage did leaves no doubt.
"""

from collections.abc import Iterable, Iterator

from harness.checks.base import Check, Comparison, NotApplicable
from harness.checks.decisions import ELIGIBLE_CLASSES
from harness.checks.interval import EXACT_ORDERS, Pair, compared, judged, rise
from harness.checks.last_resort import last_resort_count, without_last_resort
from harness.checks.policy import stage_policy, steady_mode
from harness.checks.torture import STAGE as TORTURE_STAGE
from harness.record.run import RunRecord, StageRecord
from harness.texts.guest.module_records import ModuleRecords
from harness.texts.guest.torture import parse_torture
from harness.texts.pages import COSTLY_ORDER, MAX_ORDER, ORDERS, Order
from harness.texts.proc.sysctl import PolicyMode

# mm/buddy_monitor.c BUDDY_CLEAR_BATCH, in pages
_BATCH = 8 << (MAX_ORDER - 1)
# vm/guest/scripts/run_torture.sh: ranges of this order get a page that stays.
PLUGGED_ORDER = 8
# Only part of what is free is in the largest zone, and a part of that is reserved.
_ENOUGH = 4


def _bounds(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return without_last_resort(run) or (each for stage in judged(run) for each in _stage(stage))


def _stage(stage: StageRecord) -> Iterator[Comparison]:
    yield from compared(
        stage.name,
        "ranges emptied and the most that as many tries may empty",
        (
            Pair(order, _rise(stage, "ranges", order), most, -most)
            for order in EXACT_ORDERS
            for most in (_rise(stage, "tried", order) * (_BATCH >> order),)
        ),
    )
    if stage.name == TORTURE_STAGE and stage.exit_status == 0:
        yield from _in_torture(stage)
    elif steady_mode(stage) is PolicyMode.CLEAR and (own := _costly_burst(stage)):
        yield from _in_burst(stage, own)


def _in_torture(stage: StageRecord) -> Iterator[Comparison]:
    """Compare where each range holds a page of the comb, or of the kernel."""
    if parse_torture(stage.output).comb.open:
        return
    yield from compared(
        stage.name,
        "ranges emptied, each of which holds a page that cannot be moved, and none",
        (Pair(order, _rise(stage, "ranges", order), 0) for order in ORDERS[PLUGGED_ORDER:]),
    )


def _costly_burst(stage: StageRecord) -> ModuleRecords | None:
    """Return the module's requests, if the policy is for them and they came one upon the other."""
    own, policies = stage.records, stage_policy(stage)
    if own is None or policies is None or own.delay_ms or own.gfp not in ELIGIBLE_CLASSES:
        return None
    least = max(COSTLY_ORDER + 1, *(policy.min_order for policy in policies))
    return own if own.order >= least else None


def _in_burst(stage: StageRecord, own: ModuleRecords) -> Iterator[Comparison]:
    tried, rested, made = (_rise(stage, name, own.order) for name in ("tried", "rested", "made"))
    free = stage.before.buddyinfo.free_pages
    held = own.succeeded << own.order
    # What made a zone rest before is over: a rest is 64 times a try, and stages take seconds.
    if own.failed and free - held > max(free // 2, _ENOUGH << own.order):
        yield Comparison(
            holds=tried > 0,
            text=f"{stage.name}: {own.failed} requests failed though of {free} free pages they "
            f"held {held} at most: {tried} tries",
        )
    # Whoever comes right after a try in vain finds that zone at rest. Zones take turns at most.
    zones = len(stage.before.buddyinfo.zones)
    if tried - made > zones:
        yield Comparison(
            holds=rested > 0,
            text=f"{stage.name}: {tried - made} tries in {zones} zones were in vain, and zones "
            f"rested {rested} times",
        )
    # Nobody else is at a zone: each that fails tries it, or finds it at rest.
    rooms = _zones_with_room(stage, own)
    if stage.before.zoneinfo.cpus == 1 and own.failed and rooms:
        yield Comparison(
            holds=tried - made + rested >= own.failed * rooms,
            text=f"{stage.name}: {own.failed} requests failed, each with room in {rooms} zones: "
            f"{tried - made} tries in vain, and zones rested {rested} times",
        )


def _zones_with_room(stage: StageRecord, own: ModuleRecords) -> int:
    """Count those whose free memory would do for each request, whatever was held before it.

    mm/buddy_monitor.c buddy_clear_zone asks that above the min watermark and lowmem_reserve.
    """
    held = own.succeeded << own.order
    return sum(
        zone.free - held > max(zone.free // 2, zone.min + max(zone.protection) + (1 << own.order))
        for zone in stage.before.zoneinfo.populated
    )


def _rise(stage: StageRecord, name: str, order: Order) -> int:
    return rise(stage, last_resort_count, name, order)


RANK = 110
CHECKS = (
    Check(
        name="last-resort-keeps-its-bounds",
        why="a request may wait for a batch of ranges that can be emptied, and not in vain again",
        judge=_bounds,
    ),
)

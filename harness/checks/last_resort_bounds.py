# SPDX-License-Identifier: GPL-2.0-only
"""What an attempt of mode clear may do, and when there is one.

An attempt empties a batch of ranges at most, and none that holds a page which cannot be moved.
There is one where a costly request fails though free memory would suffice. After a failed attempt
the zone backs off, and it is busy no longer than the attempt takes. Each is judged only where what
a stage did leaves no doubt.
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
    """Compare where each range holds a page of the comb, or of the kernel.

    One that is freed or pinned between the look and the move may be begun; no try goes on so.
    """
    if parse_torture(stage.output).comb.open:
        return
    yield from compared(
        stage.name,
        "ranges emptied, each of which holds a page that cannot be moved, and none",
        (Pair(order, _rise(stage, "ranges", order), 0) for order in ORDERS[PLUGGED_ORDER:]),
    )
    yield from compared(
        stage.name,
        "pages scanned in such ranges, and those of one range for each try",
        (
            Pair(order, _rise(stage, "scanned", order), most, -most)
            for order in ORDERS[PLUGGED_ORDER:]
            for most in (_rise(stage, "tried", order) << order,)
        ),
    )


def _costly_burst(stage: StageRecord) -> ModuleRecords | None:
    """Return the module's requests, if the policy is for them and they came one upon the other."""
    own, policies = stage.records, stage_policy(stage)
    if own is None or policies is None or own.delay_ms or own.gfp not in ELIGIBLE_CLASSES:
        return None
    least = max(COSTLY_ORDER + 1, *(policy.min_order for policy in policies))
    return own if own.order >= least else None


def _in_burst(stage: StageRecord, own: ModuleRecords) -> Iterator[Comparison]:
    tried, backed_off, made = (
        _rise(stage, name, own.order) for name in ("tried", "backed_off", "made")
    )
    free = stage.before.buddyinfo.free_pages
    held = own.succeeded << own.order
    # Earlier back-off is over: it takes 64 times as long as an attempt, and stages take seconds.
    if own.failed and free - held > max(free // 2, _ENOUGH << own.order):
        yield Comparison(
            holds=tried > 0,
            text=f"{stage.name}: {own.failed} requests failed though of {free} free pages they "
            f"held {held} at most: {tried} attempts",
        )
    # The next request after a failed attempt finds that zone in back-off. Zones alternate at most.
    zones = len(stage.before.buddyinfo.zones)
    if tried - made > zones:
        yield Comparison(
            holds=backed_off > 0,
            text=f"{stage.name}: {tried - made} attempts in {zones} zones failed, and zones "
            f"backed off {backed_off} times",
        )
    # Nobody else uses a zone: each failing request tries it, or finds it in back-off.
    rooms = _zones_with_room(stage, own)
    if stage.before.zoneinfo.cpus == 1 and own.failed and rooms:
        yield Comparison(
            holds=tried - made + backed_off >= own.failed * rooms,
            text=f"{stage.name}: {own.failed} requests failed, each with room in {rooms} zones: "
            f"{tried - made} failed attempts, and zones backed off {backed_off} times",
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
        why="a request may wait while a batch of ranges is emptied, but not after a failed attempt",
        judge=_bounds,
    ),
)

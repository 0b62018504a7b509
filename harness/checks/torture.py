# SPDX-License-Identifier: GPL-2.0-only
"""Every way out of the page allocator was taken, and counted to the unit.

What has to come of each case is in harness/checks/torture_table.py, and nowhere else.
"""

from collections.abc import Iterable, Iterator

from harness.checks.base import Check, Comparison, NotApplicable, unmonitored
from harness.checks.counters import EXACT_FROM_ORDER
from harness.checks.torture_table import LATER, POLICY, Expected, expected
from harness.errors import RecordError
from harness.items import REASON_ITEMS, STEP_ITEMS, Item
from harness.record.run import RunRecord
from harness.texts.build.provides import READ_BY_MODULES
from harness.texts.build.rules import Rule, rules_in
from harness.texts.guest.torture import CaseResult, Counted, Torture, parse_torture

STAGE = "torture"


def _torture(run: RunRecord) -> Torture | NotApplicable:
    stage = next((stage for stage in run.stages if stage.name == STAGE), None)
    if stage is None:
        return NotApplicable(f"this run has no stage {STAGE}")
    if stage.exit_status != 0:
        last = stage.output.strip().rsplit("\n", maxsplit=1)[-1]
        raise RecordError(f"{STAGE}: exit status {stage.exit_status} ({last}); repeat the run")
    return parse_torture(stage.output)


def _exits_taken(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    torture = _torture(run)
    return torture if isinstance(torture, NotApplicable) else _ends(torture)


def _ends(torture: Torture) -> Iterator[Comparison]:
    table = expected(torture)
    found = {(result.case, result.order) for result in torture.results}
    missing = sorted(f"{case} order {order}" for case, order in table.keys() - found)
    unknown = sorted(f"{case} order {order}" for case, order in found - table.keys())
    yield Comparison(
        holds=not missing and not unknown,
        text=f"{len(found)} results, {len(table)} expected; missing {missing or 'none'}, not "
        f"expected {unknown or 'none'}",
    )
    comb = torture.comb
    yield Comparison(
        # With several CPUs others run beside the comb, and may let go of a page that held a range;
        # so may page owner, of pages for its own notes.
        holds=comb.open == 0 or torture.cpus > 1 or torture.page_owner,
        text=f"of {comb.ranges} ranges {comb.own} hold a page of the comb, {comb.plugged} were "
        f"plugged, {comb.foreign} hold a page of the kernel, {comb.open} could become free",
    )
    for result in torture.results:
        if wanted := table.get((result.case, result.order)):
            calls = (result.ok, result.failed, result.pages)
            yield Comparison(
                holds=calls == (wanted.ok, wanted.failed, wanted.pages),
                text=f"{result.case} order {result.order}: {result.requests} requests, "
                f"{result.ok} ok, {result.failed} failed, {result.pages} pages; expected "
                f"{wanted.ok}, {wanted.failed}, {wanted.pages}",
            )


# What attempts count as that are deferred in all zones.
_DEFERRED_IN = {False: Item.COMPACT_STALL, True: Item.COMPACT_SKIPPED}


def _accounting(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return _judged(run, policy=False)


def _policy(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return _judged(run, policy=True)


def _judged(run: RunRecord, *, policy: bool) -> NotApplicable | Iterable[Comparison]:
    if absent := unmonitored(run):
        return absent
    torture = _torture(run)
    if isinstance(torture, NotApplicable):
        return torture
    if READ_BY_MODULES not in run.provenance.provides:
        return NotApplicable("no patch applied lets a module read the counters")
    if policy and not torture.policy:
        return NotApplicable("this kernel has no knobs of the policy")
    rules = rules_in(run.provenance.provides)
    table = expected(torture, rules)
    return [
        _compare(result, table[key], torture, rules)
        for result in torture.results
        if (key := (result.case, result.order)) in table
        and (key in POLICY or key in LATER) == policy
    ]


def _compare(
    result: CaseResult, wanted: Expected, torture: Torture, rules: frozenset[Rule]
) -> Comparison:
    counted = result.counted
    if counted is None:
        raise RecordError(
            f"{STAGE}: {result.case} says nothing of the monitor; build the module against the "
            "kernel that has it"
        )
    exact = result.quiet or result.order >= EXACT_FROM_ORDER or torture.cpus == 1
    wrong = [
        *_wrong_items(counted, wanted, exact=exact),
        *_wrong_sums(counted, rules),
        *_wrong_elsewhere(result, counted, torture),
    ]
    return Comparison(
        holds=not wrong,
        text=f"{result.case} order {result.order}: "
        + ("; ".join(wrong) if wrong else _shown(counted) + ("" if exact else " (at least)")),
    )


def _wrong_items(counted: Counted, wanted: Expected, *, exact: bool) -> Iterator[str]:
    for item in Item:
        value, due = counted.items[item], wanted.items.get(item, 0)
        if item not in wanted.free and (value != due if exact else value < due):
            yield f"{item} {value}, expected {due}"
    for name, value in (("req", counted.invalid_req), ("fail", counted.invalid_fail)):
        if value != wanted.invalid:
            yield f"{name} of an order that does not exist {value}, expected {wanted.invalid}"


def _wrong_sums(counted: Counted, rules: frozenset[Rule]) -> Iterator[str]:
    """Check what must add up in any case, for items that are not known beforehand."""
    items = counted.items
    for whole, parts in (
        (Item.SUCCESS, STEP_ITEMS),
        (Item.FAIL, REASON_ITEMS),
        (Item.COMPACT, (Item.COMPACT_SKIPPED, Item.COMPACT_STALL)),
        (Item.COMPACT_STALL, (Item.COMPACT_SUCCESS, Item.COMPACT_FAIL)),
    ):
        total = sum(items[part] for part in parts)
        if items[whole] != total:
            yield f"{whole} {items[whole]} is not the sum of its parts, {total}"
    if items[Item.ADAPTIVE] > min(items[Item.SLOWPATH], items[Item.COMPACT]):
        yield (
            f"adaptive {items[Item.ADAPTIVE]} of {items[Item.SLOWPATH]} slowpaths and "
            f"{items[Item.COMPACT]} attempts"
        )
    part_of = _DEFERRED_IN[Rule.DEFERRED_IS_SKIPPED in rules]
    if items[Item.COMPACT_DEFERRED] > items[part_of]:
        yield f"compact_deferred {items[Item.COMPACT_DEFERRED]} of {part_of} {items[part_of]}"


def _wrong_elsewhere(result: CaseResult, counted: Counted, torture: Torture) -> Iterator[str]:
    """Nobody else could allocate, but page_owner itself may for what it remembers."""
    if result.quiet and not torture.page_owner and counted.elsewhere:
        yield f"other orders changed by {counted.elsewhere}, expected 0"


def _shown(counted: Counted) -> str:
    changed = [f"{item} {value}" for item, value in counted.items.items() if value]
    if counted.invalid_req:
        changed.append(f"order does not exist {counted.invalid_req}")
    return ", ".join(changed) or "nothing counted"


def _reader(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    if absent := unmonitored(run):
        return absent
    torture = _torture(run)
    if isinstance(torture, NotApplicable):
        return torture
    return [
        Comparison(
            holds=torture.ahead == 0 and torture.reads > 0,
            text=f"/proc/buddy_monitor was read {torture.reads} times while interrupts asked for "
            f"blocks: {torture.ahead} lines had more outcomes than requests",
        )
    ]


RANK = 130
CHECKS = (
    Check(
        name="torture-takes-every-exit",
        why="each forced case must end as intended, or its counters prove nothing",
        judge=_exits_taken,
    ),
    Check(
        name="torture-accounting-is-exact",
        why="what a known number of requests must be counted as is known exactly, on every path",
        judge=_accounting,
    ),
    Check(
        name="torture-policy-acts-as-told",
        why="which attempts are raised follows from the sysctls, the request and the free blocks",
        judge=_policy,
    ),
    Check(
        name="torture-reader-sees-requests-first",
        why="a reader may miss outcomes of concurrent requests, but never a request",
        judge=_reader,
    ),
)

# SPDX-License-Identifier: GPL-2.0-only
"""EXPECTED: what each case of the torture has to come to, and every counter with it.

For each case of kmod/torture_cases.c, in the world that vm/guest/scripts/run_torture.sh makes
for it; an item that is not named has to stay as it was. Sources are mm/page_alloc.c
(__alloc_pages, __alloc_pages_bulk, __alloc_pages_slowpath) and mm/compaction.c
(try_to_compact_pages).

Two exits are not forced. `no_zone` needs a nodemask, which a kernel without NUMA ignores;
`nofail_atomic` begins with a warning in the kernel log. Of the steps, `oom` needs memory to be
freed by another in the midst of it; `compact_first`, `compact_second` and `reclaim` are what
the stage high_order_final is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from harness.items import Item
from harness.limits import HAMMER_IRQ_PAIRS, HAMMER_IRQ_SHOTS, HAMMER_PAIRS, HAMMER_THREADS
from harness.texts.build.rules import Rule
from harness.texts.guest.torture import CaseResult, Torture

_ATTEMPTS = frozenset(item for item in Item if item.startswith("compact"))
_HAMMER_FOR_EACH_CPU = HAMMER_THREADS * HAMMER_PAIRS
_HAMMER_IRQ = HAMMER_IRQ_PAIRS + HAMMER_IRQ_SHOTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a case must come to; `free` items are bound by their sums alone."""

    ok: int
    failed: int
    pages: int
    items: Mapping[Item, int] = field(default_factory=dict)
    invalid: int = 0
    free: frozenset[Item] = frozenset()


Key = tuple[str, int]


def _served(count: int, order: int, step: Item = Item.STEP_FAST, *, skipped: int = 0) -> Expected:
    """Return what `count` requests come to that `step` serves."""
    slow = 0 if step in {Item.STEP_FAST, Item.STEP_BULK} else count
    return Expected(
        ok=count,
        failed=0,
        pages=count << order,
        items={
            Item.REQ: count,
            Item.SUCCESS: count,
            step: count,
            Item.SLOWPATH: slow,
            Item.COMPACT: skipped,
            Item.COMPACT_SKIPPED: skipped,
        },
    )


def _refused(
    count: int,
    reason: Item,
    *,
    skipped: int = 0,
    tried: int = 0,
    deferred: int = 0,
    raised: int = 0,
    entered: bool = True,
) -> Expected:
    """Return what `count` requests come to that fail: attempts at compaction by outcome.

    `entered` says that they came to the slowpath, as all do but those refused before or after.
    """
    entered = entered and reason not in {Item.FAIL_INJECTED, Item.FAIL_MEMCG}
    return Expected(
        ok=0,
        failed=count,
        pages=0,
        items={
            Item.REQ: count,
            Item.FAIL: count,
            reason: count,
            Item.SLOWPATH: count if entered else 0,
            Item.COMPACT: skipped + tried,
            Item.COMPACT_SKIPPED: skipped,
            Item.COMPACT_STALL: tried,
            Item.COMPACT_DEFERRED: deferred,
            Item.COMPACT_FAIL: tried,
            Item.ADAPTIVE: raised,
        },
    )


def _loosely(expected: Expected, *free: Item) -> Expected:
    return Expected(
        ok=expected.ok,
        failed=expected.failed,
        pages=expected.pages,
        items=expected.items,
        free=frozenset(free),
    )


def _injected(count: int, failed: int, order: int) -> Expected:
    served = count - failed
    return Expected(
        ok=served,
        failed=failed,
        pages=served << order,
        items={
            Item.REQ: count,
            Item.SUCCESS: served,
            Item.STEP_FAST: served,
            Item.FAIL: failed,
            Item.FAIL_INJECTED: failed,
        },
    )


def _batch(pages: int, *, slots_free: int) -> Expected:
    """Return what one call for a batch comes to that takes its pages itself."""
    items = {Item.REQ: pages, Item.SUCCESS: pages, Item.STEP_BULK: pages}
    return Expected(ok=int(pages == slots_free), failed=0, pages=pages, items=items)


def _single(*, slots_free: int) -> Expected:
    """Return what one call for a batch comes to that falls back on a single request."""
    items = {Item.REQ: 1, Item.SUCCESS: 1, Item.STEP_FAST: 1}
    return Expected(ok=int(slots_free == 1), failed=0, pages=1, items=items)


def _invalid(count: int) -> Expected:
    return Expected(ok=0, failed=count, pages=0, invalid=count)


_NOTHING: Final = Expected(ok=1, failed=0, pages=0)
_WAIT: Final = Item.FAIL_NO_DIRECT_RECLAIM

_FAST: Final[dict[Key, Expected]] = {
    **{(f"fast_{order}", order): _served(8, order) for order in range(1, 9)},
    ("fast_0", 0): _served(16, 0),
    ("fast_9", 9): _served(4, 9),
    ("fast_10", 10): _served(4, 10),
    ("kernel_4", 4): _served(16, 4),
    ("kernel_10", 10): _served(4, 10),
    ("nofail_0", 0): _served(4, 0),
    ("nofail_1", 1): _served(4, 1),
}
_EARLY: Final[dict[Key, Expected]] = {
    ("invalid_11", 11): _invalid(3),
    ("invalid_20", 20): _invalid(2),
    ("inject_0", 0): _injected(8, 5, 0),
    ("inject_4", 4): _injected(8, 5, 4),
    ("inject_4:min_order_5", 4): _injected(8, 0, 4),
    ("inject_4:off", 4): _injected(8, 0, 4),
    ("inject_10", 10): _injected(2, 1, 10),
    ("inject_nofail", 0): _injected(2, 0, 0),
    ("inject_bulk", 0): _injected(1, 1, 0),
    ("inject_bulk_one", 0): _injected(1, 1, 0),
    ("memcg_4", 4): _served(4, 4),
    ("memcg_full_0", 0): _refused(4, Item.FAIL_MEMCG),
    ("memcg_full_4", 4): _refused(4, Item.FAIL_MEMCG),
    ("memcg_limit", 10): _refused(2, Item.FAIL_MEMCG),
}
_LIST: Final = ("bulk_list", 0)
_BULK: Final[dict[Key, Expected]] = {
    ("bulk_empty", 0): _batch(16, slots_free=16),
    ("bulk_holey", 0): _batch(12, slots_free=12),
    ("bulk_last", 0): _single(slots_free=1),
    ("bulk_full", 0): _NOTHING,
    ("bulk_one", 0): _single(slots_free=1),
    ("bulk_none", 0): _NOTHING,
    _LIST: _batch(16, slots_free=16),
    ("bulk_account", 0): _single(slots_free=16),
    ("bulk_memcg", 0): _refused(1, Item.FAIL_MEMCG),
    ("bulk_drained", 0): _refused(1, _WAIT),
}
# With page_owner, the bulk allocator asks for one page at a time.
_BULK_OWNED: Final[dict[Key, Expected]] = {
    ("bulk_empty", 0): _single(slots_free=16),
    ("bulk_holey", 0): _single(slots_free=12),
    _LIST: _single(slots_free=16),
}
# One attempt, in the fast path, and only for orders that a CPU keeps lists of.
_NOLOCK: Final[dict[Key, Expected]] = {
    ("nolock_0", 0): _served(8, 0),
    ("nolock_3", 3): _served(4, 3),
    ("nolock_4", 4): _invalid(2),
    ("nolock_drained", 0): _refused(4, _WAIT, entered=False),
}
_SLOW: Final[dict[Key, Expected]] = {
    ("min_watermark", 4): _served(4, 4, Item.STEP_MIN_WATERMARK),
    ("reserves", 4): _served(4, 4, Item.STEP_FREELIST),
    ("drained", 4): _refused(4, _WAIT),
    ("nowait", 10): _refused(4, _WAIT),
    ("atomic", 10): _refused(4, _WAIT),
    ("costly", 10): _refused(4, Item.FAIL_COSTLY, tried=8),
    ("costly_8", 8): _refused(4, Item.FAIL_COSTLY, tried=8),
    ("costly_deferred", 10): _refused(4, Item.FAIL_COSTLY, tried=8, deferred=8),
    ("noretry", 10): _refused(4, Item.FAIL_NORETRY, tried=8),
    ("noretry_deferred", 10): _refused(4, Item.FAIL_NORETRY_COMPACT, tried=4, deferred=4),
    # Without __GFP_IO there is no attempt before reclaim, and none is made after it.
    ("noio", 10): _refused(4, Item.FAIL_COSTLY, skipped=4),
    ("memalloc", 10): _refused(4, Item.FAIL_MEMALLOC),
    # Without PF_MEMALLOC it reclaims, and only then compacts.
    ("memalloc_flag", 10): _refused(4, Item.FAIL_COSTLY, tried=4),
    # How often it retries depends on what reclaim finds.
    ("exhausted", 10): _loosely(_refused(2, Item.FAIL_EXHAUSTED), *_ATTEMPTS),
    ("oom_victim", 10): _loosely(_refused(2, Item.FAIL_OOM_VICTIM), *_ATTEMPTS),
}
# Only where nobody else can be hurt by memory that is all but gone.
_ONE_CPU: Final[dict[Key, Expected]] = {
    ("min_watermark_sleep", 4): _served(4, 4, Item.STEP_MIN_WATERMARK),
    ("nofail_reserve_0", 0): _served(2, 0, Item.STEP_NOFAIL),
    ("nofail_reserve", 1): _served(2, 1, Item.STEP_NOFAIL, skipped=4),
}
_COSTLY_RAISED: Final = _refused(4, Item.FAIL_COSTLY, tried=8, raised=4)
_COSTLY_LEFT: Final = _refused(4, Item.FAIL_COSTLY, tried=8)
# The policy with its knobs as each name says. Compaction at the highest priority is never
# deferred, which tells which of the two attempts were raised.
POLICY: Final[dict[Key, Expected]] = {
    **{(f"{case}:early", 10): _SLOW[case, 10] for case in ("nowait", "atomic", "noio", "memalloc")},
    ("min_watermark_sleep:early", 4): _ONE_CPU["min_watermark_sleep", 4],
    ("memalloc_flag:early", 10): _SLOW["memalloc_flag", 10],
    ("noretry:early", 10): _SLOW["noretry", 10],
    ("noretry_deferred:early", 10): _SLOW["noretry_deferred", 10],
    ("costly:early", 10): _COSTLY_RAISED,
    ("costly_8:early", 8): _COSTLY_RAISED,
    ("costly_deferred:early", 10): _COSTLY_RAISED,
    ("exhausted:early", 10): _loosely(_refused(2, Item.FAIL_EXHAUSTED, raised=2), *_ATTEMPTS),
    ("costly:late", 10): _COSTLY_RAISED,
    ("costly_deferred:late", 10): _refused(4, Item.FAIL_COSTLY, tried=8, deferred=4, raised=4),
    ("costly:cutoff_3", 10): _COSTLY_LEFT,
    ("costly:cutoff_4", 10): _COSTLY_RAISED,
    ("costly:at_threshold", 10): _COSTLY_LEFT,
    ("costly:above_threshold", 10): _COSTLY_RAISED,
    ("costly:min_order_10", 10): _COSTLY_RAISED,
    ("costly_8:min_order_10", 8): _COSTLY_LEFT,
}
# With modes that came later. Light leaves deferral in force: what the first attempt found puts the
# second off, which stock's asynchronous one does not. Last makes one attempt more, never deferred,
# whatever the threshold. Clear makes none; whether a zone still backs off at the next
# request is a matter of time, so that only the number of requests bounds adaptive.
_UNTOUCHED: Final = ("nowait", "noio", "memalloc", "memalloc_flag", "noretry", "noretry_deferred")
_CLEARED: Final = _loosely(_COSTLY_LEFT, Item.ADAPTIVE)
LATER: Final[dict[Key, Expected]] = {
    ("costly:light", 10): _refused(4, Item.FAIL_COSTLY, tried=8, deferred=4, raised=4),
    ("costly_deferred:light", 10): _refused(4, Item.FAIL_COSTLY, tried=8, deferred=8, raised=4),
    ("costly:light_at_threshold", 10): _COSTLY_LEFT,
    **{
        (f"{case}:{mode}", 10): _SLOW[case, 10] for mode in ("last", "clear") for case in _UNTOUCHED
    },
    ("costly:last", 10): _refused(4, Item.FAIL_COSTLY, tried=12, raised=4),
    ("costly_8:last", 8): _refused(4, Item.FAIL_COSTLY, tried=12, raised=4),
    ("costly_deferred:last", 10): _refused(4, Item.FAIL_COSTLY, tried=12, deferred=8, raised=4),
    ("exhausted:last", 10): _loosely(_refused(2, Item.FAIL_EXHAUSTED, raised=2), *_ATTEMPTS),
    ("costly:last_at_threshold", 10): _refused(4, Item.FAIL_COSTLY, tried=12, raised=4),
    ("costly_8:last_min_order_10", 8): _COSTLY_LEFT,
    ("costly:clear", 10): _CLEARED,
    ("costly_8:clear", 8): _CLEARED,
    ("exhausted:clear", 10): _loosely(_refused(2, Item.FAIL_EXHAUSTED), *_ATTEMPTS, Item.ADAPTIVE),
    ("costly:clear_at_threshold", 10): _CLEARED,
    ("costly_8:clear_min_order_10", 8): _COSTLY_LEFT,
}


# Where the compaction before reclaim is a round of the retry loop (Rule.COMPACTS_IN_LOOP).
_IN_LOOP: Final = {
    "noretry_deferred": _refused(4, Item.FAIL_NORETRY, tried=8, deferred=8),
    "memalloc_flag": _refused(4, Item.FAIL_COSTLY, tried=8),
}


def _in_loop(key: Key) -> bool:
    return key[0].partition(":")[0] in _IN_LOOP


def _hammered(cpus: int) -> dict[Key, Expected]:
    count = _HAMMER_FOR_EACH_CPU * cpus
    return {
        **{("hammer", order): _served(count, order) for order in (4, 5, 6)},
        ("hammer_irq", 4): _served(_HAMMER_IRQ, 4),
    }


def _as_it_went(result: CaseResult) -> Expected:
    return Expected(ok=result.ok, failed=result.failed, pages=result.pages, free=frozenset(Item))


def _with_rules(expected: Expected, rules: frozenset[Rule]) -> Expected:
    """Return what a case comes to where attempts that are deferred are no stalls."""
    deferred = expected.items.get(Item.COMPACT_DEFERRED, 0)
    if Rule.DEFERRED_IS_SKIPPED not in rules or not deferred:
        return expected
    items = dict(expected.items)
    items[Item.COMPACT_SKIPPED] += deferred
    for item in (Item.COMPACT_STALL, Item.COMPACT_FAIL):
        items[item] -= deferred
    return replace(expected, items=items)


def expected(torture: Torture, rules: frozenset[Rule] = frozenset()) -> dict[Key, Expected]:
    """Return what the cases of this guest must come to: the one table of expectations.

    `rules` are those of its kernel.
    """
    table = _by_guest(torture)
    if Rule.COMPACTS_IN_LOOP in rules:
        table |= {key: _IN_LOOP[key[0].partition(":")[0]] for key in table if _in_loop(key)}
    table = {key: _with_rules(each, rules) for key, each in table.items()}
    if torture.comb.open:
        # Where others run beside it, a page that held a range may have gone: what needs such a
        # range is then bound by its sums alone. Larger ones hold more pages that stay.
        table |= {
            (result.case, result.order): _as_it_went(result)
            for result in torture.results
            if result.case.startswith("costly_8")
        }
    return table


def _by_guest(torture: Torture) -> dict[Key, Expected]:
    """Return the cases that there are in this guest, by the rules of 5.15."""
    table = {**_FAST, **_EARLY, **_BULK, **_SLOW, **_hammered(torture.cpus)}
    for result in torture.results:
        if result.case == "hold_fire":  # as many as there was time for
            table[result.case, 4] = _served(result.requests, 4)
    if torture.page_owner:
        table |= _BULK_OWNED
    if not torture.lists:
        table.pop(_LIST)
    if torture.nolock:
        table |= _NOLOCK
    if torture.cpus == 1:
        table |= _ONE_CPU
    else:
        table["still:cpu_offline", 4] = Expected(ok=0, failed=0, pages=0)
    if torture.policy:
        table |= POLICY
    if torture.last_resort:
        table |= LATER
    if torture.cpus > 1:
        table.pop(("min_watermark_sleep:early", 4), None)
    return table

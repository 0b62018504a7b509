# SPDX-License-Identifier: GPL-2.0-only
"""Make the model's starting state from what a snapshot holds. Pure; texts are parsed elsewhere."""

from harness.errors import RecordError
from harness.model.state import (
    AllocatorState,
    DeferState,
    ListState,
    Migratetype,
    RangeState,
    ZoneState,
)
from harness.texts.build.rules import Rule
from harness.texts.guest.free_dump import FreeDump, ZoneDump
from harness.texts.pages import ORDERS, Order
from harness.texts.proc.buddyinfo import BuddyInfo
from harness.texts.proc.pagetypeinfo import PageTypeInfo
from harness.texts.proc.sysctl import Sysctls
from harness.texts.proc.zoneinfo import Zone, ZoneInfo
from harness.texts.text import natural

# mm/compaction.c sysctl_extfrag_threshold, mm/page_alloc.c watermark_boost_factor
_DEFAULT_EXTFRAG_THRESHOLD = "500"
_DEFAULT_BOOST_FACTOR = "15000"
_NORMAL = "Normal"


def load_state(
    *,
    buddyinfo: BuddyInfo,
    zoneinfo: ZoneInfo,
    pagetypes: PageTypeInfo,
    sysctls: Sysctls,
    thp: bool,
    swap: bool,
    dump: FreeDump | None,
    rules: frozenset[Rule] = frozenset(),
) -> AllocatorState:
    """Return the state; `dump` is exact and goes before the other texts where it has a value.

    `thp` says whether the kernel has huge pages built in (vmstat lists thp_fault_alloc), `swap`
    whether any is on. RecordError where the texts do not fit each other or a node is not the
    only one.
    """
    populated = zoneinfo.populated
    if len({zone.node for zone in populated}) != 1:
        raise RecordError("the guest has several memory nodes; the model knows one: use one")
    names = [zone.name for zone in zoneinfo.zones]
    if _NORMAL not in names:
        raise RecordError(f"zoneinfo lists {names} and no zone {_NORMAL}; repeat the run")
    dumped = {zone.name: zone for zone in dump.zones} if dump is not None else {}
    zones: list[ZoneState] = []
    exact = True
    for zone in reversed(populated):
        if dump is None:
            lists, is_exact = _lists_of_texts(zone.name, buddyinfo, pagetypes)
            exact = exact and is_exact
            zones.append(_from_texts(zone, names.index(zone.name), lists))
        elif zone.name in dumped:
            zones.append(_from_dump(zone, dumped[zone.name]))
        else:
            raise RecordError(
                f"the cross-check module's dump has no zone {zone.name}; repeat the run"
            )
    return AllocatorState(
        zones=tuple(zones),
        cpus=zoneinfo.cpus,
        pageblock_order=Order(pagetypes.pageblock_order),
        normal_index=names.index(_NORMAL),
        thp=thp,
        policy=sysctls.policy,
        extfrag_threshold=_sysctl(sysctls, "vm.extfrag_threshold", _DEFAULT_EXTFRAG_THRESHOLD),
        watermark_boost_factor=_sysctl(sysctls, "vm.watermark_boost_factor", _DEFAULT_BOOST_FACTOR),
        swap=swap,
        exact_lists=exact,
        rules=rules,
    )


def _sysctl(sysctls: Sysctls, name: str, default: str) -> int:
    return natural(sysctls.values.get(name, default), f"sysctl {name}")


def _from_dump(zone: Zone, dump: ZoneDump) -> ZoneState:
    return ZoneState(
        node=dump.node,
        name=dump.name,
        index=dump.index,
        managed=dump.managed,
        min=dump.min,
        low=dump.low,
        high=dump.high,
        boost=dump.boost,
        reserve=tuple(dump.reserve),
        nr_free=dump.nr_free,
        drift=zone.counter_drift,
        highatomic=dump.highatomic,
        lists=tuple(
            ListState(migratetype=Migratetype(one.migratetype), blocks=one.blocks)
            for one in dump.free
            if one.migratetype in set(Migratetype)
        ),
        pcp=dump.pcp,
        pcp_batch=_batch(zone),
        pcp_high=max((pageset.high for pageset in zone.pagesets), default=0),
        defer=DeferState(
            shift=dump.defer_shift,
            considered=dump.considered,
            order_failed=dump.order_failed,
        ),
        ranges=tuple(
            RangeState(order=one.order, total=one.total, free=one.free, clearable=one.clearable)
            for one in dump.ranges
        ),
    )


def _from_texts(zone: Zone, index: int, lists: tuple[ListState, ...]) -> ZoneState:
    """Without the dump the boost is part of the watermarks shown, and much else is unknown."""
    return ZoneState(
        node=zone.node,
        name=zone.name,
        index=index,
        managed=zone.managed,
        min=zone.min,
        low=zone.low,
        high=zone.high,
        boost=0,
        reserve=tuple(zone.protection),
        nr_free=None,
        drift=zone.counter_drift,
        highatomic=0,
        lists=lists,
        pcp=sum(pageset.count for pageset in zone.pagesets),
        pcp_batch=_batch(zone),
        pcp_high=max((pageset.high for pageset in zone.pagesets), default=0),
        defer=None,
        ranges=(),
    )


def _batch(zone: Zone) -> int:
    return max((pageset.batch for pageset in zone.pagesets), default=0)


def _lists_of_texts(
    name: str, buddyinfo: BuddyInfo, pagetypes: PageTypeInfo
) -> tuple[tuple[ListState, ...], bool]:
    """Return lists per type that add up to buddyinfo, and whether each is exact.

    pagetypeinfo stops counting at 100000; the one such list of an order is what the others
    leave of buddyinfo's total. The texts are read one after the other, so what they disagree
    about by then is put on the first list.
    """
    totals = next((area.blocks for area in buddyinfo.zones if area.zone == name), None)
    rows = [
        row for row in pagetypes.free if row.zone == name and row.migratetype in set(Migratetype)
    ]
    if totals is None or not rows:
        raise RecordError(f"zone {name} is in zoneinfo and not in the other texts; repeat the run")
    blocks = [[one.blocks for one in row.orders] for row in rows]
    exact = True
    for order in ORDERS:
        rest = totals[order] - sum(row[order] for row in blocks)
        bounded = [at for at, row in enumerate(rows) if row.orders[order].is_lower_bound]
        if not rest:
            continue
        exact = exact and len(bounded) == 1 and rest > 0
        at = bounded[0] if bounded else 0
        blocks[at][order] = max(0, blocks[at][order] + rest)
    return (
        tuple(
            ListState(migratetype=Migratetype(row.migratetype), blocks=tuple(counts))
            for row, counts in zip(rows, blocks, strict=True)
        ),
        exact,
    )

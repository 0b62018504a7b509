# SPDX-License-Identifier: GPL-2.0-only
"""What became of one arm: from the texts its guest saved to numbers."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.compare.burst_seen import BurstSeen, burst_seen, opened_pageblocks
from harness.compare.indicators import Indicators, indicators
from harness.compare.kinds import kind_of
from harness.compare.kinds.base import HugePages, Requests
from harness.compare.mixed_pageblocks import FILE as FREE_FILE
from harness.compare.mixed_pageblocks import mixed_pageblocks
from harness.compare.upper_bound import UpperBound, upper_bound
from harness.compare.zones_seen import ZoneSeen, zones_seen
from harness.errors import RecordError
from harness.model.state import GfpClass
from harness.record.run import Snapshot, StageRecord
from harness.record.saved_stage import parse_stage
from harness.texts.guest import background, turns
from harness.texts.guest.background import BackgroundDone, parse_background
from harness.texts.guest.background_load import OPTION, parse_background_load
from harness.texts.guest.free_dump import parse_free_dump
from harness.texts.guest.later_demand import parse_later_demand
from harness.texts.guest.on_node import only_nodes
from harness.texts.guest.plug_memory import plugged_pages
from harness.texts.guest.turns import Turns, parse_turns
from harness.texts.pages import ORDERS, Order
from harness.texts.proc.pagetypeinfo import PageTypeInfo
from harness.texts.text import damaged

# Beside what the arm's guest saved: free memory at the moment that all arms begin with.
STOPPED = "stopped_free"
_EXTFRAG = re.compile(r"^extfrag_events=([0-9]+)$", re.MULTILINE)
# Files of the arm's directory, by the scripts that write them.
_FREE_BEFORE = f"before/{FREE_FILE}"
_BACKGROUND_LOAD = "background_load"
_LATER_SMALL = "later_small"
_LATER_DEMAND = "later_demand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of single requests, in guest instructions."""

    median: int
    p95: int
    p99: int
    most: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the kernel did during the arm, of /proc/vmstat: pages unless said otherwise.

    None: this kernel does not count it.
    """

    migrate_scanned: int  # compaction's search for pages to move, kcompactd's too
    free_scanned: int
    migrated: int | None
    reclaim_scanned: int | None  # by whomever
    reclaimed: int | None
    compact_stalls: int  # attempts at direct compaction
    reclaim_stalls: int | None  # direct reclaims
    kcompactd_scanned: int | None
    kcompactd_wakes: int | None
    kswapd_scanned: int | None
    oom_kills: int | None
    # None also: results of before schema 7 do not tell.
    compact_successes: int | None = None
    compact_failures: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """The monitor's counters of the burst's order, risen during the arm."""

    slowpath: int
    compact: int
    adaptive: int
    deferred: int | None  # None: this monitor does not tell


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundLoad:
    """The stream of requests of other orders beside the burst."""

    attempts: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterDemand:
    """Requests after the burst, whose blocks were given back: small ones, then large ones."""

    small_failures: int | None  # None: results of before schema 4 do not tell
    attempts: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One arm's result."""

    requests: int
    blocks: int
    bound: UpperBound
    latency: Latency
    work: Work
    monitored: Monitored | None  # None: a kernel without the monitor
    unmovable_before: int  # pageblocks
    unmovable_after: int
    extfrag_events: int
    background_load: BackgroundLoad | None  # None: there was none
    later_demand: LaterDemand | None  # None: the state asks for none
    whole_before: int  # blocks of the burst's order that were there already
    inspected: int | None  # pages that mode 5 inspected; None: this kernel does not tell
    indicators: Indicators  # what the guest showed before its burst
    huge_pages: HugePages | None = None  # None: the burst did not ask for any
    # Pageblocks with a page of another mobility; None: results of before schema 10 do not tell.
    mixed_before: int | None = None
    mixed_after: int | None = None
    # None: results of before schema 11, and of results.json.gz all that no picture shows.
    seen: BurstSeen | None = None
    opened: int = 0  # pageblocks that were pinned as the guest stopped, and the burst got whole
    # None: one node of ordinary zones, a live guest; results of before schema 14 do not tell.
    zones: tuple[ZoneSeen, ...] | None = None
    # None also: results of before schema 15 do not tell.
    turns: Turns | None = None  # None: they were not recorded
    background: BackgroundDone | None = None  # None: nothing went on until the arm's end


def read_outcome(files: Mapping[str, bytes], *, icount_shift: int) -> tuple[StageRecord, Outcome]:
    """Read an arm's directory; RecordError unless it is whole and its burst ran."""
    stage, requests = _read({path: data for path, data in files.items() if path != STOPPED}, files)
    if STOPPED not in files:
        raise damaged(STOPPED, "absent, so the upper bound is not known")
    return stage, _outcome(
        stage, requests, files, dump=STOPPED, seen=burst_seen(files, requests), shift=icount_shift
    )


def read_live_outcome(files: Mapping[str, bytes]) -> Outcome:
    """Read the directory of an arm in a live guest; RecordError as `read_outcome`.

    Its guest was never stopped, so the bound and what was shown before the burst are of the
    snapshot before it, and nothing is drawn. Latencies are in ns of the guest's clock.
    """
    stage, requests = _read(files, files)
    if _FREE_BEFORE not in files:
        raise damaged(_FREE_BEFORE, "absent, so the upper bound is not known")
    return _outcome(stage, requests, files, dump=_FREE_BEFORE, seen=None, shift=0)


def _read(saved: Mapping[str, bytes], files: Mapping[str, bytes]) -> tuple[StageRecord, Requests]:
    stage = parse_stage(saved, name="arm")
    if stage.exit_status != 0:
        said = "; ".join(stage.output.splitlines()[-3:])
        raise RecordError(f"the arm's command ended with exit {stage.exit_status}: {said}")
    return stage, kind_of(stage.command).read(stage, files)


def _outcome(
    stage: StageRecord,
    requests: Requests,
    files: Mapping[str, bytes],
    *,
    dump: str,
    seen: BurstSeen | None,
    shift: int,
) -> Outcome:
    free = parse_free_dump(files[dump].decode("ascii", errors="replace"))
    extfrag = _EXTFRAG.search(stage.output)
    if extfrag is None:
        raise damaged("output", "no line extfrag_events=N")
    pageblock_order = stage.before.pagetypeinfo.pageblock_order
    can_move = _can_move(stage, requests)
    return Outcome(
        requests=requests.attempted,
        blocks=requests.succeeded,
        bound=upper_bound(
            free,
            stage.before.vmstat,
            requests.order,
            nodes=only_nodes(stage.command, is_kernels=requests.huge_pages is None),
            can_move=can_move,
            plugged=plugged_pages(stage.command, can_move=can_move),
        ),
        latency=_latency(requests, shift),
        work=_work(stage.before, stage.after),
        monitored=_monitored(stage, requests.order),
        unmovable_before=_unmovable(stage.before.pagetypeinfo),
        unmovable_after=_unmovable(stage.after.pagetypeinfo),
        extfrag_events=int(extfrag[1]),
        background_load=_background_load(stage.command, files),
        later_demand=_later_demand(files),
        whole_before=stage.before.buddyinfo.available(requests.order),
        inspected=_rise(_inspected(stage.before), _inspected(stage.after)),
        indicators=indicators(
            stage.before.buddyinfo,
            free,
            order=requests.order,
            pageblock_order=pageblock_order,
            deferred=_deferred(stage.before, requests.order),
        ),
        huge_pages=requests.huge_pages,
        mixed_before=mixed_pageblocks(files, "before", pageblock_order),
        mixed_after=mixed_pageblocks(files, "after", pageblock_order),
        seen=seen,
        opened=opened_pageblocks(seen),
        zones=None if seen is None else zones_seen(free, files, requests),
        turns=_turns(stage.command, files),
        background=_background(stage.command, files),
    )


def _can_move(stage: StageRecord, requests: Requests) -> bool:
    """Whether the blocks may be of ZONE_MOVABLE: a program's, and a module's that say so."""
    if requests.huge_pages is not None:
        return True
    return stage.records is not None and stage.records.gfp == GfpClass.MOVABLE


def quantile(values: Sequence[int], share: float) -> int:
    """Return the smallest value that at least `share` of a sorted sample do not exceed."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def _latency(requests: Requests, icount_shift: int) -> Latency:
    # Under -icount an instruction takes 2^shift ns of the guest's clock, by definition.
    values = sorted(latency_ns >> icount_shift for latency_ns in requests.latencies_ns)
    if not values:
        raise damaged("records", "no request was made")
    return Latency(
        median=quantile(values, 0.5),
        p95=quantile(values, 0.95),
        p99=quantile(values, 0.99),
        most=values[-1],
        total=sum(values),
    )


def _work(before: Snapshot, after: Snapshot) -> Work:
    known = before.vmstat.counters.keys() & after.vmstat.counters.keys()

    def required(name: str) -> int:
        return after.vmstat.counter(name) - before.vmstat.counter(name)

    def rose(*names: str) -> int | None:
        return sum(map(required, names)) if names and known.issuperset(names) else None

    def by_all(counter: str) -> int | None:
        # Older kernels count khugepaged's as direct, and have nobody else.
        later = (f"{counter}_{who}" for who in ("khugepaged", "proactive"))
        return rose(
            f"{counter}_direct", f"{counter}_kswapd", *(name for name in later if name in known)
        )

    return Work(
        migrate_scanned=required("compact_migrate_scanned"),
        free_scanned=required("compact_free_scanned"),
        migrated=rose("pgmigrate_success"),
        reclaim_scanned=by_all("pgscan"),
        reclaimed=by_all("pgsteal"),
        compact_stalls=required("compact_stall"),
        reclaim_stalls=rose(*(name for name in known if name.startswith("allocstall_"))),
        kcompactd_scanned=rose("compact_daemon_migrate_scanned", "compact_daemon_free_scanned"),
        kcompactd_wakes=rose("compact_daemon_wake"),
        kswapd_scanned=rose("pgscan_kswapd"),
        oom_kills=rose("oom_kill"),
        compact_successes=rose("compact_success"),
        compact_failures=rose("compact_fail"),
    )


def _monitored(stage: StageRecord, order: Order) -> Monitored | None:
    if stage.before.monitor is None or stage.after.monitor is None:
        return None
    before, after = stage.before.monitor.rows[order], stage.after.monitor.rows[order]
    return Monitored(
        slowpath=after.slowpath - before.slowpath,
        compact=after.compact - before.compact,
        adaptive=after.adaptive - before.adaptive,
        deferred=_rise(_deferred(stage.before, order), _deferred(stage.after, order)),
    )


def _deferred(snapshot: Snapshot, order: Order) -> int | None:
    details = snapshot.details
    return details.compact_by_result.value("deferred", order) if details else None


def _inspected(snapshot: Snapshot) -> int | None:
    """Of all orders, as the pages scanned are."""
    table = snapshot.details.last_resort if snapshot.details else None
    return sum(table.value("inspected", order) for order in ORDERS) if table else None


def _rise(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _unmovable(info: PageTypeInfo) -> int:
    return sum(blocks.count("Unmovable") for blocks in info.pageblocks)


def _background_load(command: str, files: Mapping[str, bytes]) -> BackgroundLoad | None:
    if _BACKGROUND_LOAD not in files:
        if OPTION in command.split():
            raise damaged(_BACKGROUND_LOAD, "absent, although the arm asked for one")
        return None
    load = parse_background_load(_text(files, _BACKGROUND_LOAD))
    return BackgroundLoad(attempts=load.done, failures=load.failures)


def _turns(command: str, files: Mapping[str, bytes]) -> Turns | None:
    return parse_turns(_text(files, turns.FILE)) if turns.SCRIPT in command.split() else None


def _background(command: str, files: Mapping[str, bytes]) -> BackgroundDone | None:
    if background.OPTION not in command.split():
        return None
    return parse_background(_text(files, background.FILE))


def _later_demand(files: Mapping[str, bytes]) -> LaterDemand | None:
    if _LATER_DEMAND not in files and _LATER_SMALL not in files:
        return None
    small = parse_background_load(_text(files, _LATER_SMALL))
    large = parse_later_demand(_text(files, _LATER_DEMAND))
    return LaterDemand(
        small_failures=small.failures, attempts=large.attempts, failures=large.failures
    )


def _text(files: Mapping[str, bytes], path: str) -> str:
    if path not in files:
        raise damaged(path, "absent")
    return files[path].decode("ascii", errors="replace")

"""A run as typed values: what the guest saved, read once and believed only when whole.

    RUN/raw/<stage>/{command,prepare,output,exit_status,records,cleanup,sha256sums}
    RUN/raw/<stage>/{before,after}/{buddyinfo,buddy_monitor,...}

Everything here maps bytes to values; the caller reads the files. Absent, cut or altered
data is a RecordError.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from typing import TypeVar

from harness.errors import RecordError
from harness.kernel.buddy_monitor import (
    BuddyMonitor,
    MonitorDelta,
    monitor_deltas,
    parse_buddy_monitor,
)
from harness.kernel.buddyinfo import BuddyInfo, parse_buddyinfo
from harness.kernel.clock import Clock, parse_clock
from harness.kernel.guest_report import GuestReport, parse_guest_report
from harness.kernel.kernel_log import KernelLog, parse_console, parse_kernel_log
from harness.kernel.meminfo import MemInfo, parse_meminfo
from harness.kernel.module_records import ModuleRecords, parse_module_records
from harness.kernel.monitor_details import (
    DETAIL_FILES,
    LAST_RESORT_FILE,
    MonitorDetails,
    OrderTable,
    ZoneValues,
    parse_monitor_details,
    parse_still,
    parse_unusable_index,
)
from harness.kernel.pagetypeinfo import PageTypeInfo, parse_pagetypeinfo
from harness.kernel.sysctl import Sysctls, parse_sysctl
from harness.kernel.text import damaged, natural, shown, whole_lines
from harness.kernel.vmstat import VmStat, parse_vmstat
from harness.kernel.witness import (
    ALWAYS_THERE,
    WITNESS_FILES,
    Witnesses,
    parse_witnesses,
)
from harness.kernel.zoneinfo import ZoneInfo, parse_zoneinfo
from harness.prediction import FREE, StoredPrediction, parse_prediction
from harness.values import SUMS, ReplayKey, StagePlan

VERIFY_STAGE = "verify"
# The stages that load the module: without its records there is nothing to judge.
MODULE_STAGES = ("high_order_early", "high_order_final")
# So many patches has a series whose kernel shows all of debugfs buddy_monitor/.
_WHOLE_SERIES = 10
# And so many one whose kernel has the policy's mode clear, and shows what it did.
_CLEARING_SERIES = 12
_Value = TypeVar("_Value")
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the kernel said at one moment; `label` is STAGE/before or STAGE/after."""

    label: str
    buddyinfo: BuddyInfo
    monitor: BuddyMonitor | None  # None: a kernel without CONFIG_BUDDY_MONITOR
    details: MonitorDetails | None  # None: no monitor, or a part of the series only
    witnesses: Witnesses | None  # None: the witness module was left out
    unusable: tuple[ZoneValues, ...] | None  # per mille by order; None: not in this kernel
    still: bool  # whether buddyinfo was the same before and after all that describes free memory
    pagetypeinfo: PageTypeInfo
    zoneinfo: ZoneInfo
    vmstat: VmStat
    meminfo: MemInfo
    log: KernelLog
    sysctls: Sysctls
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage as it went; `digest` is sha256 over the digests of all its raw texts."""

    name: str
    command: str
    prepare_output: str  # what its preparation printed; empty if there was none
    output: str
    exit_status: int
    records: ModuleRecords | None  # None: the module did not run
    before: Snapshot
    after: Snapshot
    digest: str
    prediction: StoredPrediction | None = None  # None: nothing was foretold of it

    @property
    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        """Both snapshots, in the order they were taken."""
        return self.before, self.after

    @property
    def deltas(self) -> tuple[MonitorDelta, ...]:
        """What each order's counters rose by; RecordError without the monitor."""
        if self.before.monitor is None or self.after.monitor is None:
            raise RecordError(
                f"{self.name}: buddy_monitor is absent; "
                "build the kernel with CONFIG_BUDDY_MONITOR=y and repeat the run"
            )
        return monitor_deltas(self.before.monitor, self.after.monitor)

    def vmstat_delta(self, counter: str) -> int:
        """Return what a vmstat counter rose by; RecordError if it is absent."""
        return self.after.vmstat.counter(counter) - self.before.vmstat.counter(counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A whole run: every stage of the key, in the key's order."""

    key: ReplayKey
    guest: GuestReport
    stages: tuple[StageRecord, ...]
    console: KernelLog | None  # None: no console was given to judge

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """All snapshots, in the order they were taken."""
        return tuple(snapshot for stage in self.stages for snapshot in stage.snapshots)

    @property
    def monitored(self) -> bool:
        """Whether this kernel has /proc/buddy_monitor."""
        return all(snapshot.monitor is not None for snapshot in self.snapshots)

    def stage(self, name: str) -> StageRecord:
        """Return a stage by name; RecordError if the run has none so named."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise RecordError(f"{name}: no such stage in this run; its key names the stages it has")


def parse_run(
    stages: Mapping[str, Mapping[str, bytes]],
    key: ReplayKey,
    *,
    console: bytes | None = None,
    predictions: Mapping[str, bytes] | None = None,
) -> RunRecord:
    """Parse a run from stage name -> (path inside the stage's directory -> content).

    RecordError if a stage of the key is absent or incomplete, one is there that the key
    does not name, a command is not the planned one, or the monitor is absent from a
    patched kernel, or a planned prediction is absent or not made of the stage's own texts.
    """
    planned = [plan.name for plan in key.stages]
    if not planned or len(set(planned)) != len(planned):
        raise RecordError(f"the replay key names stages {planned}; name each once, at least one")
    for name in planned:
        if name not in stages:
            raise RecordError(f"{name}: the stage is absent; repeat the run")
    for name in stages:
        if name not in planned:
            raise RecordError(f"{shown(name)}: the replay key has no such stage; remove it")
    foretold = {} if predictions is None else predictions
    records = tuple(
        replace(
            parse_stage(stages[plan.name], name=plan.name),
            prediction=_prediction(plan, stages[plan.name], foretold),
        )
        for plan in key.stages
    )
    for plan, record in zip(key.stages, records, strict=True):
        _check_command(record, plan.command)
        if plan.prepare and "prepare" not in stages[plan.name]:
            raise damaged(plan.name, "the output of its preparation is absent")
    run = RunRecord(
        key=key,
        guest=_guest_report(records),
        stages=records,
        console=None if console is None else parse_console(_lossy(console)),
    )
    _check_monitor(run)
    _check_details(run)
    _check_clock(run)
    return run


def _prediction(
    plan: StagePlan, texts: Mapping[str, bytes], predictions: Mapping[str, bytes]
) -> StoredPrediction | None:
    if plan.burst is None:
        return None
    content, free = (predictions.get(f"{plan.name}.{kind}") for kind in ("json", FREE))
    if content is None or free is None:
        raise RecordError(f"{plan.name}: its prediction is absent; run again")
    return parse_prediction(plan.name, plan.burst, content, texts, free)


def parse_stage(files: Mapping[str, bytes], *, name: str) -> StageRecord:
    """Parse one stage from path inside its directory -> content; RecordError if not whole."""
    try:
        return _parse_stage(files, name)
    except RecordError as error:
        message = str(error)
        raise RecordError(message if message.startswith(name) else f"{name}: {message}") from error


def _parse_stage(files: Mapping[str, bytes], name: str) -> StageRecord:
    sums = _verified_sums(files)
    (command,) = _lines(files, "command", 1)
    (status,) = _lines(files, "exit_status", 1)
    exit_status = natural(status.strip(), "exit_status")
    records = files.get("records")
    if records is None and name in MODULE_STAGES:
        raise damaged("records", f"absent, the command ended with exit status {exit_status}")
    return StageRecord(
        name=name,
        command=command,
        prepare_output=_lossy(files.get("prepare", b"")),
        output=_lossy(_content(files, "output")),
        exit_status=exit_status,
        records=None if records is None else parse_module_records(_text(files, "records")),
        before=_parse_snapshot(files, name, "before"),
        after=_parse_snapshot(files, name, "after"),
        digest=sha256("".join(sums).encode()).hexdigest(),
    )


def _parse_snapshot(files: Mapping[str, bytes], stage: str, when: str) -> Snapshot:
    monitor_path = f"{when}/buddy_monitor"
    try:
        snapshot = Snapshot(
            label=f"{stage}/{when}",
            buddyinfo=parse_buddyinfo(_text(files, f"{when}/buddyinfo")),
            monitor=(
                parse_buddy_monitor(_text(files, monitor_path)) if monitor_path in files else None
            ),
            details=_parsed_together(
                files,
                when,
                DETAIL_FILES,
                parse_monitor_details,
                some=True,
                later=(LAST_RESORT_FILE,),
            ),
            witnesses=_parsed_together(files, when, WITNESS_FILES, parse_witnesses, some=False),
            unusable=(
                parse_unusable_index(_text(files, f"{when}/unusable_index"))
                if f"{when}/unusable_index" in files
                else None
            ),
            still=parse_still(_text(files, f"{when}/still")),
            pagetypeinfo=parse_pagetypeinfo(_text(files, f"{when}/pagetypeinfo")),
            zoneinfo=parse_zoneinfo(_text(files, f"{when}/zoneinfo")),
            vmstat=parse_vmstat(_text(files, f"{when}/vmstat")),
            meminfo=parse_meminfo(_text(files, f"{when}/meminfo")),
            log=parse_kernel_log(_lossy(_content(files, f"{when}/dmesg"))),
            sysctls=parse_sysctl(_text(files, f"{when}/sysctl")),
            clock=parse_clock(_text(files, f"{when}/time")),
        )
    except RecordError as error:
        raise RecordError(f"{stage}/{when}: {error}") from error
    _check_same_zones(snapshot)
    return snapshot


def _parsed_together(
    files: Mapping[str, bytes],
    when: str,
    names: tuple[str, ...],
    parse: Callable[[Mapping[str, str]], _Value],
    *,
    some: bool,
    later: tuple[str, ...] = (),
) -> _Value | None:
    """Parse files that belong together; None without them, or with `some` of them.

    Those that `later` kernels have are parsed with them, if they are there.
    """
    absent = [name for name in names if f"{when}/{name}" not in files]
    there = [name for name in names if name not in absent and name not in ALWAYS_THERE]
    if absent and not some and there:
        raise damaged(absent[0], f"absent, but not {' and '.join(there)}")
    if absent:
        return None
    present = (*names, *(name for name in later if f"{when}/{name}" in files))
    return parse({name: _text(files, f"{when}/{name}") for name in present})


def _check_same_zones(snapshot: Snapshot) -> None:
    """Three files list the populated zones; one cut between two lines is found here."""
    free = {(area.node, area.zone) for area in snapshot.buddyinfo.zones}
    types = {(blocks.node, blocks.zone) for blocks in snapshot.pagetypeinfo.pageblocks}
    zones = {(zone.node, zone.name) for zone in snapshot.zoneinfo.populated}
    if free != zones or types != zones:
        raise damaged(
            snapshot.label,
            f"zones differ: buddyinfo {sorted(free)}, pagetypeinfo {sorted(types)}, "
            f"zoneinfo {sorted(zones)}",
        )


def _verified_sums(files: Mapping[str, bytes]) -> list[str]:
    """Return `digest  path` lines sorted by path, after checking every file against them."""
    declared: dict[str, str] = {}
    for line in whole_lines(_text(files, SUMS), SUMS):
        match = _SUM_LINE.fullmatch(line)
        if match is None or match[2] in declared:
            raise damaged(SUMS, f"{shown(line)} is not a digest and a path, or is repeated")
        declared[match[2]] = match[1]
    actual = {path: sha256(data).hexdigest() for path, data in files.items() if path != SUMS}
    for path in sorted(declared.keys() | actual.keys()):
        if path not in actual:
            raise damaged(path, f"absent, but listed in {SUMS}")
        if path not in declared:
            raise damaged(path, f"not listed in {SUMS}")
        if declared[path] != actual[path]:
            raise damaged(path, f"sha256 {actual[path][:12]}, written as {declared[path][:12]}")
    return [f"{declared[path]}  {path}\n" for path in sorted(declared)]


def _content(files: Mapping[str, bytes], path: str) -> bytes:
    if path not in files:
        raise damaged(path, "absent")
    return files[path]


def _text(files: Mapping[str, bytes], path: str) -> str:
    try:
        return _content(files, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"not UTF-8 at byte {error.start}") from error


def _lossy(content: bytes) -> str:
    """Programs and devices may print any byte: what they say is shown, not parsed."""
    return content.decode("utf-8", errors="replace")


def _lines(files: Mapping[str, bytes], path: str, expected: int) -> list[str]:
    lines = whole_lines(_text(files, path), path)
    if len(lines) != expected:
        raise damaged(path, f"{len(lines)} lines where {expected} belongs")
    return lines


def _guest_report(stages: tuple[StageRecord, ...]) -> GuestReport:
    for stage in stages:
        if stage.name == VERIFY_STAGE:
            return parse_guest_report(stage.output)
    raise RecordError(f"{VERIFY_STAGE}: the stage is absent, nothing says which kernel ran")


def _check_command(record: StageRecord, planned: str) -> None:
    if record.command.strip() != planned.strip():
        raise damaged(
            record.name,
            f"the guest ran {shown(record.command)}, the replay key says {shown(planned)}",
        )


def _check_monitor(run: RunRecord) -> None:
    absent = [snapshot.label for snapshot in run.snapshots if snapshot.monitor is None]
    if absent and (run.key.patches or len(absent) != len(run.snapshots)):
        raise RecordError(
            f"{absent[0]}: buddy_monitor is absent although the kernel has it; repeat the run"
        )


def _check_details(run: RunRecord) -> None:
    """Refuse what some snapshots lack; a prefix of the series lacks some of debugfs in all."""
    kinds = (
        ("monitor_*", [snapshot.details is None for snapshot in run.snapshots]),
        (LAST_RESORT_FILE, [_last_resort(snapshot) is None for snapshot in run.snapshots]),
        ("witness", [snapshot.witnesses is None for snapshot in run.snapshots]),
    )
    for name, absent in kinds:
        if any(absent) and not all(absent):
            label = run.snapshots[absent.index(True)].label
            raise RecordError(f"{label}: {name} is absent, other snapshots have it; repeat the run")
    first = run.snapshots[0]
    if run.monitored and len(run.key.patches) >= _WHOLE_SERIES and first.details is None:
        raise damaged(first.label, "monitor_* are absent, the series was whole")
    clears = run.monitored and len(run.key.patches) >= _CLEARING_SERIES
    if clears and _last_resort(first) is None:
        raise damaged(first.label, f"{LAST_RESORT_FILE} is absent, the series was whole")


def _last_resort(snapshot: Snapshot) -> OrderTable | None:
    return None if snapshot.details is None else snapshot.details.last_resort


def _check_clock(run: RunRecord) -> None:
    for earlier, later in pairwise(run.snapshots):
        if later.clock.monotonic_ns <= earlier.clock.monotonic_ns:
            raise damaged(
                later.label,
                f"taken at {later.clock.monotonic_ns} ns, not after {earlier.label} at "
                f"{earlier.clock.monotonic_ns} ns",
            )

# SPDX-License-Identifier: GPL-2.0-only
"""A run as typed values: what the kernel said before and after each stage, and what ran.

Made of saved texts by saved_run.py and saved_stage.py beside it, judged by harness.checks.
"""

from dataclasses import dataclass

from harness.errors import RecordError
from harness.forecast.stored import StoredPrediction
from harness.record.key import Provenance, ReplayKey, RunIdentity
from harness.texts.guest.cross_check import CrossChecks
from harness.texts.guest.guest_report import GuestReport
from harness.texts.guest.module_records import ModuleRecords
from harness.texts.proc.buddy_monitor import BuddyMonitor, MonitorDelta, monitor_deltas
from harness.texts.proc.buddyinfo import BuddyInfo
from harness.texts.proc.clock import Clock
from harness.texts.proc.kernel_log import KernelLog
from harness.texts.proc.meminfo import MemInfo
from harness.texts.proc.monitor_details import MonitorDetails, ZoneValues
from harness.texts.proc.pagetypeinfo import PageTypeInfo
from harness.texts.proc.sysctl import Sysctls
from harness.texts.proc.vmstat import VmStat
from harness.texts.proc.zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the kernel said at one moment; `label` is STAGE/before or STAGE/after."""

    label: str
    buddyinfo: BuddyInfo
    monitor: BuddyMonitor | None  # None: a kernel without CONFIG_BUDDY_MONITOR
    details: MonitorDetails | None  # None: no monitor, or a part of the series only
    cross_checks: CrossChecks | None  # None: the cross-check module was left out
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
    prediction: StoredPrediction | None = None  # None: nothing was predicted of it

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
    """A whole run: every stage that its identity names, in that order."""

    identity: RunIdentity
    guest: GuestReport
    stages: tuple[StageRecord, ...]
    console: KernelLog | None  # None: no console was given to judge

    @property
    def key(self) -> ReplayKey:
        """What executed."""
        return self.identity.key

    @property
    def provenance(self) -> Provenance:
        """Where that came from."""
        return self.identity.provenance

    @property
    def scale(self) -> str:
        """How large the experiments were."""
        return self.identity.scale

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
        raise RecordError(f"{name}: no such stage in this run; key.json names the stages it has")

# SPDX-License-Identifier: GPL-2.0-only
"""Guests of a comparison: one that prepares and stops itself, and arms that go on from there.

The preparing guest's memory is a file, on tmpfs where there is room. Once it has stopped, the
rest of its state is saved; each arm maps the file privately and goes on at the very
instruction, so arms differ in nothing but their text.
"""

import contextlib
import io
import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.outcome import STOPPED
from harness.encoding import gunzipped
from harness.errors import HostError, RecordError, StageError
from harness.host import emulator, qemu, qmp, status_channel
from harness.host.accelerator import Speed
from harness.host.deadline import Deadline
from harness.host.disk import is_reserved
from harness.host.files import contents
from harness.host.machine_state import ready_to_go_on
from harness.host.qemu_memory import file_sizes, plugged_in
from harness.host.results import check_complete, unpack
from harness.host.scratch import TMPFS, scratch, temporary
from harness.limits import GUEST_FILE_BYTES_MAX
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles, require_unaltered
from harness.stages.run import plan_text
from harness.texts.proc.kernel_log import parse_console
from harness.texts.text import damaged, shown
from harness.values import RAW, StagePlan

MEMORY = "memory"
STATE = "state"
PREPARING = "prepare"  # the preparing guest's folder
_MONITOR = "qmp"
_WHERE = "after/stop"
_ARM_TEXT = "arm"
_PLAN_TEXT = "plan"
_RESUME_LIMIT_S = 60.0
_COLLECT_S = 120.0
_ENDING_S = 2.0
_POLL_S = 0.02
# Guest seconds may pass slower than real ones while much is executed.
_BACKSTOP_FACTOR = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """What all guests of one kernel share."""

    what: BootFiles
    settings: RunSettings
    speed: Speed
    check_stop: Callable[[], None]  # raises when the whole comparison is to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A stopped guest's saved state."""

    lab: Lab
    state_stage: StagePlan
    folder: Path
    files: dict[str, bytes]  # what was recorded while it was made
    dump: bytes  # the cross-check module's exact state of free memory as it stopped


def spec_of(lab: Lab, folder: Path, shared: Path, private: Path) -> qemu.GuestSpec:
    """Describe the preparing guest; `shared` holds the memory, `private` the monitor's socket.

    What else belongs to it is in `folder`, whose path may be too long for a socket.
    """
    spec = boot.spec_of(lab.what, lab.settings, lab.speed, folder)
    return replace(
        spec,
        mode=qemu.GuestMode.COMPARE,
        plan=shared / _PLAN_TEXT,
        ports=replace(spec.ports, monitor=private / _MONITOR),
        pausable=qemu.Pausable(
            memory=shared / MEMORY,
            arm=folder / _ARM_TEXT,
            starts_from_snapshot=False,
        ),
    )


@contextlib.contextmanager
def prepared(lab: Lab, state_stage: StagePlan, work: Path) -> Iterator[Prepared]:
    """Boot, prepare, stop and save; on leaving, memory and state are gone."""
    require_unaltered(lab.what)
    emulator.require_unaltered(lab.speed.emulator)
    layout = lab.settings.layout
    memory = file_sizes(layout, lab.settings.memory_mib, MEMORY)
    with _room(memory, work) as shared, temporary("prepare") as private:
        folder = work / PREPARING
        folder.mkdir(parents=True)
        spec = spec_of(lab, folder, shared, private)
        (shared / _PLAN_TEXT).write_text(plan_text((state_stage,)))
        (folder / _ARM_TEXT).write_text(plans.padded(""))
        limit_s = _limit_s(lab, state_stage)
        whole = Deadline.after(limit_s + boot.READY_LIMIT_S * lab.speed.slowdown, "the preparation")
        with qemu.launched(spec, log_path=folder / boot.QEMU_LOG) as launched:
            guest = status_channel.stoppable(launched, lab.check_stop)
            with _monitor(guest, private, whole) as monitor:
                end = status_channel.follow(
                    guest,
                    _limits(lab, state_stage, whole),
                    until=status_channel.StageEnd,
                )
                _require_success(end, guest, state_stage)
                monitor.wait_for_pause(whole)
                files = _collected(folder, state_stage)
                dump = _dump(monitor, files, folder)
                if layout.hotplug_mib:
                    monitor.plug(plugged_in(layout, shared / MEMORY))
                monitor.save(shared / STATE, whole)
        shift = spec.icount_shift
        assert shift is not None  # noqa: S101 - a comparison is repeatable
        state = (shared / STATE).read_bytes()
        (shared / STATE).write_bytes(ready_to_go_on(state, icount_shift=shift))
        yield Prepared(lab=lab, state_stage=state_stage, folder=shared, files=files, dump=dump)


def run_arm(ready: Prepared, stage: StagePlan, folder: Path) -> dict[str, bytes]:
    """Run one arm from the saved state; return its directory, path inside -> content."""
    with temporary("arm") as private:
        return _run_arm(ready, stage, folder, private)


def _run_arm(ready: Prepared, stage: StagePlan, folder: Path, private: Path) -> dict[str, bytes]:
    lab = ready.lab
    folder.mkdir(parents=True)
    spec = spec_of(lab, folder, ready.folder, private)
    assert spec.pausable is not None  # noqa: S101 - set just above
    spec = replace(spec, pausable=replace(spec.pausable, starts_from_snapshot=True))
    (folder / _ARM_TEXT).write_text(plans.padded(plan_text((stage,))))
    limit_s = _limit_s(lab, stage)
    whole = Deadline.after(limit_s + _RESUME_LIMIT_S * lab.speed.slowdown, "the arm")
    with qemu.launched(spec, log_path=folder / boot.QEMU_LOG) as launched:
        guest = status_channel.stoppable(launched, lab.check_stop)
        with _monitor(guest, private, whole) as monitor:
            monitor.go_on(ready.folder / STATE)
            end = status_channel.follow(
                guest, _limits(lab, stage, whole), until=status_channel.StageEnd
            )
        _require_success(end, guest, stage)
    return {**_collected(folder, stage), STOPPED: ready.dump}


@contextlib.contextmanager
def _monitor(
    guest: status_channel.Guest, private: Path, deadline: Deadline
) -> Iterator[qmp.Monitor]:
    """Connect to a QEMU that was just started; if it ends meanwhile, say what it said."""
    try:
        with qmp.connected(private / _MONITOR, deadline, starting=guest.exit_status) as monitor:
            yield monitor
    except qmp.MonitorError as error:
        # It falls silent a little before its end is seen.
        end = Deadline.after(_ENDING_S, "QEMU's end")
        while guest.exit_status() is None and not end.expired:
            time.sleep(_POLL_S)
        raise boot.explained(guest, error) from error


def _dump(monitor: qmp.Monitor, files: dict[str, bytes], folder: Path) -> bytes:
    """Read what the cross-check captured when it stopped the guest (kmod/cross_check_free.c)."""
    said = files.get(_WHERE, b"").decode("ascii", errors="replace")
    match = re.fullmatch(r"phys=([0-9]{1,20}) bytes=([0-9]{1,9})\n", said)
    if match is None:
        raise damaged(_WHERE, f"{shown(said)} does not tell where the dump is")
    memory = monitor.physical_memory(int(match[1]), int(match[2]), folder / "dump")
    return memory.partition(b"\0")[0]


def _limit_s(lab: Lab, stage: StagePlan) -> float:
    return (stage.deadline_s * _BACKSTOP_FACTOR + _COLLECT_S) * lab.speed.slowdown


def _limits(lab: Lab, stage: StagePlan, whole: Deadline) -> status_channel.Limits:
    return status_channel.Limits(
        whole=whole,
        silence_s=boot.SILENCE_S * lab.speed.slowdown,
        stage_s={stage.name: _limit_s(lab, stage)},
    )


def _require_success(
    end: status_channel.Event, guest: status_channel.Guest, stage: StagePlan
) -> None:
    if isinstance(end, status_channel.StageEnd) and end.exit == 0:
        _require_clean_log(guest, stage)
        return
    tail = status_channel.console_tail(guest.console).strip().splitlines()
    said = "\n".join(tail[-status_channel.CONSOLE_TAIL_LINES :])
    raise StageError(
        "compare", f"{stage.name} failed in the guest ({end}): {stage.command}\n{said}"
    )


def _require_clean_log(guest: status_channel.Guest, stage: StagePlan) -> None:
    """Refuse an arm, or a state, in which the kernel found itself broken, though it went on."""
    text = guest.console.read_text(encoding="utf-8", errors="replace")
    log = parse_console(text) if text else None
    if bugs := (*log.bugs, *log.watches_off) if log else ():
        raise StageError(
            "compare",
            f"{stage.name}: its kernel reported {bugs[0].kind}, {shown(bugs[0].message)}; what was "
            f"counted there says nothing. Mend the kernel, or ask for one that does not",
            log_path=guest.console,
        )
    if killed := log.ours_killed if log else ():
        raise StageError(
            "compare",
            f"{stage.name}: its kernel's OOM killer took {killed[0].victim}, which the harness ran "
            f"there: {shown(killed[0].message)}; what was counted there says nothing. Give the "
            "guest more memory (memory_mib of the plan), or a state that leaves more free",
            log_path=guest.console,
        )


def _collected(folder: Path, stage: StagePlan) -> dict[str, bytes]:
    try:
        packed = (folder / boot.RESULTS).read_bytes()
        stream = gunzipped(packed, bytes_max=GUEST_FILE_BYTES_MAX)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise RecordError(
            f"the results of {stage.name} are cut short or damaged ({error}); run again"
        ) from error
    unpack(io.BytesIO(stream), (stage.name,), folder / RAW)
    check_complete(folder / RAW, (stage.name,))
    raw = folder / RAW / stage.name
    files = contents(raw)
    shutil.rmtree(raw)
    return files


# What stays free beside a guest's memory where that lies.
ROOM_MARGIN_MIB = 256


@contextlib.contextmanager
def _room(memory: Mapping[str, int], folder: Path) -> Iterator[Path]:
    """Give a directory with a guest's memory, files of so many MiB: on tmpfs, else on disk."""
    memory_mib = sum(memory.values())
    for place in (TMPFS, folder):
        free = shutil.disk_usage(place).free if place.is_dir() else 0
        if free < (memory_mib + ROOM_MARGIN_MIB) << 20:
            continue
        with contextlib.ExitStack() as stack:
            room = stack.enter_context(scratch(place, "memory"))
            # Another job may take what was free just now.
            if all(is_reserved(room / name, mib << 20) for name, mib in memory.items()):
                yield room
                return
    raise HostError(
        f"a guest's memory of {memory_mib} MiB has no room in {TMPFS} nor in {folder}; "
        "free some, or move the cache with BUDDYLAB_CACHE"
    )

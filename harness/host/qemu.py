# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU command line as a pure function of a frozen value.

Serial ports of a guest: ttyS0 its console, ttyS1 results (a tar stream), ttyS2 status.
"""

import contextlib
import os
import socket  # noqa: TID251 - the monitor's, handed to QEMU as a descriptor
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from harness.errors import GuestLostError
from harness.guest_memory import PLAIN, MemoryLayout
from harness.host import command, confinement, memory_dump, qmp, status_channel
from harness.host.emulator import Emulator
from harness.host.files import drop_lines
from harness.host.qemu_memory import Backing, memory_arguments, memory_backend, size_arguments, smp
from harness.host.standstill import ALL_CPUS, BACKTRACES, ON_NMI, REGISTERS, Standstill
from harness.limits import FREEZE_PORT, STATUS_PORT, STOP_PORT
from harness.values import Accelerator, RunMode

_LOOK_LIMIT_S = 5.0

_COMMAND_LINE = (
    # A panic ends QEMU at once (-no-reboot turns the reset into an exit), an oops is a panic.
    "panic=-1",
    "oops=panic",
    # Random addresses differ from boot to boot; results must not.
    "nokaslr",
    "norandmaps",
    # An emulated TSC drifts against the emulated timers it is judged by; when the kernel drops
    # it, latencies become multiples of a timer tick.
    "tsc=reliable",
)


class GuestMode(StrEnum):
    """What the guest's init does, told through fw_cfg."""

    REPEATABLE = "repeatable"  # run the plan, send the results, power off
    LIVE = "live"  # network, ssh on request, a shell on the console
    PROBE = "probe"  # say `done` and power off
    COMPARE = "compare"  # run the plan, stop at an exact instruction, go on with an arm

    @property
    def is_repeatable(self) -> bool:
        """Whether the same inputs give the same bytes."""
        return self in {GuestMode.REPEATABLE, GuestMode.COMPARE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the guest's serial ports lead."""

    console: Path  # a file: the console, whole
    results: Path
    status: Path
    dialogue: Path | None = None  # a unix socket that gives the console to a reader
    monitor: Path | None = None  # a unix socket that speaks QMP
    freeze: Path | None = None  # a named pipe: harness/host/freeze.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Pausable:
    """A guest that stops itself, and goes on as one of several arms.

    Its memory is a file: the guest that prepares writes to it, and each arm maps the same
    file privately, so an arm costs no copy of what it does not change.
    """

    memory: Path | None  # None: QEMU's own, which nobody saves
    arm: Path  # what the guest reads after the pause, as long in every arm
    starts_from_snapshot: bool  # wait for a saved state instead of booting


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSpec:
    """All that QEMU is told, and which QEMU."""

    emulator: Emulator
    mode: GuestMode
    accelerator: Accelerator
    memory_mib: int
    cpus: int
    icount_shift: int | None  # None: the guest's clock follows the host's
    kernel: Path
    initrd: Path
    seed: int
    ports: Ports
    plan: Path | None = None
    authorized_key: Path | None = None
    cross_checks: bool = True
    pausable: Pausable | None = None
    ssh_port: int | None = None  # on the host's loopback; None: no network card
    sysctls: tuple[str, ...] = ()  # NAME=VALUE, set by the kernel just before init
    page_owner: bool = False  # let the kernel note who has each page (mm/page_owner.c)
    monitor_off: bool = False  # Documentation/admin-guide/kernel-parameters.txt, buddy_monitor=
    layout: MemoryLayout = PLAIN


def guest_mode(mode: RunMode) -> GuestMode:
    """Tell the guest's name for a way to run."""
    return GuestMode.REPEATABLE if mode is RunMode.REPEATABLE else GuestMode.LIVE


def kernel_command_line(spec: GuestSpec) -> str:
    """Return what the kernel is told; no host path, no host time."""
    # The kernel ignores the unknown module parameter but mixes its command line into its
    # random pool, which is how the seed reaches a guest without a random number generator.
    console = f"console={spec.emulator.arch.console}"
    words = [console, *_COMMAND_LINE, f"buddylab.seed={spec.seed}"]
    # For who looks at a guest that hangs (harness/host/standstill.py).
    words += [ON_NMI, *([ALL_CPUS] if spec.cpus > 1 else [])]
    words += [f"sysctl.{sysctl}" for sysctl in spec.sysctls]
    if spec.page_owner:
        words.append("page_owner=on")
    if spec.monitor_off:
        words.append("buddy_monitor=off")
    words += spec.layout.command_line
    if not spec.mode.is_repeatable:
        # Else sshd waits until enough interrupts have come to seed the random pool.
        words.append("random.trust_cpu=on")
    if not spec.mode.is_repeatable and spec.accelerator is Accelerator.TCG:
        # QEMU before 8.1 can go on executing an instruction that another CPU has patched (its
        # commit deba78709ae8, "accel/tcg: Always lock pages before translation"): with two CPUs,
        # 2 of about 90 boots died where the kernel flips its static branches. The kernel boots on
        # one CPU; a live guest's others are brought up once it is ready.
        words.append("maxcpus=1")
    return " ".join(words)


def qemu_argv(spec: GuestSpec) -> tuple[str, ...]:
    """Return the command line of QEMU for `spec`."""
    return (*spec.emulator.argv, *_arguments(spec))


def _arguments(spec: GuestSpec) -> tuple[str, ...]:
    return (
        *_machine(spec),
        *("-kernel", str(spec.kernel)),
        *("-initrd", str(spec.initrd)),
        *("-append", kernel_command_line(spec)),
        *_serial(spec.ports),
        *_freeze(spec.ports),
        *_stop(spec),
        *_firmware_items(spec),
        *_network(spec),
        *memory_arguments(spec.layout, spec.memory_mib, spec.cpus, _backing(spec)),
        *_pausable(spec),
    )


def machine_text(spec: GuestSpec) -> str:
    """Return the arguments that shape the guest, without any path or port of the host."""
    nowhere = Ports(
        console=Path("CONSOLE"),
        results=Path("RESULTS"),
        status=Path("STATUS"),
        dialogue=Path("DIALOGUE") if spec.ports.dialogue else None,
        freeze=Path("FREEZE") if spec.ports.freeze else None,
        monitor=Path("MONITOR") if spec.ports.monitor else None,
    )
    pausable = spec.pausable and Pausable(
        memory=Path("MEMORY"),
        arm=Path("ARM"),
        starts_from_snapshot=False,
    )
    neutral = replace(
        spec,
        pausable=pausable,
        kernel=Path("KERNEL"),
        initrd=Path("INITRD"),
        ports=nowhere,
        plan=Path("PLAN") if spec.plan else None,
        authorized_key=Path("KEY") if spec.authorized_key else None,
        ssh_port=0 if spec.ssh_port is not None else None,
    )
    return " ".join(_arguments(neutral))


@contextlib.contextmanager
def launched(spec: GuestSpec, *, log_path: Path) -> Iterator[status_channel.Guest]:
    """Run a guest; on leaving, however that happens, its QEMU is gone."""
    ports = spec.ports
    beside = (ports.console.with_name(name) for name in (REGISTERS, BACKTRACES))
    for stale in (ports.console, ports.results, ports.status, log_path, *beside):
        # The `done` of an earlier guest must not be read before QEMU empties the file.
        stale.unlink(missing_ok=True)
    memory_mib = spec.memory_mib + spec.layout.hotplug_mib
    dumps = memory_dump.require_room(memory_mib)
    # A monitor of its own, that nobody else can reach. It is listened to, and spoken to in the
    # case that the guest hangs; until then neither the guest nor its saved state knows of it.
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.ExitStack() as afterwards:
        listening = qmp.Listening(ours)
        # What it says of being ended by us names the path of this host's Python.
        our_end = b"terminating on signal 15 from pid %d " % os.getpid()
        afterwards.callback(drop_lines, log_path, our_end)
        sandbox = confinement.SANDBOX if spec.emulator.has_sandbox else ()
        argv = (*qemu_argv(spec), *sandbox, *qmp.arguments(theirs.fileno()))
        with command.started(
            argv,
            env=spec.emulator.env,
            log_path=log_path,
            pass_fds=(theirs.fileno(),),
            options=confinement.options(),
        ) as process:
            confinement.limit_files(process.pid)
            theirs.close()
            standing = Standstill(
                listening,
                spec.kernel,
                _LOOK_LIMIT_S,
                cpus=spec.cpus,
                memory_mib=memory_mib,
                dumps=dumps,
                console=ports.console,
                exit_status=process.poll,
            )
            afterwards.callback(standing.forget_the_answer)
            try:
                yield status_channel.Guest(
                    exit_status=process.poll,
                    console=spec.ports.console,
                    results=spec.ports.results,
                    emulator_log=log_path,
                    reader=status_channel.StatusReader(spec.ports.status),
                    emulator=spec.emulator.version,
                    execution=" ".join(_execution(spec)),
                    standing=standing,
                    events=listening.heard,
                    stops_itself=spec.pausable is not None,
                )
            except GuestLostError as error:
                # Who waited for it on another way (ssh, the console, a pipe) has not looked.
                if error.is_hang and not standing.was_asked and process.poll() is None:
                    fact, tail, lines = str(error).partition("\n")
                    error.args = (f"{fact}\n  where it stood: {standing()}{tail}{lines}",)
                raise


def _machine(spec: GuestSpec) -> tuple[str, ...]:
    return (
        # Only what is named below exists, whatever the host's QEMU is configured to add.
        "-nodefaults",
        "-no-user-config",
        *("-machine", spec.emulator.arch.machine + memory_backend(spec.layout, _backing(spec))),
        *_execution(spec),
        *("-m", size_arguments(spec.layout, spec.memory_mib)),
        *("-display", "none"),
        *("-monitor", "none"),
        # With panic=-1 on the kernel's command line a panic ends QEMU.
        "-no-reboot",
        # QEMU's own random choices.
        *("-seed", str(spec.seed)),
    )


def _backing(spec: GuestSpec) -> Backing | None:
    pausable = spec.pausable
    if pausable is None or pausable.memory is None:
        return None
    return Backing(file=_escaped(pausable.memory), shared=not pausable.starts_from_snapshot)


def _pausable(spec: GuestSpec) -> tuple[str, ...]:
    pausable = spec.pausable
    if pausable is None:
        return ()
    return (
        *("-fw_cfg", f"name=opt/buddylab/arm,file={_escaped(pausable.arm)}"),
        *(("-incoming", "defer") if pausable.starts_from_snapshot else ()),
    )


def _execution(spec: GuestSpec) -> tuple[str, ...]:
    if not spec.mode.is_repeatable:
        thread = ",thread=multi" if spec.accelerator is Accelerator.TCG else ""
        is_kvm = spec.accelerator is Accelerator.KVM
        model = "host" if is_kvm else spec.emulator.arch.cpu
        return (
            *("-accel", f"{spec.accelerator}{thread}"),
            *("-smp", smp(spec.layout, spec.cpus)),
            *("-cpu", model),
        )
    return (
        # One thread that counts instructions: the clock is a function of what was executed.
        # sleep=off lets an idle guest's clock jump to its next timer instead of waiting.
        *("-accel", "tcg,thread=single"),
        *("-icount", f"shift={spec.icount_shift},sleep=off"),
        # They take turns on the thread, each for its share of the time to the next timer.
        *("-smp", smp(spec.layout, spec.cpus)),
        # Every run begins at the same moment, and time passes as the guest executes.
        *("-rtc", "base=2026-01-01,clock=vm"),
        *("-cpu", spec.emulator.cpu),
    )


def _serial(ports: Ports) -> tuple[str, ...]:
    if ports.dialogue is None:
        console = f"file,id=console,path={_escaped(ports.console)}"
    else:
        # QEMU itself keeps the console (logfile), so nothing is lost while nobody listens; a
        # pseudo-terminal that nobody reads would stall the guest.
        console = (
            f"socket,id=console,path={_escaped(ports.dialogue)},server=on,wait=off,"
            f"logfile={_escaped(ports.console)}"
        )
    return (
        *("-chardev", console),
        *("-device", "isa-serial,chardev=console,index=0"),
        *("-chardev", f"file,id=results,path={_escaped(ports.results)}"),
        *("-device", "isa-serial,chardev=results,index=1"),
        *("-chardev", f"file,id=status,path={_escaped(ports.status)}"),
        # By default ttyS2 shares ttyS0's edge-triggered interrupt: one port's interrupt could
        # hide the other's. The kernel learns of line 5 from the ACPI tables.
        *("-device", f"isa-serial,chardev=status,index=2,iobase={STATUS_PORT:#x},irq=5"),
    )


def _freeze(ports: Ports) -> tuple[str, ...]:
    """Let a guest hold itself at an exact instruction, for the host to look at its memory."""
    if ports.freeze is None:
        return ()
    return (
        *("-chardev", f"file,id=freeze,path={_escaped(ports.freeze)}"),
        *("-device", f"isa-debugcon,chardev=freeze,iobase={FREEZE_PORT:#x}"),
    )


def _stop(spec: GuestSpec) -> tuple[str, ...]:
    """Let a guest stop QEMU itself, for its state to be saved; with nobody to save it, go on."""
    if spec.pausable is None:
        return ()
    # A byte 1 to this port, and QEMU stops all CPUs. The guest's kernel has no driver for
    # the device, so a real panic still ends QEMU by its reset.
    device = ("-device", f"pvpanic,ioport={STOP_PORT:#x}")
    monitor = spec.ports.monitor
    if monitor is None:
        return (*device, "-action", "panic=none")
    address = f"unix:{_escaped(monitor)},server=on,wait=off"
    return (*device, "-action", "panic=pause", "-qmp", address)


def _firmware_items(spec: GuestSpec) -> tuple[str, ...]:
    items = ["-fw_cfg", f"name=opt/buddylab/mode,string={spec.mode}"]
    if not spec.cross_checks:
        items += ["-fw_cfg", "name=opt/buddylab/cross_checks,string=off"]
    if spec.plan is not None:
        items += ["-fw_cfg", f"name=opt/buddylab/plan,file={_escaped(spec.plan)}"]
    if spec.authorized_key is not None:
        key = _escaped(spec.authorized_key)
        items += ["-fw_cfg", f"name=opt/buddylab/authorized_key,file={key}"]
    return tuple(items)


def _network(spec: GuestSpec) -> tuple[str, ...]:
    if spec.ssh_port is None:
        return ("-nic", "none")
    forward = f"hostfwd=tcp:127.0.0.1:{spec.ssh_port}-10.0.2.15:22"
    return (
        # restrict=on: the guest reaches nothing, not even the host; only the forwarded port
        # comes in, and only from this machine.
        *("-netdev", f"user,id=net0,restrict=on,{forward}"),
        *("-device", spec.emulator.network_card),
    )


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")  # QEMU's own quoting in its option lists

# SPDX-License-Identifier: GPL-2.0-only
"""Power-on: from a built kernel and a guest image to a guest that says it is ready."""

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import GuestLostError, HostError
from harness.guest_memory import PLAIN, MemoryLayout
from harness.host import accelerator, console, emulator, qemu, ssh, status_channel
from harness.host.accelerator import AcceleratorChoice, Speed, Subject
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.scratch import temporary
from harness.stages.boot_files import BootFiles
from harness.texts.proc.sysctl import Knob, PolicyMode
from harness.values import CONSOLE_LOG, RunMode

logger = logging.getLogger("run")

STATUS_LOG = "status.log"
QEMU_LOG = "qemu.log"
RESULTS = "results.tar"

# Virtual nanoseconds per instruction, as a power of two: 3 makes virtual and real time
# run about alike on a two-core machine.
ICOUNT_SHIFT = 3
# In host seconds at reference speed.
READY_LIMIT_S = 60.0
SILENCE_S = 30.0
_DIALOGUE_LIMIT_S = 30.0
_POWER_OFF_LIMIT_S = 15.0
_PORT_ATTEMPTS = 5
# The CPUs that the kernel left out under TCG (see qemu.kernel_command_line).
_BRING_UP_CPUS = (
    "(cd /sys/devices/system/cpu && for cpu in cpu[1-9]*/online; do"
    ' [ ! -f "$cpu" ] || [ "$(cat "$cpu")" = 1 ] || echo 1 > "$cpu"; done; cmp online present)'
)
# A connection that comes before the card has its link is tried again only after six seconds.
_WAIT_FOR_LINK = 'until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do sleep 0.05; done'
# What QEMU itself and its translation buffers take beside the guest's memory.
EMULATOR_MIB = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How to run, as the user chose it."""

    mode: RunMode
    memory_mib: int
    cpus: int
    seed: int
    scale: str
    icount_shift: int = ICOUNT_SHIFT
    accelerator: AcceleratorChoice = AcceleratorChoice.AUTO
    policy: PolicyMode | None = None  # None: the kernel's own default
    cross_checks: bool = True  # load the cross-check module and set the trace histograms
    page_owner: bool = False
    monitor_off: bool = False  # from boot on
    layout: MemoryLayout = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveGuest:
    """A live guest that is ready, and how to reach it."""

    guest: status_channel.Guest
    spec: qemu.GuestSpec
    speed: Speed
    dialogue: Path
    address: ssh.Address


def measured_speed(what: BootFiles, settings: RunSettings, cache: Cache) -> Speed:
    """Find the accelerator for this run, and how fast it boots."""
    subject = Subject(
        emulator=emulator.find(cache),
        kernel=what.kernel,
        kernel_key=what.name,
        initrd=what.initrd,
    )
    return accelerator.measure(
        subject, cache, choice=settings.accelerator, mode=settings.mode, seed=settings.seed
    )


def spec_of(what: BootFiles, settings: RunSettings, speed: Speed, folder: Path) -> qemu.GuestSpec:
    """Describe the guest whose console and status are kept in `folder`."""
    is_repeatable = settings.mode is RunMode.REPEATABLE
    return qemu.GuestSpec(
        emulator=speed.emulator,
        mode=qemu.guest_mode(settings.mode),
        accelerator=speed.accelerator,
        memory_mib=settings.memory_mib,
        cpus=settings.cpus,
        icount_shift=settings.icount_shift if is_repeatable else None,
        kernel=what.kernel,
        initrd=what.initrd,
        seed=settings.seed,
        cross_checks=settings.cross_checks,
        page_owner=settings.page_owner,
        monitor_off=settings.monitor_off,
        layout=settings.layout,
        sysctls=() if settings.policy is None else (f"{Knob.MODE}={settings.policy.value}",),
        ports=qemu.Ports(
            console=folder.absolute() / CONSOLE_LOG,
            results=folder.absolute() / RESULTS,
            status=folder.absolute() / STATUS_LOG,
        ),
    )


def available_mib() -> int | None:
    """Return the memory that this host could give away; None where it does not tell."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return None


def require_memory(memory_mib: int, guests: int = 1, fewer: str = "use a smaller --jobs") -> None:
    """Refuse guests, run at one time, that this host would have to kill half-way.

    `fewer` says how there are fewer of them.
    """
    there_mib = available_mib()
    needed_mib = guests * (memory_mib + EMULATOR_MIB)
    if there_mib is None or needed_mib <= there_mib:
        return
    if guests == 1:
        need, or_else = f"a guest of {memory_mib} MiB needs", "use --scale small"
    else:
        need, or_else = f"{guests} guests of {memory_mib} MiB need", fewer
    raise HostError(
        f"{need} about {needed_mib} MiB, this host has {there_mib} MiB available; "
        f"free some, or {or_else}"
    )


def wait_for_power_off(guest: status_channel.Guest, speed: Speed) -> bool:
    """Give QEMU time to end by itself; return whether it did."""
    deadline = Deadline.after(_POWER_OFF_LIMIT_S * speed.slowdown, "power-off")
    while guest.exit_status() is None:
        if deadline.expired:
            logger.warning(
                "the guest was done but did not power off within %.0f s; ended", deadline.limit_s
            )
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def live_guest(
    what: BootFiles, settings: RunSettings, speed: Speed, folder: Path
) -> Iterator[LiveGuest]:
    """Run a live guest with its ssh server started; on leaving its QEMU is gone."""
    require_memory(settings.memory_mib)
    with contextlib.ExitStack() as stack:
        # Keys and the console's socket: readable by this user alone, gone with the run. A
        # socket's path is short by law (108 bytes), a run folder's is not.
        private = stack.enter_context(temporary("live"))
        private_key = ssh.make_key(private)
        dialogue = private / "console.sock"
        spec = _with_dialogue(spec_of(what, settings, speed, folder), dialogue, private_key)
        spec, guest = stack.enter_context(_ready_guest(spec, speed, folder / QEMU_LOG))
        try:
            host_key = _prepare(dialogue, speed)
        except GuestLostError as error:
            raise explained(guest, error) from error
        assert spec.ssh_port is not None  # noqa: S101 - _ready_guest sets it
        address = ssh.Address(port=spec.ssh_port, private_key=private_key, host_key=host_key)
        yield LiveGuest(guest=guest, spec=spec, speed=speed, dialogue=dialogue, address=address)


def explained(guest: status_channel.Guest, error: GuestLostError) -> GuestLostError | HostError:
    """Say of a broken dialogue what QEMU and the console know about its cause."""
    message = str(error).partition(": ")[2].splitlines()[0]
    status = guest.exit_status()
    if status is not None:
        return status_channel.lost_by_exit(guest, status, f"while {message}")
    return status_channel.lost(guest, error.reason, message)


def power_off(live: LiveGuest) -> bool:
    """Ask the guest's own shell to power off; return whether QEMU ended."""
    deadline = Deadline.after(_DIALOGUE_LIMIT_S * live.speed.slowdown, "the console")
    try:
        with console.attached(live.dialogue, deadline) as shell:
            shell.wait_for_shell(deadline)
            shell.tell("sync; poweroff -f")
            return wait_for_power_off(live.guest, live.speed)
    except GuestLostError as error:
        logger.warning("the guest could not be asked to power off (%s); ended", error)
        return False


def _with_dialogue(spec: qemu.GuestSpec, dialogue: Path, private_key: Path) -> qemu.GuestSpec:
    return replace(
        spec,
        ports=replace(spec.ports, dialogue=dialogue),
        authorized_key=private_key.with_suffix(".pub"),
    )


@contextlib.contextmanager
def _ready_guest(
    spec: qemu.GuestSpec, speed: Speed, log_path: Path
) -> Iterator[tuple[qemu.GuestSpec, status_channel.Guest]]:
    """Launch until a port was free: between our look and QEMU's, anyone may take it."""
    with contextlib.ExitStack() as stack:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            log_path.unlink(missing_ok=True)
            spec = replace(spec, ssh_port=ssh.free_port())
            guest = stack.enter_context(qemu.launched(spec, log_path=log_path))
            limits = status_channel.Limits(
                whole=Deadline.after(READY_LIMIT_S * speed.slowdown, "the boot"),
                silence_s=SILENCE_S * speed.slowdown,
            )
            ssh.load()
            try:
                status_channel.follow(guest, limits, until=status_channel.Ready)
            except HostError:
                taken = "host forwarding" in status_channel.console_tail(log_path)
                if not taken or attempt == _PORT_ATTEMPTS:
                    raise
                logger.info("port %s was taken meanwhile; trying another", spec.ssh_port)
                stack.close()
            else:
                yield spec, guest
                return


def _prepare(dialogue: Path, speed: Speed) -> ssh.HostKey:
    """Bring up all CPUs, start the ssh server, read its new host key from the console."""
    deadline = Deadline.after(_DIALOGUE_LIMIT_S * speed.slowdown, "the console")
    with console.attached(dialogue, deadline) as shell:
        shell.wait_for_shell(deadline)
        status, text = shell.run(_BRING_UP_CPUS, deadline)
        if status != 0:
            raise GuestLostError("exit", f"a CPU did not come up (exit {status}): {text[-300:]!r}")
        shell.run(_WAIT_FOR_LINK, deadline)
        while True:
            status, text = shell.run("bash scripts/start_sshd.sh", deadline)
            key = re.search(r"^hostkey (ssh-ed25519) ([A-Za-z0-9+/]{68})$", text, re.MULTILINE)
            if key is not None:
                return ssh.HostKey(kind=key[1], base64=key[2])
            # A kernel message may have fallen into the line: the script prints it again.
            if status != 0 or deadline.expired:
                raise GuestLostError(
                    "exit", f"start_sshd.sh gave no host key (exit {status}): {text[-300:]!r}"
                )

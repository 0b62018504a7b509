# SPDX-License-Identifier: GPL-2.0-only
"""What executes a guest here, proved by booting one, and how fast it is.

/dev/kvm can open and still never run a guest (nested machines), so only a boot counts.
What was found out is remembered for this QEMU, host kernel, /dev/kvm and guest kernel.
"""

import errno
import logging
import os
import re
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from harness.digest import sha256_text
from harness.encoding import UNREADABLE
from harness.errors import HarnessError, HostError, UserError
from harness.host import qemu, status_channel
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.emulator import Emulator
from harness.host.files import atomic_write
from harness.values import CONSOLE_LOG, Accelerator, RunMode

logger = logging.getLogger("run")

# A two-core machine under TCG, from QEMU's start to the probe's end.
REFERENCE_BOOT_S = 1.5
MEMORY_FILE = "accelerators.json"

# A working KVM prints the kernel's first line within half a second.
_KVM_SILENCE_S = 4.0
_KVM_LIMIT_S = 10.0
_TCG_LIMIT_S = 180.0
# A boot at 40 times the reference's pace is silent for less: a hang is told in a minute.
_TCG_SILENCE_S = 60.0
_PROBE_MEMORY_MIB = 512
_PROBE_CPUS = 2
_MOST_REMEMBERED = 64
_KVM_DEVICE = Path("/dev/kvm")


class AcceleratorChoice(StrEnum):
    """What the user asks for."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """A QEMU and an accelerator that booted our guest, and how long that took."""

    emulator: Emulator
    accelerator: Accelerator
    boot_s: float
    why: str

    @property
    def slowdown(self) -> float:
        """By what every deadline is multiplied."""
        return max(1.0, self.boot_s / REFERENCE_BOOT_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What is remembered of a QEMU, a host and a guest."""

    accelerator: Accelerator
    boot_s: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The guest to boot and what boots it: what the probe's result depends on."""

    emulator: Emulator
    kernel: Path
    kernel_key: str
    initrd: Path


def measure(
    subject: Subject, cache: Cache, *, choice: AcceleratorChoice, mode: RunMode, seed: int = 0
) -> Speed:
    """Decide on the accelerator by booting it, or recall what an earlier boot showed."""
    require_possible(choice, mode)
    if mode is RunMode.REPEATABLE:
        hurdle = "a repeatable run counts instructions"
    elif choice is AcceleratorChoice.TCG:
        hurdle = "it was asked for"
    else:
        hurdle = kvm_hurdle()
    key = _memory_key(subject, choice, hurdle)
    origin = "remembered"
    measured = _recall(cache).get(key)
    if measured is None:
        # One at a time: two probes beside each other would measure each other.
        with cache.locked("probe"):
            measured = _recall(cache).get(key)
            if measured is None:
                origin = "measured"
                measured = _decide(subject, cache, hurdle, choice, seed)
                _remember(cache, key, measured)
    speed = Speed(
        emulator=subject.emulator,
        accelerator=measured.accelerator,
        boot_s=measured.boot_s,
        why=measured.why,
    )
    logger.info(
        "accelerator: %s, %s; a boot takes %.1f s (%s), deadlines x%.1f",
        speed.accelerator, speed.why, speed.boot_s, origin, speed.slowdown,
    )  # fmt: skip
    return speed


def require_possible(choice: AcceleratorChoice, mode: RunMode) -> None:
    """Refuse KVM where it cannot be; whether one that opens boots a guest, only a boot can tell."""
    if choice is not AcceleratorChoice.KVM:
        return
    if mode is RunMode.REPEATABLE:
        raise UserError(
            "a repeatable run counts instructions, which KVM cannot; "
            "drop --accelerator kvm, or use --mode live"
        )
    if hurdle := kvm_hurdle():
        raise _no_kvm(hurdle)


def kvm_hurdle() -> str:
    """Say why /dev/kvm is not even worth a try; empty when it opens."""
    try:
        os.close(os.open(_KVM_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return f"this host has no {_KVM_DEVICE}"
        return f"{_KVM_DEVICE} does not open ({os.strerror(error.errno or 0)})"
    return ""


def _decide(
    subject: Subject, cache: Cache, hurdle: str, choice: AcceleratorChoice, seed: int
) -> _Measured:
    if not hurdle:
        try:
            boot_s = _boot(subject, cache, Accelerator.KVM, seed)
        except HarnessError as error:
            hurdle = f"{_KVM_DEVICE} opens but boots nothing ({_in_short(error)})"
        else:
            why = "proved by a boot"
            return _Measured(accelerator=Accelerator.KVM, boot_s=boot_s, why=why)
    if choice is AcceleratorChoice.KVM:
        raise _no_kvm(hurdle)
    boot_s = _boot(subject, cache, Accelerator.TCG, seed)
    return _Measured(accelerator=Accelerator.TCG, boot_s=boot_s, why=f"because {hurdle}")


def _no_kvm(hurdle: str) -> HostError:
    return HostError(f"no KVM here: {hurdle}; use --accelerator tcg, or a host with a working KVM")


def _in_short(error: HarnessError) -> str:
    fact = str(error).splitlines()[0].partition(";")[0]
    return re.sub(r"^guest lost \(\w+\): ", "", fact)


def _boot(subject: Subject, cache: Cache, accelerator: Accelerator, seed: int) -> float:
    """Boot to the probe's `done`; return the seconds it took."""
    is_kvm = accelerator is Accelerator.KVM
    limit_s = _KVM_LIMIT_S if is_kvm else _TCG_LIMIT_S
    # Not a temporary directory: after a failure the console can be read there.
    folder = cache.root / "probe"
    folder.mkdir(parents=True, exist_ok=True)
    spec = qemu.GuestSpec(
        emulator=subject.emulator,
        mode=qemu.GuestMode.PROBE,
        accelerator=accelerator,
        memory_mib=_PROBE_MEMORY_MIB,
        cpus=_PROBE_CPUS,
        icount_shift=None,
        kernel=subject.kernel,
        initrd=subject.initrd,
        seed=seed,
        ports=qemu.Ports(
            console=folder / CONSOLE_LOG,
            results=folder / "results.tar",
            status=folder / "status.log",
        ),
    )
    started_s = time.monotonic()
    limits = status_channel.Limits(
        whole=Deadline.after(limit_s, "the probe"),
        silence_s=_KVM_SILENCE_S if is_kvm else _TCG_SILENCE_S,
    )
    with qemu.launched(spec, log_path=folder / "qemu.log") as guest:
        end = status_channel.follow(guest, limits, until=status_channel.Done)
        if isinstance(end, status_channel.Failed):
            raise status_channel.lost(guest, "exit", f"the probe failed in {end.stage}")
        return round(time.monotonic() - started_s, 2)


def _memory_key(subject: Subject, choice: AcceleratorChoice, hurdle: str) -> str:
    host = os.uname()
    asked = choice if not hurdle else "tcg"
    return sha256_text(
        subject.emulator.version, host.release, host.machine, hurdle, asked, subject.kernel_key
    )


def _recall(cache: Cache) -> dict[str, _Measured]:
    """Return what is remembered; a file that cannot be read is as good as none."""
    try:
        raw = (cache.root / MEMORY_FILE).read_bytes()
        return msgspec.json.decode(raw, type=dict[str, _Measured])
    except (OSError, *UNREADABLE):
        return {}


def _remember(cache: Cache, key: str, measured: _Measured) -> None:
    memory = _recall(cache) | {key: measured}
    kept = dict(list(memory.items())[-_MOST_REMEMBERED:])
    atomic_write(cache.root / MEMORY_FILE, msgspec.json.encode(kept))

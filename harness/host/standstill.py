# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest stands that gives no sign of life: its CPUs' next instruction, by name.

Asked of QEMU's monitor when the guest is given up. It is stopped and looked at several
times: a CPU that is found in one function each time is caught there, one that is found idle
waits for something. Then it is sent an NMI, upon which its kernel prints where each CPU is, with
interrupts off too, and ends (arch/x86/kernel/nmi.c unknown_nmi_error(), kernel/panic.c): the
kernel's command line asks for that (harness/host/qemu.py). Both are kept beside the console.
"""

import bisect
import contextlib
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import GuestLostError
from harness.host import elf, memory_dump, qmp
from harness.host.deadline import Deadline
from harness.host.files import atomic_write

REGISTERS = "registers.txt"
BACKTRACES = "backtraces.txt"
# What the kernel's command line has for it (Documentation/admin-guide/kernel-parameters.txt): an
# NMI that nobody knows is a panic, and upon any panic each CPU tells where it is. A panic of the
# first and only CPU tells that anyway. 5.15 does not know this bit of panic_print.
ON_NMI = "unknown_nmi_panic"
ALL_CPUS = "panic_print=0x40"

_LOOKS = 3
# Of what a guest prints when it is asked where it stands: 8 CPUs need about 32 KiB.
_MOST_BYTES = 1 << 20
# What is said in an NMI comes when the panic is over (kernel/printk/printk.c), all at once. Of
# several CPUs the first asks the others to stop, and where one has its interrupts off it counts to
# a million until it sends an NMI: 11 s on an emulated CPU.
_ANSWER_S = 10.0
_ANSWER_OF_SEVERAL_S = 45.0
_QUIET_S = 5.0  # of a kernel that has begun
_POLL_S = 0.02
_TRACED = re.compile(rb"\bCPU: ([0-9]{1,5}) (?:UID: [0-9]{1,10} )?PID: ")
_BETWEEN_S = 0.1
# QEMU's `info registers -a`, x86: EIP before the kernel has turned to 64 bits.
_CPU = re.compile(
    r"^CPU#([0-9]{1,5})\n(?:(?!CPU#).*\n)*?"
    r"[RE]IP=([0-9a-f]{8,16}) .* CPL=([0-3]) .* HLT=([01])",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """One CPU of a stopped guest."""

    number: int
    address: int  # of its next instruction
    in_user_space: bool
    is_idle: bool


@dataclass(frozen=True, slots=True)
class Symbols:
    """A kernel's functions by address."""

    functions: Sequence[tuple[int, int, str]]  # address, bytes, name; by address

    def name(self, address: int) -> str:
        """Return FUNCTION+OFFSET as the kernel's own traces do; empty if it is in none."""
        at = bisect.bisect_right(self.functions, address, key=lambda one: one[0]) - 1
        if at < 0:
            return ""
        start, size, name = self.functions[at]
        return f"{name}+{address - start:#x}" if address < start + max(size, 1) else ""


def parse_registers(text: str) -> tuple[Cpu, ...]:
    """Read what QEMU says of all CPUs' registers; what is not of that form is left out."""
    return tuple(
        Cpu(
            number=int(match[1]),
            address=int(match[2], 16),
            in_user_space=match[3] == "3",
            is_idle=match[4] == "1",
        )
        for match in _CPU.finditer(text.replace("\r", ""))
    )


def describe(looks: Sequence[Sequence[Cpu]], symbols: Symbols) -> str:
    """Say where the CPUs stood in each of several looks; empty if nothing was seen."""
    by_cpu: dict[int, list[str]] = {}
    for look in looks:
        for cpu in look:
            by_cpu.setdefault(cpu.number, []).append(_place(cpu, symbols))
    return "; ".join(
        f"CPU {number} was {_joined(places)}" for number, places in sorted(by_cpu.items())
    )


def _place(cpu: Cpu, symbols: Symbols) -> str:
    if cpu.in_user_space:
        return f"in user space, at {cpu.address:#x}"
    name = symbols.name(cpu.address)
    where = f"{name} ({cpu.address:#x})" if name else f"{cpu.address:#x}, no function of the kernel"
    return f"idle, at {where}" if cpu.is_idle else f"at {where}"


def _joined(places: Sequence[str]) -> str:
    distinct = dict.fromkeys(places)
    if len(distinct) == 1:
        return f"{places[0]} each of {len(places)} times"
    return ", then ".join(distinct)


def traced_cpus(text: bytes) -> tuple[int, ...]:
    """Return the numbers of the CPUs that a kernel's text has a trace of."""
    return tuple(sorted({int(number) for number in _TRACED.findall(text)}))


def look(monitor: qmp.Monitor) -> tuple[str, ...]:
    """Look at a guest several times; return QEMU's words of all CPUs' registers."""
    texts = []
    for _ in range(_LOOKS):
        # Stopped, QEMU knows the address exactly; it keeps only a block's while it executes.
        monitor.stop()
        texts.append(monitor.registers().replace("\r", ""))
        monitor.resume()
        time.sleep(_BETWEEN_S)
    return tuple(texts)


class Standstill:
    """Looks at one guest, once: its monitor's socket serves one connection."""

    def __init__(
        self,
        place: qmp.Place,
        kernel: Path,
        limit_s: float,
        *,
        cpus: int,
        memory_mib: int,
        dumps: Path | None,
        console: Path,
        exit_status: Callable[[], int | None],
    ) -> None:
        self._place = place
        self._kernel = kernel
        self._limit_s = limit_s
        self._memory_mib = memory_mib
        self._dumps = dumps
        self._answer_s = _ANSWER_OF_SEVERAL_S if cpus > 1 else _ANSWER_S
        self._console = console
        self._exit_status = exit_status
        self._asked_from: int | None = None
        self.was_asked = False

    def __call__(self) -> str:
        """Say where the guest stands, or that QEMU does not tell; the guest may end by it.

        Registers and backtraces are written beside the console, its memory into `dumps` if that is
        a folder. Lasts no longer than the limit,
        and what the kernel needs to print.
        """
        self.was_asked = True
        dump_s = 0.0 if self._dumps is None else memory_dump.LIMIT_S
        deadline = Deadline.after(self._limit_s + dump_s, "a look at the guest")
        dumped = ""
        texts: tuple[str, ...] = ()
        answer = b""
        unknown = ""
        try:
            with qmp.connected(self._place, deadline) as monitor:
                texts = look(monitor)
                if self._dumps is not None:
                    dumped = memory_dump.save(monitor, self._dumps, self._memory_mib)
                start = _size(self._console)
                monitor.inject_nmi()
                answer = self._answer(start)
        except GuestLostError as error:
            unknown = str(error).partition(": ")[2]
        if not texts:
            return f"where it stands is not known ({unknown})"
        symbols = Symbols(elf.functions(self._kernel))
        where = describe([parse_registers(text) for text in texts], symbols)
        whole = "".join(
            f"look {at} of {_LOOKS}\n{text}\n" for at, text in enumerate(texts, start=1)
        )
        registers = self._keep(REGISTERS, whole.encode())
        traces = self._traces(answer, unknown)
        return "; ".join(one for one in (where, registers, traces, dumped) if one)

    def forget_the_answer(self) -> None:
        """Take out of the console what the guest was made to print; QEMU has ended."""
        if self._asked_from is not None:
            with contextlib.suppress(OSError):
                os.truncate(self._console, self._asked_from)

    def _traces(self, answer: bytes, unknown: str) -> str:
        cpus = traced_cpus(answer)
        if not cpus:
            self._asked_from = None
            return f"an NMI made it print no trace{f' ({unknown})' if unknown else ''}"
        kept = self._keep(BACKTRACES, answer)
        who = f"CPU{'s' if len(cpus) > 1 else ''} {', '.join(map(str, cpus))}"
        return f"{kept or 'traces, which could not be kept'}, printed upon an NMI, of {who}"

    def _answer(self, start: int) -> bytes:
        """Return what comes on the console from byte `start` on, until QEMU ends or time is up."""
        self._asked_from = start
        whole = quiet = Deadline.after(self._answer_s, "its traces")
        size = start
        while not (whole.expired or quiet.expired) and self._exit_status() is None:
            now = _size(self._console)
            if now != size:
                size, quiet = now, Deadline.after(_QUIET_S, "more of them")
            time.sleep(_POLL_S)
        try:
            with self._console.open("rb") as file:
                file.seek(start)
                return file.read(_MOST_BYTES)
        except OSError:
            return b""

    def _keep(self, name: str, content: bytes) -> str:
        """Write a text beside the console, and say where; a full disk takes nothing else away."""
        path = self._console.with_name(name)
        try:
            atomic_write(path, content[:_MOST_BYTES])
        except OSError:
            return ""
        return f"{name.partition('.')[0]}: {path}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0

# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest stands that gives no sign of life: its CPUs' next instruction, by name.

Asked of QEMU's monitor when the guest is given up. It is stopped and looked at several
times: a CPU that is found in one function each time is caught there, one that is found idle
waits for something.
"""

import bisect
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import GuestLostError
from harness.host import elf, qmp
from harness.host.deadline import Deadline

_LOOKS = 3
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


def look(monitor: qmp.Monitor, kernel: Path) -> str:
    """Look at a guest several times; return what `describe` makes of it."""
    looks = []
    for _ in range(_LOOKS):
        # Stopped, QEMU knows the address exactly; it keeps only a block's while it executes.
        monitor.stop()
        looks.append(parse_registers(monitor.registers()))
        monitor.resume()
        time.sleep(_BETWEEN_S)
    return describe(looks, Symbols(elf.functions(kernel)))


class Standstill:
    """Looks at one guest, once: its monitor's socket serves one connection."""

    def __init__(self, place: qmp.Place, kernel: Path, limit_s: float) -> None:
        self._place = place
        self._kernel = kernel
        self._limit_s = limit_s

    def __call__(self) -> str:
        """Say where the guest stands, or that QEMU does not tell."""
        deadline = Deadline.after(self._limit_s, "a look at the guest")
        try:
            with qmp.connected(self._place, deadline) as monitor:
                return look(monitor, self._kernel)
        except GuestLostError as error:
            return f"where it stands is not known ({str(error).partition(': ')[2]})"

# SPDX-License-Identifier: GPL-2.0-only
"""Result of kmod/turns.c: which turns the CPUs of a guest had, and in which order they asked."""

import re
from dataclasses import dataclass
from itertools import accumulate, pairwise

from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

FILE = "turns"  # of an arm's directory, by vm/guest/turns/in_turns.sh
SCRIPT = "turns/in_turns.sh"
FORMAT_LINE = "turns 1"
_HEAD_LINES = 2
_ORDER = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTurns:
    """What one CPU did."""

    cpu: int
    events: int  # allocations and frees
    expiries: int  # of its timer, which a schedule sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasted:
    """How many turns lasted from `least_ns`, a power of two, to below twice that."""

    least_ns: int
    turns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """The turns of one arm, as far as its CPUs had an event in them."""

    schedule: int  # 0: turns were not shifted
    events: int
    order: str  # digest of which CPU had which event, in order
    cpus: tuple[CpuTurns, ...]
    lasted: tuple[Lasted, ...]  # ascending; empty: one CPU alone had events

    @property
    def turns(self) -> int:
        """All that another CPU's turn followed."""
        return sum(one.turns for one in self.lasted)

    def share_ns(self, share: float) -> int | None:
        """Return the `least_ns` that at least `share` of the turns do not exceed; None: no turn."""
        sums = accumulate(one.turns for one in self.lasted)
        enough = share * self.turns
        return next(
            (one.least_ns for one, sofar in zip(self.lasted, sums, strict=True) if sofar >= enough),
            None,
        )


def parse_turns(text: str) -> Turns:
    """Parse the whole file; RecordError if it is cut, or its sums do not fit."""
    lines = whole_lines(text, FILE)
    if lines[0] != FORMAT_LINE or lines[-1] != "end" or len(lines) <= _HEAD_LINES:
        raise damaged(FILE, f"it begins {shown(lines[0])} and ends {shown(lines[-1])}")
    head = key_values(lines[1].split(), FILE)
    cpus, lasted = [], []
    for line in lines[_HEAD_LINES:-1]:
        values = key_values(line.split(), FILE)
        if "cpu" in values:
            cpus.append(
                CpuTurns(
                    cpu=_number(values, "cpu"),
                    events=_number(values, "events"),
                    expiries=_number(values, "expiries"),
                )
            )
        else:
            lasted.append(
                Lasted(least_ns=_number(values, "lasted_ns"), turns=_number(values, "turns"))
            )
    found = Turns(
        schedule=_number(head, "schedule"),
        events=_number(head, "events"),
        order=required(head, "order", FILE),
        cpus=tuple(cpus),
        lasted=tuple(lasted),
    )
    _require_whole(found, _number(head, "cpus"))
    return found


def _require_whole(found: Turns, cpus: int) -> None:
    if not _ORDER.fullmatch(found.order):
        raise damaged(FILE, f"order={shown(found.order)} is no digest")
    if len(found.cpus) != cpus:
        raise damaged(FILE, f"lines of {len(found.cpus)} CPUs where there are {cpus}")
    if (events := sum(one.events for one in found.cpus)) != found.events:
        raise damaged(FILE, f"{found.events} events, and {events} by CPU")
    least = [one.least_ns for one in found.lasted]
    if any(one < 1 or one & (one - 1) for one in least) or any(b <= a for a, b in pairwise(least)):
        raise damaged(FILE, f"{least[:5]} are no ascending powers of two")


def _number(values: dict[str, str], key: str) -> int:
    return natural(required(values, key, FILE), FILE)

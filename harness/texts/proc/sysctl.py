# SPDX-License-Identifier: GPL-2.0-only
"""Sysctls as saved: `vm.NAME=value` lines, and the policy's four among them.

The policy's knobs are those of the series' Documentation/admin-guide/sysctl/vm.rst.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from harness.texts.pages import COSTLY_ORDER, MAX_ORDER, Order, order_of
from harness.texts.text import damaged, natural, shown, whole_lines

_WHAT = "sysctl"
_LINE = re.compile(r"([a-z][A-Za-z0-9_.-]*) ?= ?(.*)")


class PolicyMode(IntEnum):
    """What the policy does for a request: which compaction calls it raises, or adds."""

    OFF = 0  # acts for no request
    LATE = 1  # raises the second call only, to full priority
    EARLY = 2  # raises both calls, to full priority
    LIGHT = 3  # raises the first call only, to the priority of the second
    LAST = 4  # one call more, at full priority, where a costly request would give up
    CLEAR = 5  # there, empties ranges that hold no page that cannot be moved

    @property
    def at_the_end(self) -> bool:
        """Whether it leaves the ladder as it is, and acts for those who come to its end."""
        return self >= PolicyMode.LAST

    @property
    def word(self) -> str:
        """What plans and options call it."""
        return self.name.lower()


MODE_WORDS: tuple[str, ...] = tuple(mode.word for mode in PolicyMode)


def mode_of(word: str) -> PolicyMode:
    """Return the mode that plans and options call `word`; KeyError if there is none."""
    return {mode.word: mode for mode in PolicyMode}[word]


class Knob(StrEnum):
    """The policy's sysctls, by their full names."""

    MODE = "vm.adaptive_compaction_mode"
    THRESHOLD_PCT = "vm.adaptive_compaction_threshold"
    CUTOFF = "vm.adaptive_compaction_cutoff"
    MIN_ORDER = "vm.adaptive_compaction_min_order"

    @property
    def path(self) -> str:
        """Where a guest reads and writes it."""
        return f"/proc/sys/{self.replace('.', '/')}"

    @property
    def values(self) -> range:
        """What it takes (mm/buddy_monitor.c buddy_sysctl_table)."""
        orders = range(1, MAX_ORDER)
        return {
            Knob.MODE: range(len(PolicyMode)),
            Knob.THRESHOLD_PCT: range(101),
            Knob.CUTOFF: orders,
            Knob.MIN_ORDER: orders,
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy as set at a snapshot."""

    mode: PolicyMode
    threshold_pct: int
    cutoff: Order
    min_order: Order

    def mode_for(self, order: Order, share_pct: int) -> PolicyMode:
        """Return the mode decided on for an eligible request that saw this frag_pct.

        A mode that raises calls acts above (not at) the threshold; one that acts at the end, for
        costly orders, whatever the share (mm/buddy_monitor.c buddy_policy_decide).
        """
        acts = order > COSTLY_ORDER if self.mode.at_the_end else share_pct > self.threshold_pct
        return self.mode if acts else PolicyMode.OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctls:
    """All values by name; `policy` is None on a kernel without the series' knobs."""

    values: Mapping[str, str]
    policy: Policy | None


def parse_sysctl(text: str) -> Sysctls:
    """Parse the whole file; RecordError for a malformed line or a policy with a knob missing."""
    values: dict[str, str] = {}
    for line in whole_lines(text, _WHAT):
        match = _LINE.fullmatch(line)
        if match is None or match[1] in values:
            raise damaged(_WHAT, f"{shown(line)} is not name=value or is given twice")
        values[match[1]] = match[2]
    return Sysctls(values=values, policy=_policy(values))


def _policy(values: Mapping[str, str]) -> Policy | None:
    if not any(knob in values for knob in Knob):
        return None

    def set_to(knob: Knob) -> int:
        return natural(values.get(knob, ""), f"{_WHAT} {knob}")

    mode = set_to(Knob.MODE)
    if mode not in set(PolicyMode):
        raise damaged(_WHAT, f"{Knob.MODE} is {mode}, not 0 to {max(PolicyMode)}")
    return Policy(
        mode=PolicyMode(mode),
        threshold_pct=set_to(Knob.THRESHOLD_PCT),
        cutoff=order_of(set_to(Knob.CUTOFF), f"{_WHAT} {Knob.CUTOFF}"),
        min_order=order_of(set_to(Knob.MIN_ORDER), f"{_WHAT} {Knob.MIN_ORDER}"),
    )

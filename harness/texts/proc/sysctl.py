# SPDX-License-Identifier: GPL-2.0-only
"""Sysctls as saved: `vm.NAME=value` lines, and the policy's four among them.

The policy's knobs (the series' Documentation/admin-guide/sysctl/vm.rst):
vm.adaptive_compaction_mode (0 off, 1 late, 2 early, 3 light, 4 last, 5 clear), _threshold
(per cent), _cutoff and _min_order (orders).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from harness.texts.pages import COSTLY_ORDER, Order, order_of
from harness.texts.text import damaged, natural, shown, whole_lines

_WHAT = "sysctl"
_LINE = re.compile(r"([a-z][A-Za-z0-9_.-]*) ?= ?(.*)")
_POLICY_PREFIX = "vm.adaptive_compaction_"


class PolicyMode(IntEnum):
    """What the policy does for a request: which compaction calls it raises, or adds."""

    OFF = 0
    LATE = 1  # raises the second call only, to full priority
    EARLY = 2  # raises both calls, to full priority
    LIGHT = 3  # raises the first call only, to the priority of the second
    LAST = 4  # one call more, at full priority, where a costly request would give up
    CLEAR = 5  # there, empties ranges that hold no page that cannot be moved

    @property
    def at_the_end(self) -> bool:
        """Whether it leaves the ladder as it is, and acts for those who come to its end."""
        return self >= PolicyMode.LAST


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
    if not any(name.startswith(_POLICY_PREFIX) for name in values):
        return None

    def knob(name: str) -> int:
        return natural(values.get(_POLICY_PREFIX + name, ""), f"{_WHAT} {_POLICY_PREFIX}{name}")

    mode = knob("mode")
    if mode not in set(PolicyMode):
        raise damaged(_WHAT, f"{_POLICY_PREFIX}mode is {mode}, not 0 to {max(PolicyMode)}")
    return Policy(
        mode=PolicyMode(mode),
        threshold_pct=knob("threshold"),
        cutoff=order_of(knob("cutoff"), f"{_WHAT} cutoff"),
        min_order=order_of(knob("min_order"), f"{_WHAT} min_order"),
    )

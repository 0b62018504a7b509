"""Sysctls as saved: `vm.NAME=value` lines, and the policy's four among them.

The policy's knobs (the series' Documentation/admin-guide/sysctl/vm.rst):
vm.adaptive_compaction_mode (0 off, 1 late, 2 early), _threshold (per cent), _cutoff and
_min_order (orders).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from harness.kernel.pages import Order, order_of
from harness.kernel.text import damaged, natural, shown, whole_lines

_WHAT = "sysctl"
_LINE = re.compile(r"([a-z][A-Za-z0-9_.-]*) ?= ?(.*)")
_POLICY_PREFIX = "vm.adaptive_compaction_"


class PolicyMode(IntEnum):
    """Which compaction calls of a request the policy raises."""

    OFF = 0
    LATE = 1  # the second call only
    EARLY = 2  # both calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy as set at a snapshot; it acts on frag_pct above (not at) the threshold."""

    mode: PolicyMode
    threshold_pct: int
    cutoff: Order
    min_order: Order


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
        raise damaged(_WHAT, f"{_POLICY_PREFIX}mode is {mode}, not 0, 1 or 2")
    return Policy(
        mode=PolicyMode(mode),
        threshold_pct=knob("threshold"),
        cutoff=order_of(knob("cutoff"), f"{_WHAT} cutoff"),
        min_order=order_of(knob("min_order"), f"{_WHAT} min_order"),
    )

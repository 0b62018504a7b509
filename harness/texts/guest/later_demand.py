# SPDX-License-Identifier: GPL-2.0-only
"""What comes after a burst: the texts of vm/guest/scripts/later_demand.sh. Pure.

later_small is the result of a background load, see background_load.py; later_demand is

    later_demand 1
    order=9 attempts=256 failures=N
    end
"""

from dataclasses import dataclass

from harness.texts.pages import Order, order_of
from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

_WHAT = "later_demand"
_FIRST = "later_demand 1"
_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRequests:
    """Large requests of one order, made when the burst's blocks were given back."""

    order: Order
    attempts: int
    failures: int


def parse_later_demand(text: str) -> LateRequests:
    """Parse the whole file; RecordError if it is cut, or more failed than were made."""
    lines = whole_lines(text, _WHAT)
    if len(lines) != _LINES or lines[0] != _FIRST or lines[-1] != "end":
        raise damaged(_WHAT, f"it begins {shown(lines[0])} and ends {shown(lines[-1])}")
    values = key_values(lines[1].split(), _WHAT)
    found = LateRequests(
        order=order_of(natural(required(values, "order", _WHAT), _WHAT), _WHAT),
        attempts=natural(required(values, "attempts", _WHAT), _WHAT),
        failures=natural(required(values, "failures", _WHAT), _WHAT),
    )
    if found.failures > found.attempts:
        raise damaged(_WHAT, f"more failures than attempts in {shown(lines[1])}")
    return found

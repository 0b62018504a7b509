# SPDX-License-Identifier: GPL-2.0-only
"""The clocks at a snapshot, and which clocksource the kernel used.

`clocksource` is /sys/devices/system/clocksource/clocksource0/current_clocksource
(kernel/time/clocksource.c). With `jiffies` or `refined-jiffies` a latency is a multiple
of a tick and says nothing: it must be shown beside every latency.
"""

from dataclasses import dataclass

from harness.texts.text import key_values, natural, required, whole_lines

_WHAT = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Guest time: seconds since 1970, nanoseconds since boot."""

    realtime_s: int
    monotonic_ns: int
    clocksource: str

    @property
    def is_fine(self) -> bool:
        """Whether the clocksource resolves less than a tick."""
        return "jiffies" not in self.clocksource


def parse_clock(text: str) -> Clock:
    """Parse `realtime_s=N monotonic_ns=N clocksource=NAME`; a fraction of a second is dropped."""
    lines = whole_lines(text, _WHAT)
    values = key_values((word for line in lines for word in line.split()), _WHAT)
    seconds, point, fraction = required(values, "realtime_s", _WHAT).partition(".")
    if point:
        natural(fraction, _WHAT)
    return Clock(
        realtime_s=natural(seconds, _WHAT),
        monotonic_ns=natural(required(values, "monotonic_ns", _WHAT), _WHAT),
        clocksource=required(values, "clocksource", _WHAT),
    )

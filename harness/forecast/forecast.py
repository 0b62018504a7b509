# SPDX-License-Identifier: GPL-2.0-only
"""What a prediction says: an exact value, or bounds and why it cannot be exact.

All types here can be encoded and decoded by msgspec.
"""

from dataclasses import dataclass

from harness.texts.pages import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A number that must come out within [low, high]; `reason` is empty where it is exact."""

    low: int
    high: int
    reason: str

    @property
    def exact(self) -> bool:
        """Whether only one value is allowed."""
        return self.low == self.high

    def admits(self, observed: int) -> bool:
        """Whether the observation is a hit."""
        return self.low <= observed <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSlowpath:
    """The first request of the burst that misses the fast path, and what becomes of it."""

    index: Forecast  # 0 for the first request of the burst
    # False: by the bounds it is possible that no request enters the slowpath at all.
    certain: bool
    frag_pct: Forecast | None  # None: not recorded for such a request
    # Free blocks by order over the request's zones, as its decision sees them; None: not exact.
    free: tuple[int, ...] | None
    mode: Forecast | None  # the decided policy mode (0: left alone); None: no decision is made
    compact: Forecast  # attempts at compaction made for this one request
    success: Forecast  # 1: it is served


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """By how much the counters of the burst's order rise over the burst, and its last frag_pct."""

    order: Order
    req: Forecast
    success: Forecast
    fail: Forecast
    slowpath: Forecast
    compact: Forecast
    adaptive: Forecast
    # The row's frag_pct afterwards; None: no request records one, it stays what it was.
    frag_pct: Forecast | None
    first_slowpath: FirstSlowpath | None  # None: no request enters the slowpath

    def counter(self, name: str) -> Forecast:
        """Return one of harness.items.COUNTERS by name; KeyError for another."""
        return {
            "req": self.req,
            "success": self.success,
            "fail": self.fail,
            "slowpath": self.slowpath,
            "compact": self.compact,
            "adaptive": self.adaptive,
        }[name]

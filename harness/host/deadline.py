# SPDX-License-Identifier: GPL-2.0-only
"""A moment after which waiting is over, handed down instead of nested timeouts."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock; `what` names the work it limits."""

    what: str
    limit_s: float
    _end: float

    @classmethod
    def after(cls, limit_s: float, what: str) -> "Deadline":
        """End `limit_s` seconds from now."""
        return cls(what, limit_s, time.monotonic() + limit_s)

    @property
    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the moment has passed."""
        return self.remaining_s == 0.0

    def within(self, limit_s: float, what: str) -> "Deadline":
        """Give a part of the work `limit_s` seconds, but no more than is left of the whole."""
        return Deadline.after(min(limit_s, self.remaining_s), what)

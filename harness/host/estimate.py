# SPDX-License-Identifier: GPL-2.0-only
"""When a job ends: by how fast it goes, and by how long each part took when it was done before.

Parts of a job differ: of a kernel build the last lines link, of a run one stage takes half of the
time. So the seconds of the last time are kept, and how much faster or slower it goes now is learnt
on the way. Without them nothing is told of units that are not alike.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.encoding import UNREADABLE
from harness.host.files import atomic_write

FILE = "durations.json"
_PARTS_MAX = 40
_MOST_REMEMBERED = 200
# How much of the last time's duration must have passed for the present pace to count as much.
_TRUST = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """How a job went: its units, and the seconds of equal parts of them."""

    units: int
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Where a job's durations are kept, and by which name."""

    folder: Path
    job: str

    def recall(self) -> Past | None:
        """Return how the job went last; None if it was never done to its end here."""
        past = self._all().get(self.job)
        return past if past and past.units > 0 and past.seconds and sum(past.seconds) > 0 else None

    def keep(self, past: Past) -> None:
        """Note how the job went."""
        known = self._all()
        known.pop(self.job, None)
        kept = dict(list((known | {self.job: past}).items())[-_MOST_REMEMBERED:])
        atomic_write(self.folder / FILE, msgspec.json.encode(kept))

    def _all(self) -> dict[str, Past]:
        """Return what is remembered; a file that cannot be read is as good as none."""
        try:
            return msgspec.json.decode((self.folder / FILE).read_bytes(), type=dict[str, Past])
        except (OSError, *UNREADABLE):
            return {}


@dataclass(slots=True, kw_only=True)
class Estimate:
    """One job as it goes; times are in seconds of one clock."""

    total: int | None  # None: not known before its end
    started_s: float
    past: Past | None = None  # of as many units
    already: int = 0  # done before it began
    alike: bool = True  # whether a unit takes about as long as another
    _points: list[tuple[int, float]] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Units that are done."""
        return self._points[-1][0] if self._points else self.already

    def advance(self, done: int, now_s: float) -> None:
        """Note that `done` units are done."""
        if done > self.done:
            self._points.append((done, now_s))

    def left_s(self, now_s: float) -> float | None:
        """Return the seconds until the end, or None where nothing tells."""
        if self.total is None:
            return None
        reached_s = self._points[-1][1] if self._points else self.started_s
        weight = self._weight
        ahead = weight(self.total) - weight(self.done)
        behind = weight(self.done) - weight(self.already)
        passed_s = reached_s - self.started_s
        if self.past is None and not (behind and self.alike):
            return None
        prior = _TRUST * weight(self.total) if self.past else 0.0
        pace = (passed_s + prior) / (behind + prior)
        present = weight(min(self.done + 1, self.total)) - weight(self.done)
        return pace * ahead - min(now_s - reached_s, pace * present)

    def went(self, now_s: float, *, units: int) -> Past | None:
        """Return how the job went, as it ends now with `units`; None for less than a whole one."""
        if self.already or units < 1:
            return None
        points = [(0, self.started_s), *self._points]
        points = [point for point in points if point[0] < units] + [(units, now_s)]
        count = min(units, _PARTS_MAX)
        times = [_at(points, units * part / count) for part in range(count + 1)]
        seconds = tuple(round(end - begin, 3) for begin, end in itertools.pairwise(times))
        return Past(units=units, seconds=seconds)

    def _weight(self, done: int) -> float:
        """Return what the first `done` units took the last time, or their number."""
        if self.past is None or not self.total:
            return float(done)
        seconds = self.past.seconds
        whole, part = divmod(min(done, self.total) * len(seconds) / self.total, 1)
        return sum(seconds[: int(whole)]) + (part * seconds[int(whole)] if part else 0.0)


def told(left_s: float | None) -> str:
    """Say how long a job still takes, as roughly as it is known; empty where nothing is."""
    if left_s is None:
        return ""
    if left_s < 60:  # noqa: PLR2004 - a minute
        return f"about {max(5, 5 * round(left_s / 5)):.0f} s left"
    minutes = round(left_s / 60)
    hours, rest = divmod(minutes, 60)
    return f"about {hours} h {rest} min left" if hours else f"about {minutes} min left"


def _at(points: Sequence[tuple[int, float]], done: float) -> float:
    """Return when so much was done, on the line between the points."""
    for (before, before_s), (after, after_s) in itertools.pairwise(points):
        if done <= after:
            return before_s + (after_s - before_s) * (done - before) / (after - before)
    return points[-1][1]

# SPDX-License-Identifier: GPL-2.0-only
"""A figure that the README promises: what was measured here, beside its goal."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A time that should stay below its goal, or a rate that should reach it."""

    what: str
    value: float
    unit: str
    goal: float
    goal_is_most: bool
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal was reached here."""
        return self.value <= self.goal if self.goal_is_most else self.value >= self.goal

    def __str__(self) -> str:
        """Print as a line of a table."""
        value = f"{self.value:8.1f}" if self.goal_is_most else f"{self.value:8.0f}"
        verdict = "met" if self.met else "MISSED"
        return (
            f"{self.what:<44} {value} {self.unit}   goal {self.goal:g} {self.unit}  {verdict}"
            f"{'  ' + self.note if self.note else ''}"
        )


def duration(what: str, seconds: float, *, goal_s: float, note: str = "") -> Figure:
    """Make the figure of a time, in seconds."""
    return Figure(what=what, value=seconds, unit="s", goal=goal_s, goal_is_most=True, note=note)


def rate(what: str, value: float, *, unit: str, goal: float, note: str = "") -> Figure:
    """Make the figure of a rate."""
    return Figure(what=what, value=value, unit=unit, goal=goal, goal_is_most=False, note=note)


def timed(job: Callable[[], Result]) -> tuple[Result, float]:
    """Do a job; return its result and the seconds it took."""
    start_s = time.monotonic()
    return job(), time.monotonic() - start_s

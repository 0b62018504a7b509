# SPDX-License-Identifier: GPL-2.0-only
"""What a check is: a name, why it must hold, and numbers compared.

A check yields comparisons; one that does not hold is a finding, never an exception.
A check that compared nothing has not held: that is a RecordError.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import RecordError
from harness.record.run import RunRecord
from harness.texts.build.provides import MONITOR


class Status(StrEnum):
    """What came of a check."""

    HELD = "held"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """A judged check; `details` show the numbers compared, broken ones first."""

    name: str
    why: str
    status: Status
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison, with its numbers in words."""

    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Why there is nothing to compare in this run."""

    reason: str


Judge = Callable[[RunRecord], NotApplicable | Iterable[Comparison]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check before it is judged; `why` is one line."""

    name: str
    why: str
    judge: Judge

    def result(self, run: RunRecord) -> CheckResult:
        """Judge `run`; RecordError if data is absent or nothing was compared."""
        outcome = self.judge(run)
        if isinstance(outcome, NotApplicable):
            return self._result(Status.NOT_APPLICABLE, (outcome.reason,))
        comparisons = tuple(outcome)
        if not comparisons:
            raise RecordError(f"check {self.name}: nothing to compare in this run; repeat the run")
        broken = tuple(f"broken: {each.text}" for each in comparisons if not each.holds)
        held = tuple(each.text for each in comparisons if each.holds)
        return self._result(Status.FAILED if broken else Status.HELD, broken + held)

    def _result(self, status: Status, details: tuple[str, ...]) -> CheckResult:
        return CheckResult(name=self.name, why=self.why, status=status, details=details)


def unmonitored(run: RunRecord) -> NotApplicable | None:
    """Return why checks of the monitor do not apply; RecordError if it should be there."""
    if run.monitored:
        return None
    if MONITOR in run.provenance.provides:
        raise RecordError("buddy_monitor is absent although the kernel has it; repeat the run")
    why = "has no patch applied that adds" if run.provenance.patches else "is unpatched: it has no"
    return NotApplicable(f"the kernel {why} /proc/buddy_monitor")

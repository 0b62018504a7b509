# SPDX-License-Identifier: GPL-2.0-only
"""All checks, in the order a reader meets them, and the judging of a run."""

from harness.checks import (
    compaction,
    counters,
    decisions,
    headline,
    identity,
    last_resort,
    last_resort_bounds,
    memory,
    module,
    policy,
    priorities,
    reconcile,
    torture,
)
from harness.checks import forecast as prediction
from harness.checks.base import Check, CheckResult, Status
from harness.record.run import RunRecord

CHECKS: tuple[Check, ...] = (
    *identity.CHECKS,
    *counters.CHECKS,
    *memory.CHECKS,
    *module.CHECKS,
    *reconcile.CHECKS,
    *compaction.CHECKS,
    *policy.CHECKS,
    *priorities.CHECKS,
    *decisions.CHECKS,
    *last_resort.CHECKS,
    *last_resort_bounds.CHECKS,
    *prediction.CHECKS,
    *torture.CHECKS,
    *headline.CHECKS,
)


def judge(run: RunRecord) -> tuple[CheckResult, ...]:
    """Judge a run by every check; RecordError if data a check needs is absent."""
    return tuple(check.result(run) for check in CHECKS)


def all_hold(results: tuple[CheckResult, ...]) -> bool:
    """Whether no check failed; the run's exit code is CHECK_FAILED otherwise."""
    return all(result.status is not Status.FAILED for result in results)

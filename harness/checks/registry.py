# SPDX-License-Identifier: GPL-2.0-only
"""All checks, and the judging of a run.

A module of this package that has CHECKS is found by itself; its RANK says where a reader meets
them, lowest first.
"""

import pkgutil
from importlib import import_module
from types import ModuleType

from harness import checks
from harness.checks.base import Check, CheckResult, Status
from harness.record.run import RunRecord


def _modules() -> list[ModuleType]:
    names = (each.name for each in pkgutil.iter_modules(checks.__path__, f"{checks.__name__}."))
    found = [import_module(name) for name in names if name != __name__]
    return sorted(
        (module for module in found if hasattr(module, "CHECKS")),
        key=lambda module: (module.RANK, module.__name__),
    )


CHECKS: tuple[Check, ...] = tuple(check for module in _modules() for check in module.CHECKS)


def judge(run: RunRecord) -> tuple[CheckResult, ...]:
    """Judge a run by every check; RecordError if data a check needs is absent."""
    return tuple(check.result(run) for check in CHECKS)


def all_hold(results: tuple[CheckResult, ...]) -> bool:
    """Whether no check failed; the run's exit code is CHECK_FAILED otherwise."""
    return all(result.status is not Status.FAILED for result in results)

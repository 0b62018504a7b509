# SPDX-License-Identifier: GPL-2.0-only
"""KTAP: one result per check, as the kernel's own tests give them to kernel CI.

KTAP version 1 (Documentation/dev-tools/ktap.rst), as `tools/testing/kunit/kunit.py parse` reads it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.checks.base import CheckResult, Status
from harness.report.document import Run

SUITE = "buddylab"
_VERSION = "KTAP version 1"
_INDENT = " " * 4
_DETAILS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Results that belong together, and what is told before them."""

    name: str
    about: tuple[str, ...]
    checks: tuple[CheckResult, ...]

    @property
    def holds(self) -> bool:
        """Whether none failed."""
        return all(check.status is not Status.FAILED for check in self.checks)


def ktap(run: Run) -> str:
    """Return a run's file: one suite, whose subtests are the checks."""
    about = (
        f"kernel {run.uname_r}, {run.key.mode}, scale {run.scale}",
        f"replay key {run.key_digest}",
    )
    return document([Suite(name=SUITE, about=about, checks=run.checks)])


def document(suites: Sequence[Suite]) -> str:
    """Return a whole file: each suite with its checks as subtests."""
    return "".join(f"{line}\n" for line in _lines(suites))


def _lines(suites: Sequence[Suite]) -> Iterator[str]:
    yield _VERSION
    yield f"1..{len(suites)}"
    for number, suite in enumerate(suites, start=1):
        for line in _suite(suite):
            yield _INDENT + line
        yield f"{'ok' if suite.holds else 'not ok'} {number} {_plain(suite.name)}"


def _suite(suite: Suite) -> Iterator[str]:
    yield _VERSION
    yield f"# Subtest: {_plain(suite.name)}"
    yield f"1..{len(suite.checks)}"
    yield from map(_diagnostic, suite.about)
    for number, check in enumerate(suite.checks, start=1):
        yield from _result(number, check)


def _result(number: int, check: CheckResult) -> Iterator[str]:
    if check.status is Status.FAILED:
        # What a result is about stands before it.
        yield from map(_diagnostic, (f"why: {check.why}", *check.details[:_DETAILS_SHOWN]))
        if len(check.details) > _DETAILS_SHOWN:
            yield _diagnostic(f"and {len(check.details) - _DETAILS_SHOWN} more, see report.html")
        yield f"not ok {number} {_plain(check.name)}"
    elif check.status is Status.NOT_APPLICABLE:
        yield f"ok {number} {_plain(check.name)} # SKIP {_plain(check.details[0])}"
    else:
        yield f"ok {number} {_plain(check.name)}"


def _diagnostic(text: str) -> str:
    return f"# {_plain(text)}"


def _plain(text: str) -> str:
    """Make one printable line of a text, in which no directive begins."""
    line = " ".join(text.split()).replace("#", "No.")
    return "".join(each if each.isprintable() else "?" for each in line)

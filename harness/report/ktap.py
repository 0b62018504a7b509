# SPDX-License-Identifier: GPL-2.0-only
"""run.ktap: one result per check, as the kernel's own tests give them to kernel CI.

KTAP version 1 (Documentation/dev-tools/ktap.rst), as `tools/testing/kunit/kunit.py parse` reads it.
"""

from collections.abc import Iterator

from harness.checks.base import CheckResult, Status
from harness.report.document import Run, Verdict

SUITE = "buddylab"
_VERSION = "KTAP version 1"
_INDENT = " " * 4
_DETAILS_SHOWN = 20


def ktap(run: Run) -> str:
    """Return the whole file: one suite, whose subtests are the checks."""
    return "".join(f"{line}\n" for line in _lines(run))


def _lines(run: Run) -> Iterator[str]:
    yield _VERSION
    yield "1..1"
    for line in _suite(run):
        yield _INDENT + line
    holds = run.verdict is Verdict.ALL_HOLD
    yield f"{'ok' if holds else 'not ok'} 1 {SUITE}"


def _suite(run: Run) -> Iterator[str]:
    yield _VERSION
    yield f"# Subtest: {SUITE}"
    yield f"1..{len(run.checks)}"
    yield _diagnostic(f"kernel {run.uname_r}, {run.key.mode}, scale {run.scale}")
    yield _diagnostic(f"replay key {run.key_digest}")
    for number, check in enumerate(run.checks, start=1):
        yield from _result(number, check)


def _result(number: int, check: CheckResult) -> Iterator[str]:
    if check.status is Status.FAILED:
        # What a result is about stands before it.
        yield from map(_diagnostic, (f"why: {check.why}", *check.details[:_DETAILS_SHOWN]))
        if len(check.details) > _DETAILS_SHOWN:
            yield _diagnostic(f"and {len(check.details) - _DETAILS_SHOWN} more, see report.html")
        yield f"not ok {number} {check.name}"
    elif check.status is Status.NOT_APPLICABLE:
        yield f"ok {number} {check.name} # SKIP {_plain(check.details[0])}"
    else:
        yield f"ok {number} {check.name}"


def _diagnostic(text: str) -> str:
    return f"# {_plain(text)}"


def _plain(text: str) -> str:
    """Make one printable line of a text, in which no directive begins."""
    line = " ".join(text.split()).replace("#", "No.")
    return "".join(each if each.isprintable() else "?" for each in line)

# SPDX-License-Identifier: GPL-2.0-only
"""run.ktap: as kernel CI reads it (tools/testing/kunit/kunit_parser.py of 5.18 and later)."""

import re
from dataclasses import replace

import pytest
import synthetic_run

from harness.checks.base import CheckResult, Status
from harness.report.document import Run, Verdict, decode_run
from harness.report.ktap import ktap

RUN = decode_run(synthetic_run.document())
# The parser's expressions for a result and a plan, retyped.
RESULT = re.compile(r"^\s*(ok|not ok) ([0-9]+) ?(- )?([^#]*)( # .*)?$")
PLAN = re.compile(r"^\s*1\.\.([0-9]+)$")


def with_checks(*checks: CheckResult) -> Run:
    failed = any(check.status is Status.FAILED for check in checks)
    verdict = Verdict.FAILED if failed else Verdict.ALL_HOLD
    return replace(RUN, checks=checks, verdict=verdict)


def check(status: Status, *details: str, name: str = "one") -> CheckResult:
    return CheckResult(name=name, why="because", status=status, details=details or ("text",))


def results(run: Run) -> list[tuple[str, str, str]]:
    """Return status, name and directive of each check's result."""
    found = [match for line in ktap(run).splitlines()[2:-1] if (match := RESULT.match(line))]
    assert [int(match[2]) for match in found] == list(range(1, len(found) + 1))
    return [(match[1], match[4].strip(), (match[5] or "").strip()) for match in found]


def test_each_check_is_a_result_below_one_suite() -> None:
    lines = ktap(RUN).splitlines()

    assert lines[:2] == ["KTAP version 1", "1..1"]
    assert lines[2:4] == ["    KTAP version 1", "    # Subtest: buddylab"]
    assert lines[-1] == "ok 1 buddylab"
    (plan,) = [match[1] for line in lines[2:] if (match := PLAN.match(line))]
    assert int(plan) == len(RUN.checks) == len(results(RUN))
    assert [name for _, name, _ in results(RUN)] == [one.name for one in RUN.checks]


def test_a_failure_fails_the_suite_and_says_why_before() -> None:
    run = with_checks(check(Status.HELD), check(Status.FAILED, "broken: 3 is not 4", name="two"))
    lines = ktap(run).splitlines()

    assert lines[-1] == "not ok 1 buddylab"
    assert results(run) == [("ok", "one", ""), ("not ok", "two", "")]
    at = lines.index("    not ok 2 two")
    assert lines[at - 2 : at] == ["    # why: because", "    # broken: 3 is not 4"]


def test_what_does_not_apply_is_skipped() -> None:
    run = with_checks(check(Status.NOT_APPLICABLE, "no monitor"))

    assert results(run) == [("ok", "one", "# SKIP no monitor")]
    assert ktap(run).splitlines()[-1] == "ok 1 buddylab"


@pytest.mark.parametrize("text", ["a # TODO b", "x\nok 2 forged", "\x1b[31m\x00", "# SKIP", "1..9"])
def test_no_text_is_taken_for_a_result(text: str) -> None:
    run = with_checks(check(Status.FAILED, text), check(Status.NOT_APPLICABLE, text, name="two"))

    found = results(run)
    assert [(status, name) for status, name, _ in found] == [("not ok", "one"), ("ok", "two")]
    assert found[1][2].startswith("# SKIP ")
    assert found[1][2].count("#") == 1
    assert all(line.isprintable() for line in ktap(run).splitlines())
    assert len([line for line in ktap(run).splitlines() if PLAN.match(line)]) == 2


def test_many_details_are_cut() -> None:
    run = with_checks(check(Status.FAILED, *(f"broken: {at}" for at in range(500))))

    assert len(ktap(run).splitlines()) < 40
    assert "and 480 more, see report.html" in ktap(run)

# SPDX-License-Identifier: GPL-2.0-only
"""Reports of a judged run: complete, deterministic, and loud where they must be."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import synthetic_run
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks.base import CheckResult, Status
from harness.errors import RecordError
from harness.host.templates import markdown
from harness.record import schema
from harness.report.document import Run, Verdict, decode_run, encode_run
from harness.report.junit import junit
from harness.report.run_page import run_page
from harness.report.summary import latencies
from harness.report.terminal import terminal_summary
from harness.workloads.paper import Scale, stages
from harness.writers.page import Page, Section, cell, table

ROOT = Path(__file__).parents[3]
Golden = Callable[[str, str], None]
DOCUMENT = synthetic_run.document()
BROKEN = CheckResult(
    name="req-is-success-plus-fail",
    why="each request ends once",
    status=Status.FAILED,
    details=("broken: order 10: req 3 - success 1 | \x00 - fail 1 = 1", "verify: fine"),
)


@pytest.fixture
def run() -> Run:
    return decode_run(DOCUMENT)


def failed(run: Run) -> Run:
    checks = tuple(BROKEN if check.name == BROKEN.name else check for check in run.checks)
    return replace(run, verdict=Verdict.FAILED, checks=checks)


def written(run: Run) -> str:
    return markdown(run_page(run))


def test_document_round_trips_to_the_byte(run: Run) -> None:
    assert encode_run(run) == DOCUMENT
    assert decode_run(encode_run(failed(run))) == failed(run)


def test_document_names_no_path_of_the_host(run: Run) -> None:
    assert not re.search(r'"/(?!\*)', encode_run(run))


@given(cut=st.integers(0, len(DOCUMENT) - 3))
def test_document_cut_short_is_an_error(cut: int) -> None:
    with pytest.raises(RecordError):
        decode_run(DOCUMENT[:cut])


@given(text=st.text())
def test_any_text_is_a_run_or_a_record_error(text: str) -> None:
    with pytest.raises(RecordError):
        decode_run(text)


READS = f"this version reads {schema.RUN.number}"
SCHEMA = f'"schema": {schema.RUN.number}'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            SCHEMA,
            '"schema": 1',
            f"schema 1, this version reads {schema.RUN.number}; commit c3e457c",
        ),
        (
            SCHEMA,
            '"schema": 99',
            f"schema 99, this version reads {schema.RUN.number}; another version",
        ),
        (SCHEMA, '"schema": "1"', "Expected `int`"),
        ('"all_checks_hold"', '"probably_fine"', "probably_fine"),
        ('"uname_r"', '"uname"', "uname_r"),
    ],
)
def test_document_of_another_kind_is_an_error(old: str, new: str, message: str) -> None:
    assert old in DOCUMENT

    with pytest.raises(RecordError, match=message):
        decode_run(DOCUMENT.replace(old, new))


def test_deep_nesting_is_an_error() -> None:
    with pytest.raises(RecordError):
        decode_run('{"x":' * 100000)


def test_junit_has_a_case_per_check(run: Run) -> None:
    suite = ET.fromstring(junit(failed(run))).find("testsuite")  # noqa: S314 - our own

    assert suite is not None
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert len(cases) == len(run.checks) == int(suite.get("tests", ""))
    skipped = [check for check in run.checks if check.status is Status.NOT_APPLICABLE]
    assert (suite.get("failures"), suite.get("skipped")) == ("1", str(len(skipped)))
    failure = cases["req-is-success-plus-fail"].find("failure")
    assert failure is not None
    assert "req 3" in failure.get("message", "")
    assert cases["policy-off-changes-nothing"].find("skipped") is not None
    assert "timestamp" not in junit(run)
    assert "time=" not in junit(run)


def summary(run: Run) -> str:
    """Tell all that the terminal can."""
    return terminal_summary(run, place="runs/first/report.md", whole=True)


def test_what_a_run_is_told_as(run: Run, golden: Golden) -> None:
    golden("run-small.md", written(run))
    golden("run-small.txt", terminal_summary(run, place="runs/first/report.md"))
    golden("run-small-verbose.txt", summary(run))
    golden("run-small.xml", junit(run))


def test_reports_are_deterministic(run: Run) -> None:
    again = decode_run(DOCUMENT)

    assert junit(run) == junit(again)
    assert summary(run) == summary(again)
    assert written(run) == written(again)


def test_terminal_lines_fit(run: Run) -> None:
    long = replace(
        failed(run),
        uname_r="9" * 200,
        stages=tuple(replace(stage, name=stage.name * 9) for stage in run.stages),
    )

    for each in (run, failed(run), long):
        text = summary(each)
        assert max(len(line) for line in text.splitlines()) <= 100
    for text in (summary(failed(run)), terminal_summary(failed(run), place="x")):
        assert "FAILED  req-is-success-plus-fail" in text
        assert "broken: order 10" in text


def test_a_run_ends_with_its_verdict_headline_and_report(run: Run) -> None:
    for judged, verdict in ((run, "all checks hold"), (failed(run), "a check failed")):
        lines = terminal_summary(judged, place="runs/first/report.md").splitlines()

        assert lines[-4].startswith(f"verdict:  {verdict} (")
        assert "slowpath 40, compact 40, adaptive 38 of 128 requests of order 10" in lines[-3]
        assert lines[-2:] == [f"key:      {run.key_digest}", "report:   runs/first/report.md"]
        listed = [check.name for check in judged.checks if f"  {check.name}" in "\n".join(lines)]
        assert listed == [c.name for c in judged.checks if c.status is Status.FAILED]


def test_a_run_that_holds_warns_of_nothing(run: Run) -> None:
    text = written(run)

    assert "WARNING:" not in text
    assert "\n\n\n" not in text
    assert run.key_digest in text
    assert run.raw_digest in text


def test_markdown_tables_are_rectangular(run: Run) -> None:
    width = 0
    for line in written(failed(run)).splitlines():
        columns = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not columns or not width or columns == width, line
        width = columns


@pytest.mark.parametrize(
    ("uname_r", "upstream", "clocksource_is_fine", "warnings"),
    [
        ("5.15.180", True, True, 0),
        ("5.15.180-buddylab", True, True, 0),
        ("5.15.1800", True, True, 1),
        ("6.1.192", None, True, 2),
        ("5.15.180", False, True, 1),
        ("6.1.192", False, False, 3),
    ],
)
def test_another_kernel_is_loud(
    run: Run,
    uname_r: str,
    upstream: bool | None,  # noqa: FBT001
    clocksource_is_fine: bool,  # noqa: FBT001
    warnings: int,
) -> None:
    other = replace(
        run,
        uname_r=uname_r,
        provenance=replace(run.provenance, page_alloc_upstream=upstream),
        clocksource_is_fine=clocksource_is_fine,
    )

    assert written(other).count("> **WARNING:") == warnings
    assert summary(other).count("WARNING:") == warnings


def test_a_run_of_few_stages_without_monitor_is_reported(run: Run) -> None:
    stage = run.stages[0]
    bare = replace(
        stage,
        before=replace(stage.before, monitor=(), policy=None),
        after=replace(stage.after, monitor=(), policy=None),
        deltas=(),
        reconciliation=None,
    )

    text = written(replace(run, stages=(bare,), headline=None))

    assert "This run has no stage stress_ng." in text
    assert "no final burst" in text
    assert "has no cross-checks" in text
    assert summary(replace(run, stages=(bare,), headline=None))


def test_the_terminal_names_each_stage(run: Run) -> None:
    names = [stage.name for stage in stages(Scale.PAPER)] + ["x" * 64]
    told = summary(replace(run, stages=tuple(replace(run.stages[0], name=name) for name in names)))
    _, table, *_ = told.split("\n\n")
    assert [row.split()[0] for row in table.splitlines()[1:]] == [*names[:-1], "x" * 16 + "..."]


def test_a_failed_check_is_in_the_verdict(run: Run) -> None:
    text = written(failed(run))

    assert f"1 of {len(run.checks)} checks failed: req-is-success-plus-fail." in text
    assert "- broken: order 10: req 3" in text


@given(values=st.lists(st.integers(0, 10**12), min_size=1))
def test_latencies_are_values_that_occurred_in_order(values: list[int]) -> None:
    found = latencies(tuple(values))

    assert found is not None
    ranks = [found.min_ns, found.median_ns, found.p95_ns, found.p99_ns, found.max_ns]
    assert ranks == sorted(ranks)
    assert set(ranks) <= set(values)
    assert (ranks[0], ranks[-1]) == (min(values), max(values))


def test_latencies_are_the_nearest_rank() -> None:
    found = latencies(tuple(range(1, 101)))

    assert found is not None
    assert (found.median_ns, found.p95_ns, found.p99_ns) == (50, 95, 99)
    assert latencies(()) is None


@given(text=st.text())
@settings(deadline=None)  # the first page compiles its template
def test_a_cell_never_breaks_its_table(text: str) -> None:
    section = Section(title="any", tables=(table(("name", "value"), ((text, 1),)),))
    page = markdown(Page(title="any", lead=(), sections=(section,)))

    assert cell(text)
    assert "\n" not in cell(text)
    (row,) = (line for line in page.splitlines() if line.endswith("| 1 |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3

# SPDX-License-Identifier: GPL-2.0-only
"""Results that the project keeps are read, say who made them, and are reported as they lie."""

from pathlib import Path

import pytest

from harness.compare.page import comparison_page
from harness.compare.results import RESULTS, parse_results
from harness.host.templates import markdown
from harness.record import schema

KEPT = sorted(Path("docs/results").glob("*/" + RESULTS))
SMALLEST = min(KEPT, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_kept_results_are_read(path: Path) -> None:
    results = parse_results(path.read_bytes(), str(path))

    assert results.arms
    assert results.plan.claims


def test_a_kept_report_is_what_its_results_come_to() -> None:
    results = parse_results(SMALLEST.read_bytes(), str(SMALLEST))

    assert markdown(comparison_page(results)) == SMALLEST.with_name("report.md").read_text()


def test_results_of_an_earlier_version_say_so() -> None:
    results = parse_results(SMALLEST.read_bytes(), str(SMALLEST))
    page = comparison_page(results)

    assert bool(page.warnings) == (results.kernels.key_schema != schema.KEY.number)

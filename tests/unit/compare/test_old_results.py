# SPDX-License-Identifier: GPL-2.0-only
"""Results of earlier schemas: read and reported as they were, and never replayed as if of today."""

import re
import shutil
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.compare.measures import Measure
from harness.compare.results import KERNELS, PLAN, RESULTS, parse_kernels, parse_results
from harness.errors import Exit, RecordError
from harness.jobs.plan_file import read_plan
from harness.jobs.saved_arm import find, require_comparable
from harness.record import schema

DOCS = Path("docs/results")
FOLDERS = sorted(path.parent for path in DOCS.glob(f"*/{RESULTS}"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_all_results_of_the_documents_are_read(folder: Path) -> None:
    results = parse_results((folder / RESULTS).read_bytes(), str(folder))
    kernels = (folder / KERNELS).read_bytes()
    assert results.arms
    assert results.plan.experiment == read_plan(folder / PLAN).experiment
    assert parse_kernels(kernels, read_plan(folder / PLAN), KERNELS) == results.kernels


def test_the_report_is_written_anew_and_the_results_stay(tmp_path: Path) -> None:
    folder = shutil.copytree(DOCS / "e4-5.15", tmp_path / "e4-5.15")
    (folder / "report.md").unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    argv = ["compare", str(folder / PLAN), "--output", str(folder), "--report-only"]
    assert main(argv) == Exit.OK
    report = (folder / "report.md").read_text()
    assert "QEMU 7.2.22 (Debian" in report
    assert "5.15.180 (local), 12 patches, counters percpu, vmlinux" in report
    for name in ("report.md", "report.html"):
        (folder / name).unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_arm_of_old_results_names_the_commit_that_replays_it() -> None:
    folder = DOCS / "e4-5.15"
    results = parse_results((folder / RESULTS).read_bytes(), str(folder))
    if results.kernels.key_schema == schema.KEY.number:
        pytest.skip("these were made anew")
    saved = find(results.arms[0].key, (folder,))
    with pytest.raises(RecordError, match="commit b5c8ea9 of this project replays it"):
        require_comparable(saved)


def test_without_a_page_beside_them_no_commit_is_made_up(tmp_path: Path) -> None:
    folder = shutil.copytree(DOCS / "e4-5.15", tmp_path / "e4-5.15")
    results = parse_results((folder / RESULTS).read_bytes(), str(folder))
    saved = find(results.arms[0].key, (folder,))
    with pytest.raises(RecordError, match="the commit that made it of this project replays it"):
        require_comparable(saved)


def test_failures_of_a_later_demand_are_read_as_that() -> None:
    """They were counted as a background load's, by a line that was made to look like one."""
    folder = DOCS / "e5-5.15"
    results = parse_results((folder / RESULTS).read_bytes(), str(folder))
    assert all(one.outcome.background_load is None for one in results.arms)
    assert all(one.outcome.later_demand for one in results.arms)
    assert {
        one.outcome.later_demand.attempts for one in results.arms if one.outcome.later_demand
    } == {256}
    assert {claim.measure for claim in results.plan.claims} >= {Measure.LATER_FAILURES}
    assert Measure.BACKGROUND_FAILURES not in {claim.measure for claim in results.plan.claims}


def test_a_background_load_of_before_is_one_today() -> None:
    folder = DOCS / "designs-5.15"
    results = parse_results((folder / RESULTS).read_bytes(), str(folder))
    assert all(one.outcome.later_demand is None for one in results.arms)
    loads = [one.outcome.background_load for one in results.arms]
    assert all(load and load.attempts <= 2000 for load in loads)
    assert [burst.background_load for burst in results.plan.bursts] == [2000, 2000]


def test_figures_of_the_documents_stay_the_same(tmp_path: Path) -> None:
    """Words of reports change, what was measured does not."""
    folder = shutil.copytree(DOCS / "e5-5.15", tmp_path / "e5-5.15")
    old = (folder / "report.md").read_text()
    argv = ["compare", str(folder / PLAN), "--output", str(folder), "--report-only"]
    assert main(argv) == Exit.OK
    new = (folder / "report.md").read_text()
    claim = r"\| clear: (?:bystander|later)_failures not_more early (\|.*)"
    assert len(re.findall(claim, old)) == 2
    assert re.findall(claim, new) == re.findall(claim, old)

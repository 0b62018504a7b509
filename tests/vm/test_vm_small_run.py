# SPDX-License-Identifier: GPL-2.0-only
"""The main job on a real kernel: source to verdict, small, repeatable, twice.

This is the regression of req == success + fail: whatever kernel this machine can get is
patched, built, booted, put through the paper's stages and judged by every check.
"""

import filecmp
import json
import os
import re
import subprocess  # noqa: TID251 - the command as a user types it
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.report.document import Run, Verdict, decode_run

pytestmark = pytest.mark.vm

LIMIT_S = 2900


def buddylab(*arguments: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    """Run the command; its progress goes where pytest's output goes."""
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL")
    which = ("--kernel", kernel) if kernel and arguments[0] == "run" else ()
    argv = [sys.executable, "-m", "harness", *arguments, *which]
    return subprocess.run(argv, check=False, stdout=subprocess.PIPE, text=True, timeout=limit_s)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "first"
    done = buddylab("run", "--scale", "small", "--output", str(path))
    sys.stdout.write(done.stdout)
    assert done.returncode == 0
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return decode_run((folder / "run.json").read_text())


def test_every_check_holds(run: Run) -> None:
    assert run.verdict is Verdict.ALL_HOLD
    assert len([check for check in run.checks if check.status == "held"]) >= 34


def test_headline_is_slowpath_compact_adaptive(run: Run) -> None:
    headline = run.headline

    assert headline is not None
    assert headline.success == headline.req == 128
    assert headline.adaptive >= 8
    assert headline.slowpath == headline.compact == headline.adaptive


def test_junit_has_a_case_for_each_check(folder: Path, run: Run) -> None:
    cases = ET.parse(folder / "junit.xml").getroot().iter("testcase")  # noqa: S314 - ours

    assert len(list(cases)) == len(run.checks)


def counted_by_kunit(ktap: Path) -> dict[str, str]:
    """Let the parser of a kernel's own tree read a file; return its counts."""
    found = sorted(Cache.default().root.glob("sources/*/tree/tools/testing/kunit/kunit.py"))
    # 5.15's does not know KTAP yet.
    known = [one for one in found if "KTAP" in one.with_name("kunit_parser.py").read_text()]
    if not known:
        pytest.skip("no kernel source that is in the cache has a parser of KTAP")
    argv = [sys.executable, str(known[-1]), "parse", str(ktap)]
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return dict(re.findall(r"(passed|failed|crashed|skipped|errors): ([0-9]+)", done.stdout))


def test_kunit_of_the_kernel_s_own_tree_reads_the_results(folder: Path, run: Run) -> None:
    skipped = sum(check.status == "not_applicable" for check in run.checks)
    assert counted_by_kunit(folder / "run.ktap") == {
        "passed": str(len(run.checks) - skipped),
        **({"skipped": str(skipped)} if skipped else {}),
    }


def test_kunit_reads_what_review_writes(run: Run, tmp_path: Path) -> None:
    """Of the gates that compile nothing, on the kernel of the run."""
    ktap = tmp_path / "review.ktap"
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL") or run.provenance.kernel_origin.split()[0]
    only = "apply,default-off,help"
    done = buddylab("review", "--only", only, "--kernel", kernel, "--ktap", str(ktap), "--json")
    assert done.returncode == 0, done.stdout
    counts = Counter(
        cell["state"] for row in json.loads(done.stdout)["rows"] for cell in row["cells"]
    )
    assert counts["held"] >= 3
    told = counted_by_kunit(ktap)
    assert int(told["passed"]) == counts["held"]
    assert sum(map(int, told.values())) == counts.total()


def test_second_run_is_the_same_to_the_byte(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert buddylab("run", "--scale", "small", "--output", str(again)).returncode == 0

    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(again).as_posix() for p in again.rglob("*") if p.is_file())
    # host.json is what the host saw: times, and why it chose the accelerator.
    differing = [
        name
        for name in names
        if name != "host.json" and not filecmp.cmp(folder / name, again / name, shallow=False)
    ]
    assert differing == []


def test_saved_folder_is_judged_again_without_a_guest(folder: Path) -> None:
    before = (folder / "report.md").read_bytes()

    assert buddylab("check", str(folder)).returncode == 0
    assert buddylab("report", str(folder)).returncode == 0
    assert (folder / "report.md").read_bytes() == before


def test_bursts_are_predicted(run: Run) -> None:
    predicted = {stage.name: stage.predicted for stage in run.stages if stage.predicted}

    assert {"predict_easy_4", "predict_edge_10", "predict_hopeless_10"} <= predicted.keys()
    assert [each for row in predicted.values() for each in row if not each.hit] == []
    # Where memory is enough nothing may be left open.
    easy = [each for name, row in predicted.items() if "easy" in name for each in row]
    assert [each.counter for each in easy if each.low != each.high] == []


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run with the policy off and without the cross-checks."""
    path = tmp_path_factory.mktemp("other") / "run"
    off = ("--policy", "off", "--cross-checks", "off")
    done = buddylab("run", "--scale", "small", *off, "--output", str(path))
    sys.stdout.write(done.stdout)
    # The stock ladder may or may not get all blocks; that is what a finding is for.
    assert done.returncode in (0, 1)
    return path


@pytest.mark.long
def test_policy_off_never_raises_a_priority(other: Path) -> None:
    run = decode_run((other / "run.json").read_text())

    # The torture sets the policy's knobs itself.
    stages = [stage for stage in run.stages if stage.name != "torture"]
    assert sum(delta.adaptive for stage in stages for delta in stage.deltas) == 0
    failed = {check.name for check in run.checks if check.status == "failed"}
    assert failed <= {"headline-burst-is-served-by-compaction"}


@pytest.mark.long
def test_without_cross_checks_the_monitor_counts_much_the_same(folder: Path, other: Path) -> None:
    said = buddylab("difference", str(folder), str(other))
    sys.stdout.write(said.stdout)
    lines = dict(line.split(maxsplit=1) for line in said.stdout.splitlines())
    # They take memory, so where a burst meets its limit moves a little; what needs none does not.
    assert [name for name in ("high_order_early", "baseline") if lines[name] != "the same"] == []

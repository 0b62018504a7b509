# SPDX-License-Identifier: GPL-2.0-only
"""The main job on a kernel as it is: what needs no monitor holds, the rest says why not judged.

$BUDDYLAB_TEST_KERNEL may name a kernel that the series is not made for.
"""

import os
import subprocess  # noqa: TID251 - the command as a user types it
import sys
from pathlib import Path

import pytest

from harness.checks.registry import CHECKS
from harness.report.document import Run, Verdict, decode_run

pytestmark = [pytest.mark.vm, pytest.mark.long]

LIMIT_S = 2900
# Whatever the kernel: each of them compared numbers.
HELD = {
    "kernel-is-the-one-built",
    "module-is-the-one-built",
    "every-command-ended-with-0",
    "kernel-log-is-clean",
    "compaction-events-only-rise",
    "free-blocks-add-up-to-free-pages",
    "every-stall-has-an-outcome",
    "module-records-add-up",
    "events-match-module-records",
    "probes-match-histograms",
    "stalls-are-traced",
    "torture-takes-every-exit",
}
# Of a kernel whose rules the model does not know, nothing is predicted.
PREDICTION = "prediction-holds"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path: Path = tmp_path_factory.mktemp("stock") / "run"
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL")
    which = ("--kernel", kernel) if kernel else ()
    arguments = ("run", "--upto", "0", "--scale", "small", "--output", str(path), *which)
    argv = [sys.executable, "-m", "harness", *arguments]
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S)
    sys.stdout.write(done.stdout)
    assert done.returncode == 0
    return decode_run((path / "run.json").read_text())


def test_what_needs_no_monitor_holds(run: Run) -> None:
    held = {check.name for check in run.checks if check.status == "held"}

    assert run.verdict is Verdict.ALL_HOLD
    assert held - {PREDICTION} == HELD


def test_the_other_checks_say_why_they_do_not_apply(run: Run) -> None:
    others = [check for check in run.checks if check.name not in HELD | {PREDICTION}]

    assert len(others) == len(CHECKS) - len(HELD) - 1
    assert {check.status for check in others} == {"not_applicable"}
    said = "the kernel is unpatched: it has no /proc/buddy_monitor"
    assert {check.details for check in others} == {(said,)}


def test_bursts_are_predicted_and_met(run: Run) -> None:
    prediction = next(check for check in run.checks if check.name == PREDICTION)
    if prediction.status == "not_applicable":
        assert "does not know the rules" in prediction.details[0]
        return
    predicted = {each.counter for stage in run.stages for each in stage.predicted}
    assert predicted == {"req", "success", "fail", "compact"}
    assert all(each.hit for stage in run.stages for each in stage.predicted)

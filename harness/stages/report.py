# SPDX-License-Identifier: GPL-2.0-only
"""report: write a judged run into its folder: run.json, its page, junit.xml and run.ktap."""

from pathlib import Path

from harness.host.files import atomic_write
from harness.host.pages import write_page
from harness.report.document import Run, encode_run
from harness.report.junit import junit
from harness.report.ktap import ktap
from harness.report.run_page import run_page
from harness.values import CONSOLE_LOG, RAW
from harness.writers.page import Page

# The last that the guest saved of its log, and what it printed meanwhile.
_DMESG = "after/dmesg"
RUN_DOCUMENT = "run.json"
JUNIT = "junit.xml"
KTAP = "run.ktap"


def report(run: Run, folder: Path) -> None:
    """Write the page, and the documents for programs; each file appears whole."""
    write_page(folder, screen_page(run, folder))
    atomic_write(folder / JUNIT, junit(run))
    atomic_write(folder / KTAP, ktap(run))
    atomic_write(folder / RUN_DOCUMENT, encode_run(run))


def screen_page(run: Run, folder: Path) -> Page:
    """Return a run's page, with the kernel's logs that its folder has."""
    return run_page(run, _logs(run, folder))


def _logs(run: Run, folder: Path) -> dict[str, str]:
    last = Path(RAW) / run.stages[-1].name / _DMESG
    paths = {"dmesg after the last stage": folder / last, "console": folder / CONSOLE_LOG}
    return {
        name: path.read_bytes().decode("utf-8", errors="replace")
        for name, path in paths.items()
        if path.is_file()
    }

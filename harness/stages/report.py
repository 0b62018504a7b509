# SPDX-License-Identifier: GPL-2.0-only
"""report: write a judged run as run.json, report.md and junit.xml into its folder."""

from pathlib import Path

from harness.host.files import atomic_write
from harness.host.templates import markdown
from harness.report.document import Run, encode_run
from harness.report.junit import junit
from harness.report.run_page import run_page

RUN_DOCUMENT = "run.json"
REPORT = "report.md"
JUNIT = "junit.xml"


def report(run: Run, folder: Path) -> None:
    """Write all three; each file appears whole."""
    atomic_write(folder / REPORT, markdown(run_page(run)))
    atomic_write(folder / JUNIT, junit(run))
    atomic_write(folder / RUN_DOCUMENT, encode_run(run))

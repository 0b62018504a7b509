# SPDX-License-Identifier: GPL-2.0-only
"""report: write a judged run as run.json, report.md and junit.xml into its folder."""

from pathlib import Path

from harness.host.files import atomic_write
from harness.host.pages import write_page
from harness.report.document import Run, encode_run
from harness.report.junit import junit
from harness.report.run_page import run_page

RUN_DOCUMENT = "run.json"
JUNIT = "junit.xml"


def report(run: Run, folder: Path) -> None:
    """Write the page, and the documents for programs; each file appears whole."""
    write_page(folder, run_page(run))
    atomic_write(folder / JUNIT, junit(run))
    atomic_write(folder / RUN_DOCUMENT, encode_run(run))

# SPDX-License-Identifier: GPL-2.0-only
"""The files that a page is written to: a format is a writer, named here once by its ending."""

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.host.files import atomic_write
from harness.host.templates import html, markdown
from harness.writers.page import Page

REPORT = "report"
REPORT_HTML = f"{REPORT}.html"
WRITERS: Mapping[str, Callable[[Page], str]] = {"md": markdown}


def write_page(folder: Path, page: Page, *, name: str = REPORT) -> None:
    """Write a page in every format; each file appears whole.

    Of a folder's pages there is one to look at: the last that has a screen.
    """
    for ending, writer in WRITERS.items():
        atomic_write(folder / f"{name}.{ending}", writer(page))
    write_html(folder, page)


def write_html(folder: Path, page: Page) -> None:
    """Write the file to look at, if the page has what to look at."""
    if page.screen is not None:
        atomic_write(folder / REPORT_HTML, html(page))

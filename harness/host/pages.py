# SPDX-License-Identifier: GPL-2.0-only
"""The files that a page is written to: a format is a writer, named here once by its ending."""

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.host.files import atomic_write
from harness.host.templates import markdown
from harness.writers.page import Page

WRITERS: Mapping[str, Callable[[Page], str]] = {"md": markdown}


def write_page(folder: Path, page: Page, *, name: str = "report") -> None:
    """Write a page in every format; each file appears whole."""
    for ending, writer in WRITERS.items():
        atomic_write(folder / f"{name}.{ending}", writer(page))

# SPDX-License-Identifier: GPL-2.0-only
"""Jinja templates: the report, and guest files that need values. Unknown names are errors."""

from pathlib import Path

import jinja2  # noqa: TID251 - the one importer

from harness import writers
from harness.writers.page import Page

_PAGE = Path(writers.__file__).with_name("page.md.j2")


def markdown(page: Page) -> str:
    """Write a page as Markdown."""
    return render(_PAGE, page=page)


def render(template: Path, /, **values: object) -> str:
    """Fill `template` with `values`; a name it uses and we do not give raises."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown and plain text, never HTML
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(**values)

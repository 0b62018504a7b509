# SPDX-License-Identifier: GPL-2.0-only
"""Jinja templates: the reports, and guest files that need values. Unknown names are errors."""

import functools
from collections.abc import Callable
from pathlib import Path

import jinja2  # noqa: TID251 - the one importer

from harness import writers
from harness.writers.html import clean, names
from harness.writers.page import Page
from harness.writers.site import TEMPLATES, View
from harness.writers.site import names as site_names

_WRITERS = Path(writers.__file__).parent
_PAGE = _WRITERS / "page.md.j2"
_HTML = _WRITERS / "html.j2"


def markdown(page: Page) -> str:
    """Write a page as Markdown."""
    return render(_PAGE, page=page)


def html(page: Page) -> str:
    """Write a page as one HTML file that loads nothing; all texts are escaped."""
    style, script = html_assets()
    template = _environment(_HTML.parent, autoescape=True, finalize=clean).get_template(_HTML.name)
    return template.render(**names(page, style=style, script=script))


def site_page(view: View, title: str) -> str:
    """Write a page of `buddylab serve`, in the style of the reports."""
    style, script = site_assets()
    environment = _environment(_HTML.parent, autoescape=True, finalize=clean)
    template = environment.get_template(TEMPLATES[type(view)])
    return template.render(**site_names(view, title, style=style, script=script))


@functools.cache
def html_assets() -> tuple[str, str]:
    """Return style and script of report.html."""
    return _asset("html.css"), _asset("html.js")


@functools.cache
def site_assets() -> tuple[str, str]:
    """Return style and script of the pages of `buddylab serve`."""
    return f"{_asset('html.css')}\n{_asset('site.css')}", _asset("site.js")


def _asset(name: str) -> str:
    return (_WRITERS / name).read_text(encoding="utf-8").strip()


def render(template: Path, /, **values: object) -> str:
    """Fill `template` with `values`; a name it uses and we do not give raises."""
    # Markdown and plain text, never HTML.
    environment = _environment(template.parent, autoescape=False, finalize=None)
    return environment.get_template(template.name).render(**values)


@functools.lru_cache  # it compiles each template once
def _environment(
    folder: Path, *, autoescape: bool, finalize: Callable[[object], object] | None
) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,  # noqa: S701 - html() says True
        finalize=finalize,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )

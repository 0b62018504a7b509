# SPDX-License-Identifier: GPL-2.0-only
"""Reports in a real Chromium: narrow and wide, light and dark, printed; held to axe-core's rules.

`nox -s pages` runs it. It is no part of CI, for it needs a browser (`apt install chromium`).
"""

import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from saved_folder import write_run

from harness.cli.main import main
from harness.compare.results import RESULTS
from harness.errors import Exit
from harness.host.web import listening
from harness.jobs.shelf import Shelf
from harness.jobs.site import Pages
from harness.stages.check import check
from harness.stages.report import report

WIDTHS_PX = (360, 1400)
THEMES = ("light", "dark")
HEIGHT_PX = 900
LOAD_LIMIT_S = 1.0
LOADS = 3
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
RUN = "run"
DOCS = Path("docs/results")
# The least and the most that the documents keep.
_BY_SIZE = sorted(DOCS.glob(f"*/{RESULTS}"), key=lambda path: path.stat().st_size)
KEPT = (_BY_SIZE[0].parent.name, _BY_SIZE[-1].parent.name)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNFOLD = "document.querySelectorAll('details').forEach(fold => { fold.open = true })"
CONTENT_LOADED_MS = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, f"none of {', '.join(PROGRAMS)} is here; apt install chromium"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"], timeout=60_000
        )
        yield found
        found.close()


@pytest.fixture(scope="session")
def report_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write the report of a run, or of a comparison that the documents keep, once."""
    whole = tmp_path_factory.mktemp("runs")

    @functools.cache
    def written(name: str) -> Path:
        folder = whole / name  # a developer's own has its whole path
        if name == RUN:
            report(check(write_run(folder)), folder)
        elif not folder.exists():
            shutil.copytree(DOCS / name, folder)
            assert main(["report", str(folder), "--quiet"]) == Exit.OK
        return folder / "report.html"

    return written


def looked_at(browser: Browser, address: str, width_px: int, theme: str) -> None:
    """Open a page as a reader does, and hold it to what one may expect."""
    context = browser.new_context(
        viewport={"width": width_px, "height": HEIGHT_PX},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # The machine may be busy: what else it does is no fault of the page.
    assert min(loaded_ms(page, address) for _ in range(LOADS)) < LOAD_LIMIT_S * 1000
    assert page.evaluate(OVERFLOW) == 0
    page.evaluate(UNFOLD)
    assert page.evaluate(OVERFLOW) == 0
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    sort(page)
    assert page.pdf(format="A4")[:4] == b"%PDF"
    assert said == []
    assert [url for url in asked if not own(url, address)] == []
    context.close()


def loaded_ms(page: Page, address: str) -> float:
    page.goto(address, wait_until="load")
    return float(page.evaluate(CONTENT_LOADED_MS))


def own(url: str, address: str) -> bool:
    """Whether a page that asks for this asks nobody else."""
    return url.startswith((address.rpartition("/")[0], "data:", "blob:"))


def sort(page: Page) -> None:
    """Sort the first table that can be sorted by its first column."""
    buttons = page.locator("th button:visible")
    if not buttons.count():
        return
    head = buttons.first
    head.click()
    assert head.locator("xpath=ancestor::th").get_attribute("aria-sort") in {
        "ascending",
        "descending",
    }


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take each report at each width in each theme."""
    if "name" in metafunc.fixturenames:
        more = [Path(one).resolve() for one in metafunc.config.getoption("--folder")]
        metafunc.parametrize("name", [RUN, *KEPT, *map(str, more)])
    if "width_px" in metafunc.fixturenames:
        metafunc.parametrize("width_px", WIDTHS_PX)
        metafunc.parametrize("theme", THEMES)


def test_a_report(
    browser: Browser, report_of: Callable[[str], Path], name: str, width_px: int, theme: str
) -> None:
    looked_at(browser, report_of(name).as_uri(), width_px, theme)


def test_the_list_of_serve(
    browser: Browser, report_of: Callable[[str], Path], width_px: int, theme: str
) -> None:
    report_of(KEPT[0])
    folder = report_of(RUN).parents[1]
    with listening(Pages(Shelf(folder)).answer, 0, ipv6=False) as found:
        threading.Thread(target=found.serve, daemon=True).start()
        looked_at(browser, f"http://127.0.0.1:{found.servers[0].server_port}/", width_px, theme)
        found.servers[0].shutdown()

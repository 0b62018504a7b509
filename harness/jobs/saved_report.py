# SPDX-License-Identifier: GPL-2.0-only
"""The reports of a folder that is there: of a run, of a comparison, of a judgement."""

import shlex
from pathlib import Path

import msgspec

from harness.compare.judging import AGAIN, BASE, judged_variants
from harness.compare.page import comparison_page
from harness.compare.plan import Variant
from harness.compare.results import ARMS, ASKED, PLAN, RESULTS, Results
from harness.compare.verdict import verdicts
from harness.compare.verdict_page import Asked, verdict_page
from harness.encoding import UNREADABLE, encode
from harness.errors import UserError
from harness.host.disk import disk_full_told
from harness.host.files import atomic_write
from harness.host.pages import REPORT_HTML, write_html, write_page
from harness.jobs.comparison import saved, with_kept_opinion, write
from harness.jobs.plan_file import read_plan
from harness.stages.check import check
from harness.stages.report import screen_page
from harness.writers.page import Page

VERDICT = "verdict"


def is_comparison(folder: Path) -> bool:
    """Whether a folder holds a comparison's results, or some of them."""
    has_results = (folder / RESULTS).is_file() or (folder / ARMS).is_dir()
    return has_results and (folder / PLAN).is_file()


def results_of(folder: Path) -> Results:
    """Read a comparison's folder with its own plan."""
    return saved(folder, read_plan(folder / PLAN))


def write_reports(folder: Path, results: Results) -> None:
    """Write a comparison's reports, and those of a judgement where it is one."""
    write(folder, results)
    if not results.arms:
        return
    if not is_judged(results):
        return
    asked = _asked_of(folder)
    page = with_kept_opinion(
        verdict_page(results, verdicts(results), asked or _guessed(results)), folder
    )
    if asked is None:
        write_html(folder, page)  # verdict.md has the command that was typed, it stays
    else:
        write_page(folder, page, name=VERDICT)


def shown(folder: Path) -> Path:
    """Return the file to look at, written now if a folder of an earlier version has none.

    UserError for a folder that is neither a run's nor a comparison's.
    """
    path = folder / REPORT_HTML
    if path.is_file():
        return path
    with disk_full_told(folder, "copy the folder to another disk"):
        write_html(folder, page_of(folder))
    return path


def page_of(folder: Path) -> Page:
    """Return the page to look at, made anew of what the folder has; raises as `shown` does."""
    if not is_comparison(folder):
        return screen_page(check(folder, strict=False), folder)
    results = results_of(folder)
    if not results.arms:
        raise UserError(f"{folder} has no finished arm yet; run its comparison again")
    if not is_judged(results):
        return with_kept_opinion(comparison_page(results), folder)
    asked = _asked_of(folder) or _guessed(results)
    return with_kept_opinion(verdict_page(results, verdicts(results), asked), folder)


def tell_opinion(folder: Path) -> None:
    """Write the file to look at anew, with the second opinion that the folder has by now."""
    write_html(folder, page_of(folder))


def is_judged(results: Results) -> bool:
    """Whether a comparison is a judgement's."""
    kernels = {arm.kernel for arm in results.plan.arms}
    return {BASE, AGAIN} <= kernels and bool(judged_variants(results.plan))


def keep_asked(folder: Path, asked: Asked) -> None:
    """Keep what was asked, for reports that are written later."""
    atomic_write(folder / ASKED, encode(asked))


def _asked_of(folder: Path) -> Asked | None:
    try:
        return msgspec.json.decode((folder / ASKED).read_bytes(), type=Asked)
    except (OSError, *UNREADABLE):
        return None


def _guessed(results: Results) -> Asked:
    """Say what was asked as far as the plan tells it, where nobody kept it."""
    kernels = {one.name: one for one in results.plan.kernels}
    base = kernels.get(BASE)
    changed = kernels.get(judged_variants(results.plan)[-1])
    before = base.changes if base else ()
    changes = changed.changes[len(before) :] if changed else ()
    name = Path(changes[-1]).name if changes else "a change"
    made = results.kernels.kernels
    words = ["buddylab", "judge", name]
    words += ["--kernel", base.source] if base and base.source else []
    words += [word for each in before for word in ("--with", each)]
    return Asked(
        change=name,
        kernel=_origin(results, BASE) if made else "unknown",
        command=shlex.join(words),
    )


def _origin(results: Results, variant: Variant) -> str:
    found = (each for each in results.kernels.kernels if each.variant == variant)
    one = next(found, results.kernels.kernels[0])
    return f"{one.provenance.kernel_release} ({one.provenance.origin_told})"

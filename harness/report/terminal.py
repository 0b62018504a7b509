# SPDX-License-Identifier: GPL-2.0-only
"""A short summary for the terminal: plain text, no line longer than 100 characters."""

import textwrap
from collections.abc import Iterable, Iterator

from harness.checks.base import CheckResult, Status
from harness.report.document import Run, RunStage
from harness.report.identity import kernel_warnings
from harness.report.paper import HIGH_ORDER
from harness.writers.words import counted

_WIDTH = 100
_MARKS = {Status.HELD: "ok", Status.FAILED: "FAILED", Status.NOT_APPLICABLE: "n/a"}
_DETAILS_SHOWN = 3
_NAME_WIDTH = 20
_NS_PER_S = 1_000_000_000


def terminal_summary(run: Run, *, place: str, whole: bool = False) -> str:
    """Return what a person reads at the end of a run; ends with a newline.

    `place` is where its report is. Of the checks those that failed are listed, or all if `whole`,
    and so are the stages.
    """
    lines = (*_lines(run, whole=whole), *_end(run, place))
    return "".join(f"{line}\n" for line in lines)


def _end(run: Run, place: str) -> Iterator[str]:
    """Yield what matters, last: where a terminal stands still."""
    counts = {status: sum(check.status is status for check in run.checks) for status in Status}
    yield _point(
        "verdict",
        f"{run.verdict.replace('_', ' ')} ({counts[Status.HELD]} held, "
        f"{counts[Status.FAILED]} failed, {counts[Status.NOT_APPLICABLE]} not applicable)",
    )
    if (one := run.headline) is not None:
        yield _point(
            "headline",
            f"slowpath {one.slowpath}, compact {one.compact}, adaptive {one.adaptive} of "
            f"{one.attempted} requests of order {one.order}; {one.succeeded} succeeded",
        )
    yield _point("key", run.key_digest)
    yield _point("report", place)


def _point(name: str, text: str) -> str:
    return f"{name + ':':<10}{text}"


def _lines(run: Run, *, whole: bool) -> Iterator[str]:
    for warning in kernel_warnings(run):
        yield from _wrap(f"WARNING: {warning}", indent="  ")
    yield from _wrap(
        f"kernel {run.uname_r} ({run.provenance.origin_told}), {run.key.mode} with "
        f"{run.key.accelerator}, {counted(run.key.cpus, 'CPU')}, {run.key.memory_told}, "
        f"scale {run.scale}, seed {run.key.seed}"
    )
    yield ""
    if whole:
        yield from _whole(run)
    elif failed := [check for check in run.checks if check.status is Status.FAILED]:
        yield from _check_lines(failed)
        yield ""


def _whole(run: Run) -> Iterator[str]:
    yield _row(("stage", "guest s", "slowpath", "compact", "adaptive")) + "  of order >= 3"
    for stage in run.stages:
        yield _stage_line(stage)
    if run.headline is not None:
        yield ""
        for sentence in run.headline.sentences:
            yield from _wrap(sentence)
    yield ""
    yield from _check_lines(run.checks)
    yield ""
    yield from _wrap(f"raw texts {run.raw_digest}")
    yield ""


def _stage_line(stage: RunStage) -> str:
    high = [delta for delta in stage.deltas if delta.order >= HIGH_ORDER]
    name = stage.name if len(stage.name) < _NAME_WIDTH else f"{stage.name[: _NAME_WIDTH - 4]}..."
    counts = (
        (
            sum(delta.slowpath for delta in high),
            sum(delta.compact for delta in high),
            sum(delta.adaptive for delta in high),
        )
        if high
        else ("-", "-", "-")
    )
    return _row((name, f"{stage.guest_ns / _NS_PER_S:.1f}", *(str(count) for count in counts)))


def _row(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:<{_NAME_WIDTH}}" + "".join(f"{cell:>10}" for cell in cells[1:])


def _check_lines(checks: Iterable[CheckResult]) -> Iterator[str]:
    for check in checks:
        yield from _wrap(f"{_MARKS[check.status]:>6}  {check.name}", indent=" " * 8)
        if check.status is Status.FAILED:
            broken = [detail for detail in check.details if detail.startswith("broken: ")]
            for detail in broken[:_DETAILS_SHOWN]:
                yield from _wrap(f"        {detail}", indent=" " * 10)
            if len(broken) > _DETAILS_SHOWN:
                yield f"        and {len(broken) - _DETAILS_SHOWN} more, see report.md"


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width=_WIDTH, subsequent_indent=indent, break_on_hyphens=False)

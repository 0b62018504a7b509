# SPDX-License-Identifier: GPL-2.0-only
"""How long jobs show themselves: a bar when a person watches, plain lines when not."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from harness.host import estimate
from harness.host.estimate import Estimate, Memory

LINE_EVERY_S = 10.0

console = Console(stderr=True)

Advance = Callable[[int, str], None]


def watched() -> bool:
    """Whether a person sees this terminal."""
    return sys.stderr.isatty()


def log_handler() -> logging.Handler:
    """Give logging a handler that does not tear a progress bar apart, or plain lines."""
    if not watched():
        return logging.StreamHandler()
    return RichHandler(console=console, show_path=False, show_level=False, show_time=False)


@contextlib.contextmanager
def progress(
    stage: str, *, total: int | None, unit: str, already: int = 0, memory: Memory | None = None
) -> Iterator[Advance]:
    """Show a job of `total` units; the caller reports (units done so far, what it does now).

    `already` were done before. With a memory, for units that are not alike, the job's end is told
    by how it went the last time, and how it goes is kept when it comes to its end; where `total` is
    None, so is its number.
    """
    past = memory.recall() if memory else None
    if past is not None and total not in {None, past.units}:
        past = None  # it had other parts
    job = Estimate(
        total=past.units if past and total is None else total,
        started_s=time.monotonic(),
        past=past,
        already=already,
        alike=memory is None,
    )
    if not logging.getLogger(stage).isEnabledFor(logging.INFO):  # --quiet
        shown: contextlib.AbstractContextManager[Advance] = contextlib.nullcontext(
            lambda _done, _now: None
        )
    elif watched():
        shown = _bar(stage, job)
    else:
        shown = contextlib.nullcontext(_lines(stage, job, unit))
    with shown as show:

        def advance(done: int, now: str) -> None:
            job.advance(done, time.monotonic())
            show(done, now)

        yield advance
    went = job.went(time.monotonic(), units=job.done if total is None else total)
    if memory is not None and went is not None:
        memory.keep(went)


class _Left(ProgressColumn):
    """How long it still takes, also between two units."""

    def __init__(self, job: Estimate) -> None:
        super().__init__()
        self._job = job

    def render(self, task: Task) -> Text:
        """Say it, as of now."""
        del task
        return Text(estimate.told(self._job.left_s(time.monotonic())))


@contextlib.contextmanager
def _bar(stage: str, job: Estimate) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        _Left(job),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(stage, total=job.total, completed=job.already, now="")

        def show(done: int, now: str) -> None:
            within = done if job.total is None else min(done, job.total)
            bar.update(task, completed=within, now=now)

        yield show


def _lines(stage: str, job: Estimate, unit: str) -> Advance:
    last_s = time.monotonic()

    def show(done: int, now: str) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= LINE_EVERY_S:
            last_s = time.monotonic()
            of = f" of {job.total}" if job.total else ""
            left = estimate.told(job.left_s(last_s))
            told = f"{now}, {left}" if left else now
            logging.getLogger(stage).info("%d%s %s %s", done, of, unit, told)

    return show

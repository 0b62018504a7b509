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
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

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
def progress(stage: str, *, total: int | None, unit: str) -> Iterator[Advance]:
    """Show a job of `total` units; the caller reports (units done so far, what it does now)."""
    if not logging.getLogger(stage).isEnabledFor(logging.INFO):  # --quiet
        yield lambda _done, _now: None
    elif watched():
        with _bar(stage, total) as advance:
            yield advance
    else:
        yield _lines(stage, total, unit)


@contextlib.contextmanager
def _bar(stage: str, total: int | None) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[now]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(stage, total=total, now="")
        yield lambda done, now: bar.update(task, completed=done, now=now)


def _lines(stage: str, total: int | None, unit: str) -> Advance:
    last_s = time.monotonic()

    def advance(done: int, now: str) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= LINE_EVERY_S:
            last_s = time.monotonic()
            of = f" of {total}" if total else ""
            logging.getLogger(stage).info("%d%s %s %s", done, of, unit, now)

    return advance

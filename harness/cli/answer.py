# SPDX-License-Identifier: GPL-2.0-only
"""Answers: as text for a person or as JSON for a program, and the exit code that says them."""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.checks.base import CheckResult, Status
from harness.checks.headline import Headline
from harness.encoding import encode
from harness.errors import Exit
from harness.report.document import Run, Verdict
from harness.report.terminal import terminal_summary

_PAGES = ("report.html", "report.md")  # the first that a run folder has is named
_Line = TypeVar("_Line")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer:
    """A judged run in short; run.json in its folder has all of it."""

    verdict: Verdict
    folder: Path
    report: Path | None  # None: none was written
    kernel: str  # uname -r
    origin: str
    key: str
    raw: str  # digest of all that the guest said
    headline: Headline | None  # None: the run has no such burst
    held: int
    not_applicable: int
    failed: tuple[CheckResult, ...]


def say(arguments: argparse.Namespace, answer: object, text: str | None) -> None:
    """Print an answer; `text` ends without a newline, and is None where all of it was told."""
    if arguments.json:
        sys.stdout.write(encode(answer).decode())
    elif text is not None:
        print(text)


def told(arguments: argparse.Namespace, lines: Iterable[_Line]) -> list[_Line]:
    """Print each line as it comes, unless JSON is wanted in the end; return all."""
    tell, found = teller(arguments), []
    for line in lines:
        tell(line)
        found.append(line)
    return found


def teller(arguments: argparse.Namespace) -> Callable[[object], None]:
    """Return what prints each line as it comes, unless JSON is wanted in the end."""

    def tell(line: object) -> None:
        if not arguments.json:
            print(line, flush=True)

    return tell


def say_verdict(arguments: argparse.Namespace, judged: Run, folder: Path) -> int:
    """Print what a judged run comes to; OK only where all checks hold."""
    report = next((folder / name for name in _PAGES if (folder / name).is_file()), None)
    answer = RunAnswer(
        verdict=judged.verdict,
        folder=folder,
        report=report,
        kernel=judged.uname_r,
        origin=judged.provenance.kernel_origin,
        key=judged.key_digest,
        raw=judged.raw_digest,
        headline=judged.headline,
        held=sum(check.status is Status.HELD for check in judged.checks),
        not_applicable=sum(check.status is Status.NOT_APPLICABLE for check in judged.checks),
        failed=tuple(check for check in judged.checks if check.status is Status.FAILED),
    )
    place = str(report or folder)
    text = terminal_summary(judged, place=place, whole=arguments.verbose)
    say(arguments, answer, text.rstrip("\n"))
    return Exit.OK if judged.verdict is Verdict.ALL_HOLD else Exit.CHECK_FAILED

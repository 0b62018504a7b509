# SPDX-License-Identifier: GPL-2.0-only
"""What the verb judge says, as JSON."""

from dataclasses import dataclass
from pathlib import Path

from harness.cli.opinion import OpinionAnswer
from harness.compare.verdict import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedKernel:
    """One changed kernel against its base, as a whole and by question."""

    variant: str
    answer: Answer
    seeds: int
    told: str  # all of it in one line
    questions: dict[str, Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeAnswer:
    """What a change is; the folder has all differences, with their intervals and floors."""

    change: str
    kernel: str
    again: str  # the command
    folder: Path
    report: Path
    mail: Path
    kernels: tuple[JudgedKernel, ...]
    expected: bool | None  # whether --expect holds; None: nothing was expected
    missed: tuple[str, ...]  # where it does not
    second_opinion: OpinionAnswer | None = None  # None: none was asked for

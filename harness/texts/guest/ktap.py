# SPDX-License-Identifier: GPL-2.0-only
"""TAP, as the kernel's own tests print it: KUnit in the kernel log, and a kselftest. Pure.

Results may be nested, each below a plan `1..N` of its own (Documentation/dev-tools/ktap.rst).
KUnit before 6.3 tells of each parameter in a line that begins with `# TEST: `.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from harness.texts.text import damaged, shown, whole_lines

_WHAT = "ktap"
_RESULT = re.compile(r"( *)(# [^ :]+: )?(not ok|ok) [0-9]+(?: -)? ?([^#]*)(# SKIP ?.*)?")
_PLAN = re.compile(r"( *)1\.\.([0-9]{1,6})(?: # .*)?")
_NOTE = re.compile(r" *# (?!Subtest: )(.*)")


class Outcome(StrEnum):
    """What came of a test."""

    OK = "ok"
    NOT_OK = "not ok"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLine:
    """A test that has none below it; `notes` stood before its result."""

    name: str
    outcome: Outcome
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Level:
    """What was read at one depth."""

    depth: int
    planned: int | None = None
    results: int = 0
    leaves: list[TestLine] = field(default_factory=list)


def parse_ktap(text: str) -> tuple[TestLine, ...]:
    """Return the tests in their order; RecordError where a plan says that there are others."""
    levels: list[_Level] = []
    notes: list[str] = []
    for line in whole_lines(text, _WHAT):
        if plan := _PLAN.fullmatch(line):
            _level(levels, len(plan[1])).planned = int(plan[2])
        elif result := _RESULT.fullmatch(line):
            # What is told of a parameter belongs below the test that follows.
            depth = len(result[1]) + bool(result[2])
            below = tuple(_closed(levels, depth))
            level = _level(levels, depth)
            level.results += 1
            level.leaves += _leaves(result, below, tuple(notes))
            notes.clear()
        elif note := _NOTE.fullmatch(line):
            notes.append(note[1])
    tests = tuple(_closed(levels, -1))
    if not tests:
        raise damaged(_WHAT, f"no result in {shown(text)}")
    return tests


def _leaves(
    result: re.Match[str], below: tuple[TestLine, ...], notes: tuple[str, ...]
) -> Iterator[TestLine]:
    name = result[4].strip()
    if below:
        yield from (replace(test, name=f"{name}: {test.name}") for test in below)
        # One that fails by itself, after all below it have not.
        if result[3] == "ok" or any(test.outcome is Outcome.NOT_OK for test in below):
            return
    outcome = Outcome.SKIPPED if result[5] else Outcome(result[3])
    yield TestLine(name=name, outcome=outcome, notes=notes)


def _level(levels: list[_Level], depth: int) -> _Level:
    if not levels or levels[-1].depth < depth:
        levels.append(_Level(depth))
    return levels[-1]


def _closed(levels: list[_Level], depth: int) -> Iterator[TestLine]:
    """Yield the tests of all that is deeper than `depth`, whose plans are kept."""
    while levels and levels[-1].depth > depth:
        level = levels.pop()
        if level.planned not in (None, level.results):
            raise damaged(_WHAT, f"{level.results} results where {level.planned} were planned")
        yield from level.leaves

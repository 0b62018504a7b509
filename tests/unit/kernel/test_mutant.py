# SPDX-License-Identifier: GPL-2.0-only
"""Mutants say what they are and who must catch them; trials say whether that happened."""

from pathlib import Path

import pytest

from harness.checks.registry import CHECKS
from harness.errors import UserError
from harness.jobs.mutants import IDENTITY, Trial, read_mutants
from harness.texts.build.mutant import parse_mutant
from harness.values import Counters

TEXT = """Subject: the request is counted twice
Caught-by: req-is-success-plus-fail

--- a/mm/page_alloc.c
+++ b/mm/page_alloc.c
@@ -1,2 +1,3 @@
 one
+one
 two
"""

MUTANTS = Path(__file__).parents[2] / "mutants"
LINES = ("linux-5.15", "linux-6.1")


def test_headers_and_diff_are_read() -> None:
    mutant = parse_mutant("twice.patch", TEXT.encode())

    assert mutant.subject == "the request is counted twice"
    assert mutant.caught_by == "req-is-success-plus-fail"
    assert mutant.counters is None


def test_a_mutant_may_belong_to_one_variant() -> None:
    text = TEXT.replace("Caught-by", "Counters: percpu\nCaught-by")

    assert parse_mutant("twice.patch", text.encode()).counters is Counters.PERCPU


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("Caught-by: req-is-success-plus-fail\n", ""),
        TEXT.replace("Subject: the request is counted twice\n", ""),
        TEXT.replace("Caught-by", "Counters: fast\nCaught-by"),
    ],
)
def test_a_mutant_without_its_lines_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_mutant("twice.patch", text.encode())


@pytest.mark.parametrize(
    ("expected", "caught_by", "held"),
    [
        ("a", ("b", "a"), True),
        ("a", ("b",), False),
        ("a", (), False),
        ("", (), True),
        ("", ("a",), False),
    ],
)
def test_only_the_named_check_counts(expected: str, caught_by: tuple[str, ...], held: bool) -> None:  # noqa: FBT001
    trial = Trial(name="m", subject="s", expected=expected, caught_by=caught_by)

    assert trial.held is held
    assert ("MISSED" in str(trial)) is (bool(expected) and not held)


def test_both_lines_have_the_same_mutants_and_name_checks_that_exist() -> None:
    said = [
        [(each.name, each.subject, each.caught_by) for each in read_mutants(MUTANTS / line, ())]
        for line in LINES
    ]

    assert said[0] == said[1]
    assert {caught_by for *_rest, caught_by in said[0]} <= {IDENTITY} | {c.name for c in CHECKS}

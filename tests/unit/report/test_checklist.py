# SPDX-License-Identifier: GPL-2.0-only
"""review's table: the rows of the kernel's submit checklist, one column for each kernel line."""

import re
from collections.abc import Sequence

import pytest

from harness.jobs.review_gates import GATES
from harness.report.checklist import (
    ROWS,
    GateOutcome,
    Judged,
    LineReview,
    State,
    holds,
    judged,
    unknown,
)
from harness.report.checklist_text import ktap, table
from harness.texts.build.checklist import entries

# As 7.3 and, below its numbers, 5.15 have it: titles, letters, a note of two paragraphs.
LATER = """Linux Kernel patch submission checklist
=======================================

Here are some basic things.

Check your code with tools
==========================

1) Check for trivial violations with the patch style checker prior to
   submission (``scripts/checkpatch.pl``).

2) Check cleanly with sparse.

Build your code
===============

1) Builds cleanly:

  a) with applicable or modified ``CONFIG`` options ``=y``, ``=m``, and
     ``=n``.  No ``gcc`` warnings/errors.

  b) Passes ``allnoconfig``, ``allmodconfig``
"""
EARLIER = """Here are some basic things:

9) Check cleanly with sparse.

24) Sing to the ``CONFIG_SMP`` of your choice (but
    latter with ``CONFIG_NET=y``).
"""


def outcome(
    gate: str, state: State = State.HELD, *details: str, cached: bool = False
) -> GateOutcome:
    return GateOutcome(gate=gate, state=state, details=details or ("seen",), cached=cached)


def line(name: str, *outcomes: GateOutcome, listed: Sequence[str] = ()) -> LineReview:
    return LineReview(kernel=f"of {name}", release=name, entries=tuple(listed), outcomes=outcomes)


def row(rows: Sequence[Judged], topic: str) -> Judged:
    (found,) = [one for one in rows if one.topic == topic]
    return found


def test_entries_are_told_apart() -> None:
    found = entries(LATER)
    assert [each.split()[0] for each in found] == ["Check", "Check", "with", "Passes"]
    assert found[0].endswith("checker prior to submission (``scripts/checkpatch.pl``).")
    assert found[2].endswith("``=m``, and ``=n``. No ``gcc`` warnings/errors.")
    assert len(entries(EARLIER)) == 2
    assert entries("no list at all\n") == ()


def test_each_gate_judges_a_row_and_each_row_is_judged_or_a_persons() -> None:
    assert {gate for one in ROWS for gate in one.gates} == GATES.keys()
    assert [one.topic for one in ROWS if bool(one.gates) is bool(one.person)] == []


def test_an_entry_that_no_row_knows_is_a_row_of_its_own() -> None:
    lines = [line("5.15", listed=entries(EARLIER)), line("7.3", listed=entries(LATER))]

    assert unknown(entries(LATER)) == ()
    rows = judged(lines)
    strange = rows[-1]
    assert strange.section == "New in a kernel's checklist"
    assert [cell.state for cell in strange.cells] == [State.NOT_JUDGED, State.NOT_APPLICABLE]


def test_a_cell_is_the_worst_of_its_gates() -> None:
    topic = "option y and n, no warning"
    both = [outcome("warnings"), outcome("identity", State.FAILED, "a symbol")]

    (bad,) = row(judged([line("7.3", *both)]), topic).cells
    assert (bad.state, bad.details) == (State.FAILED, ("a symbol",))
    (half,) = row(judged([line("7.3", both[0])], ["warnings"]), topic).cells
    assert half.state is State.NOT_JUDGED
    assert half.details == ("not asked for (--only): identity",)


def test_a_cell_is_from_the_cache_if_all_of_it_is() -> None:
    topic = "option y and n, no warning"
    for cached in (True, False):
        gates = (outcome("warnings", cached=True), outcome("identity", cached=cached))
        (cell,) = row(judged([line("7.3", *gates)]), topic).cells
        assert (cell.state, cell.cached) == (State.HELD, cached)


def test_only_the_rows_asked_for() -> None:
    rows = judged([line("7.3", outcome("checkpatch"))], ["checkpatch"])

    assert [one.topic for one in rows] == ["general style", "checkpatch"]


def test_what_a_kernels_list_lacks_is_not_applicable_there() -> None:
    lines = [line("5.15", outcome("stack"), listed=entries(EARLIER))]

    (cell,) = row(judged(lines), "checkstack").cells
    assert cell.state is State.NOT_APPLICABLE


def test_a_line_out_of_reach_is_told_and_fails_nothing() -> None:
    away = LineReview(
        kernel="debian:6.1", release=None, entries=(), outcomes=(), why_not="no network"
    )
    rows = judged([line("7.3", outcome("sparse")), away], ["sparse"])

    assert [cell.state for cell in rows[0].cells] == [State.HELD, State.NOT_JUDGED]
    assert "sparse (debian:6.1): -: its source was not reached: no network" in table(
        [line("7.3"), away], rows
    )
    assert holds(rows)


def test_the_table() -> None:
    lines = [
        line(
            "5.15.180",
            outcome("sparse", cached=True),
            outcome("ioctls", State.NOT_APPLICABLE, "none"),
        ),
        line("6.12.117", outcome("sparse", State.FAILED, *"x" * 25), outcome("ioctls")),
    ]
    rows = judged(lines, ["sparse", "ioctls"])
    text = table(lines, rows)

    shown = [text_line.split() for text_line in text.splitlines() if text_line]
    assert shown[0] == ["5.15.180", "6.12.117"]
    assert ["ioctls", "n/a", "held"] in shown
    assert ["sparse", "held*", "FAILED"] in shown
    assert "ioctls (5.15.180): n/a: none" in text
    assert "sparse (6.12.117): FAILED" in text
    assert "and 5 more" in text
    assert "seen" not in text
    assert "seen" in table(lines, rows, whole=True)
    assert text.splitlines()[-2:] == [
        "5.15.180: 1 held, 0 failed, 1 not applicable, 0 not judged; 1 from the cache",
        "6.12.117: 1 held, 1 failed, 0 not applicable, 0 not judged; 0 from the cache",
    ]
    assert max(map(len, text.splitlines())) <= 100
    assert not holds(rows)


@pytest.mark.parametrize("state", State)
def test_ktap_has_a_suite_for_each_line(state: State) -> None:
    lines = [line("5.15.180", outcome("sparse")), line("7.3.4", outcome("sparse", state, "why #1"))]
    text = ktap(lines, judged(lines, ["sparse"]))

    results = re.findall(r"^\s*(ok|not ok) (\d+) ([^#\n]*)(# SKIP .*)?$", text, re.MULTILINE)
    failed = state is State.FAILED
    assert [(one, name.strip()) for one, _, name, _ in results] == [
        ("ok", "sparse"),
        ("ok", "submit-checklist 5.15.180"),
        ("not ok" if failed else "ok", "sparse"),
        ("not ok" if failed else "ok", "submit-checklist 7.3.4"),
    ]
    skipped = state in {State.NOT_APPLICABLE, State.NOT_JUDGED}
    assert bool(results[2][3]) is skipped
    assert "1..2" in text

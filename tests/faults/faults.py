# SPDX-License-Identifier: GPL-2.0-only
"""Faults, one after the other, and the table of what came of each: `nox -s faults`.

No part of CI: it takes a machine for half an hour, mounts file systems and kills what it started.
A row is right if the command ended with the code and the words that name the fault, without a
traceback; if nothing of it stays behind; and if, once all is mended, the next run is fine.
"""

import os
import re
from collections.abc import Iterator

import faults_at_points
import faults_of_caches
import faults_of_guests
import faults_of_tools
import pytest
from faults_bench import Done, bench, in_short, sized
from faults_guest import Lab, laboratory
from faults_rows import Row

# The kernel, and what it was built in, are the user's.
pytestmark = pytest.mark.vm
POINTS = int(os.environ.get("BUDDYLAB_FAULT_POINTS", "20"))
_WIDTHS = (38, 34, 5, 5, 10, 5, 60)
_HEAD = ("fault", "how", "ended", "exit", "left", "next", "what it said")
ROWS = [
    *faults_of_caches.ROWS.rows,
    *faults_of_tools.ROWS.rows,
    *faults_of_guests.ROWS.rows,
    *faults_at_points.rows(POINTS),
]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with laboratory() as made:
        yield made


@pytest.fixture(scope="session")
def lines() -> Iterator[list[tuple[str, ...]]]:
    """Take a line of each row; print the table at the end."""
    found: list[tuple[str, ...]] = []
    yield found
    print("", sized(_HEAD, _WIDTHS), *(sized(line, _WIDTHS) for line in found), sep="\n")  # noqa: T201
    wrong = sum(line[2] != "right" for line in found)
    print(f"{len(found)} rows, {wrong} wrong")  # noqa: T201


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.fault}, {row.how}" for row in ROWS])
def test_row(row: Row, request: pytest.FixtureRequest, lines: list[tuple[str, ...]]) -> None:
    with bench(request.getfixturevalue("lab") if row.needs_guest else None) as place:
        first, *more = list(row.run(place))
    faults = [*judged(row, first), *(fault for done in more for fault in next_judged(done))]
    lines.append(
        (
            row.fault,
            row.how,
            "wrong" if faults else "right",
            str(first.status),
            ", ".join(first.left) or "nothing",
            "fine" if all(done.status == 0 for done in more) else "fails",
            in_short(first.said, row.said) if row.said else "",
        )
    )
    assert not faults, "\n".join((*faults, first.said, *(done.said for done in more)))


def judged(row: Row, done: Done) -> Iterator[str]:
    """Say what is wrong with what came of a fault."""
    if done.status not in row.status:
        yield f"exit {done.status}, not {row.status}"
    if not re.search(row.said, done.said):
        yield f"it does not say {row.said!r}"
    if "Traceback" in done.said:
        yield "it says so in Python's words"
    if done.left and not row.may_leave:
        yield f"it left {', '.join(done.left)}"


def next_judged(done: Done) -> Iterator[str]:
    """Say what is wrong with the next run."""
    if done.status != 0:
        yield f"the next run ends with {done.status}"
    if done.left:
        yield f"after the next run there is {', '.join(done.left)}"

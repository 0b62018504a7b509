# SPDX-License-Identifier: GPL-2.0-only
"""The harness' names of counters are those of the series' own C files.

The two files are made by the series alone, so they come of its mails without a kernel's source.
"""

import re
from pathlib import Path

import pytest

from harness.host.command import run
from harness.host.deadline import Deadline
from harness.items import HEADER, LAST_RESORT_COUNTS, REASONS, RESULTS, STEPS, Item

PATCHES = Path(__file__).resolve().parents[2] / "patches"
SERIES = PATCHES / "series"
HEADER_FILE, CODE_FILE = "include/linux/buddy_monitor.h", "mm/buddy_monitor.c"


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return mm/buddy_monitor.c as it is after the last patch."""
    tree = tmp_path_factory.mktemp("tree")
    for mail in sorted(SERIES.glob("*.patch")):
        run(
            ["git", "apply", f"--include={HEADER_FILE}", f"--include={CODE_FILE}", str(mail)],
            cwd=tree,
            env={"GIT_CEILING_DIRECTORIES": str(tree.parent)},
            deadline=Deadline.after(60.0, "applying the series' own files"),
        )
    return (tree / CODE_FILE).read_text()


def body(code: str, start: str, end: str) -> str:
    """Return what stands between `start` and the next `end`."""
    return code.partition(start)[2].partition(end)[0]


def test_items_are_those_the_kernel_names(code: str) -> None:
    names = re.findall(r'"(\w+)"', body(code, "buddy_item_names[NR_BUDDY_ITEMS] = {", "};"))

    assert len(names) > 1
    assert sorted(names) == sorted(Item)


def test_columns_of_a_kind_have_the_kernel_s_order(code: str) -> None:
    names = re.findall(r'"(\w+)"', body(code, "buddy_item_names[NR_BUDDY_ITEMS] = {", "};"))

    for prefix, columns in (("step_", STEPS), ("fail_", REASONS), ("compact_", RESULTS)):
        shown = tuple(name.removeprefix(prefix) for name in names if name.startswith(prefix))
        assert shown == columns


@pytest.mark.parametrize(
    ("function", "header"),
    [
        ("buddy_monitor_show", HEADER),
        ("last_resort_show", " ".join(("order", *LAST_RESORT_COUNTS))),
    ],
)
def test_a_table_s_first_line_is_the_kernel_s(code: str, function: str, header: str) -> None:
    shown = body(code, f"static int {function}(struct seq_file", "\n}\n")

    assert body(shown, 'seq_puts(m, "', '\\n");') == header

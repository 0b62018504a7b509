# SPDX-License-Identifier: GPL-2.0-only
"""docs/reference is what the code says, and every word of it is described."""

import re
from collections.abc import Callable
from pathlib import Path

from harness.cli.comments import comments_of
from harness.cli.parser import parser
from harness.cli.reference import pages
from harness.cli.verbs import verbs
from harness.compare.claims import Claim, Relation
from harness.compare.measures import Measure
from harness.compare.plan import Action, Arm, Burst, Kernel, Plan, PolicyKnobs, State, ThpDefrag
from harness.errors import Exit
from harness.items import Item

REFERENCE = Path(__file__).parents[2] / "docs/reference"


def test_the_pages_are_made_from_the_code(golden: Callable[[str, str], None]) -> None:
    found = pages(parser(verbs()), verbs())

    assert sorted(found) == sorted(
        path.name for path in REFERENCE.glob("*.md") if path.name != "README.md"
    )
    for name, text in found.items():
        golden(str(REFERENCE / name), text)


def test_everything_is_described() -> None:
    kinds = (Exit, Measure, Relation, Plan, State, Burst, Arm, PolicyKnobs, Kernel, Claim)
    told = {
        (kind.__name__, name): text for kind in kinds for name, text in comments_of(kind).items()
    }
    told |= {("Item", name): text for name, text in comments_of(Item).items()}
    told |= {
        ("word", name): text
        for one in (Action, ThpDefrag)
        for name, text in comments_of(one).items()
    }

    assert len(told) > 120
    assert [name for name, text in told.items() if not text] == []


def test_a_page_names_each_word_once_and_has_whole_tables() -> None:
    found = pages(parser(verbs()), verbs())

    for measure in Measure:
        assert found["measures.md"].count(f"\n| `{measure}` |") == 1
    for item in Item:
        assert f"`{item.value.partition('_')[2] or item}`" in found["counters.md"]
    for name, text in found.items():
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            widths = {len(re.findall(r"\|", line)) for line in table.splitlines()}
            assert len(widths) == 1, (name, table)


class Described:
    first: int = 1  # what stands behind it
    # Not of a field.
    second: str = "long"  # behind its last line
    third: int = 3


def test_a_comment_is_that_behind_the_field() -> None:
    assert comments_of(Described) == {
        "first": "what stands behind it",
        "second": "behind its last line",
        "third": "",
    }

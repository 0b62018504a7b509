# SPDX-License-Identifier: GPL-2.0-only
"""Equal guests are counted as such, and different ones are told, by guests that are files."""

from pathlib import Path

import fake_guest
import pytest
from pretended_comparison import TEXT, SavedTexts

from harness.compare.plan_text import parse_plan, with_number
from harness.host.cache import Cache
from harness.jobs.exactness import Exactness, exactness


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SavedTexts:
    fake_guest.install(monkeypatch, tmp_path, "good")
    return SavedTexts(tmp_path)


def found(guests: SavedTexts, folder: Path, **asked: int) -> Exactness:
    plan = parse_plan(with_number(TEXT, "cpus", 2), "small")
    return exactness(guests.what, plan, Cache(folder / "cache"), guests=guests, **asked)


def test_equal_arms_of_equal_boots_are_exact(guests: SavedTexts, tmp_path: Path) -> None:
    told = found(guests, tmp_path, times=7, boots=3)

    assert told.is_exact
    assert guests.boots == 3
    assert len(guests.commands) == 7
    assert str(told).endswith("7 of 7 arms equal, from 3 boots of 2 CPUs")


def test_one_arm_that_differs_is_told(guests: SavedTexts, tmp_path: Path) -> None:
    guests.spoil = lambda number, files: files | ({"output": b"other\n"} if number == 4 else {})

    told = found(guests, tmp_path, times=6, boots=1)

    assert not told.is_exact
    assert [one.guests for one in told.arms] == [5, 1]
    assert "5 of 6 arms equal" in str(told)
    assert "first difference: output line 1" in str(told)


def test_boots_that_differ_are_not_exact(guests: SavedTexts, tmp_path: Path) -> None:
    texts = iter([b"one\n", b"other\n"])
    prepared = guests.prepared

    def differs(*arguments: object) -> object:
        guests.prepared_files = {"output": next(texts)}
        return prepared(*arguments)  # type: ignore[arg-type]

    guests.prepared = differs  # type: ignore[method-assign,assignment]

    told = found(guests, tmp_path, times=2, boots=2)

    assert [one.guests for one in told.states] == [1, 1]
    assert not told.is_exact

# SPDX-License-Identifier: GPL-2.0-only
"""Equal guests are counted as such, and different ones are told, by guests that are files."""

from pathlib import Path
from typing import Any

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


def found(guests: SavedTexts, folder: Path, **asked: Any) -> Exactness:
    plan = parse_plan(with_number(TEXT, "cpus", 2), "small")
    return exactness(guests.what, plan, Cache(folder / "cache"), guests=guests, **asked)


def turns_text(schedule: int, order: int) -> bytes:
    """Return what two CPUs record whose first had all events."""
    return (
        f"turns 1\nschedule={schedule} cpus=2 events=9 order={order:016x}\n"
        f"cpu=0 events=9 expiries=0\ncpu=1 events=0 expiries=0\n"
        f"lasted_ns=4096 turns={schedule + 1}\nend\n"
    ).encode()


def schedule_of(guests: SavedTexts) -> int:
    """Return the one that the last arm was told."""
    words = guests.commands[-1].split()
    return int(words[words.index("--schedule") + 1])


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
    (arm,) = told.arms
    assert [one.guests for one in arm.arms] == [5, 1]
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


def test_each_schedule_is_repeated_and_has_an_order_of_its_own(
    guests: SavedTexts, tmp_path: Path
) -> None:
    def with_turns(_number: int, files: dict[str, bytes]) -> dict[str, bytes]:
        schedule = schedule_of(guests)
        return files | {"turns": turns_text(schedule, 7 * schedule)}

    guests.spoil = with_turns

    told = found(guests, tmp_path, times=3, boots=2, schedules=2)

    assert told.is_exact
    assert [one.total for one in told.arms] == [3, 3, 3]
    assert [one.turns.schedule for one in told.arms if one.turns] == [0, 1, 2]
    assert "3 of 3 schedules have an order of events of their own" in str(told)
    assert str(told).endswith("9 of 9 arms equal, from 2 boots of 2 CPUs")


def test_schedules_that_change_nothing_are_told(guests: SavedTexts, tmp_path: Path) -> None:
    guests.spoil = lambda _, files: files | {"turns": turns_text(schedule_of(guests), 5)}

    told = found(guests, tmp_path, times=1, boots=1, schedules=2)

    assert not told.is_exact
    assert "1 of 3 schedules have an order of events of their own" in str(told)


def test_an_arm_of_one_schedule_that_differs_is_told(guests: SavedTexts, tmp_path: Path) -> None:
    def spoiled(number: int, files: dict[str, bytes]) -> dict[str, bytes]:
        schedule = schedule_of(guests)
        return files | {"turns": turns_text(schedule, schedule + 100 * (number == 4))}

    guests.spoil = spoiled

    told = found(guests, tmp_path, times=2, boots=1, schedules=1)

    assert not told.is_exact
    assert "3 of 4 arms equal" in str(told)
    assert "first difference: turns line 2" in str(told)

# SPDX-License-Identifier: GPL-2.0-only
"""Who does what: nothing lost, nothing twice, and who is not exact is found."""

from pathlib import Path

import pytest
from fake_work import tasks

from harness.engines.ledger import TRIES, Item, Ledger
from harness.jobs.runner import Outcome, Task


def closed(asked: list[Task], share: float) -> Ledger:
    ledger = Ledger(share)
    ledger.add(asked)
    ledger.close()
    return ledger


def ledger_of(folder: Path, count: int, units: int, *, share: float = 0.0) -> Ledger:
    ledger = closed(tasks(folder, count, units), share)
    for number in range(3):
        ledger.joined(f"worker-{number}", f"host-{number}")
    return ledger


def claimed(ledger: Ledger, worker: str) -> Item:
    item = ledger.claim(worker)
    assert item is not None
    return item


def do(ledger: Ledger, worker: str, *, salt: str = "") -> list[str]:
    """Let a worker do its next item whole; return the units that were results."""
    item = claimed(ledger, worker)
    results = [
        unit for unit in item.units if ledger.note(item, Outcome(unit=unit, digest=f"{unit}{salt}"))
    ]
    ledger.finish(item)
    return results


def test_what_is_given_back_is_done_without_what_had_come(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, 1, 3)
    item = claimed(ledger, "worker-0")
    assert ledger.claim("worker-1") is None
    ledger.note(item, Outcome(unit="0-1", digest="d"))
    ledger.give_back(item, "it died")
    assert do(ledger, "worker-1") == ["0-0", "0-2"]
    assert not ledger.is_open
    assert ledger.done == {"worker-0": 1, "worker-1": 2}


def test_a_task_that_is_lost_too_often_is_set_aside(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, 2, 1)
    for number in range(TRIES):
        ledger.give_back(claimed(ledger, f"worker-{number}"), f"death {number}")
    assert do(ledger, "worker-0") == ["1-0"]
    assert not ledger.is_open
    (problem,) = ledger.problems
    assert "task 0 is set aside after 3 tries" in str(problem)
    assert "death 2" in str(problem)


def test_what_is_nobodys_fault_is_not_counted(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, 1, 1)
    for _ in range(TRIES + 1):
        ledger.give_back(claimed(ledger, "worker-0"))
    assert do(ledger, "worker-0") == ["0-0"]
    assert ledger.problems == []


@pytest.mark.parametrize(("share", "repeated"), [(0.0, 0), (0.01, 1), (0.5, 4), (1.0, 8)])
def test_a_share_is_repeated_on_another_host(tmp_path: Path, share: float, repeated: int) -> None:
    ledger = ledger_of(tmp_path, 4, 2, share=share)
    ledger.joined("worker-3", "host-0")  # a second one of a host
    results: list[str] = []
    while ledger.is_open:
        for worker in ("worker-0", "worker-3", "worker-1", "worker-2"):
            if (item := ledger.claim(worker)) is not None:
                if item.is_repetition and worker == "worker-3":
                    assert "worker-0" not in item.given
                results += [
                    unit
                    for unit in item.units
                    if ledger.note(item, Outcome(unit=unit, digest=unit))
                ]
                ledger.finish(item)
    assert sorted(results) == [f"{task}-{unit}" for task in range(4) for unit in range(2)]
    assert ledger.repeated == repeated
    assert ledger.problems == []


def test_a_third_worker_tells_which_of_two_is_not_exact(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, 1, 2, share=0.01)
    do(ledger, "worker-0", salt=" odd")
    do(ledger, "worker-1")
    do(ledger, "worker-2")
    assert ledger.inexact == {"worker-0"}
    assert not ledger.is_open
    assert "worker-0 is not exact" in str(ledger.problems[0])
    assert "without it: 0-0, 0-1" in str(ledger.problems[0])
    ledger.joined("worker-0", "host-0")
    assert ledger.claim("worker-0") is None


def test_of_two_that_differ_both_are_told(tmp_path: Path) -> None:
    ledger = closed(tasks(tmp_path, 1, 1), 0.01)
    ledger.joined("a", "host-a")
    ledger.joined("b", "host-b")
    do(ledger, "a")
    do(ledger, "b", salt=" odd")
    assert ledger.claim("a") is None
    assert not ledger.is_open
    assert "one of them is inexact" in str(ledger.problems[0])


def test_one_worker_alone_repeats_nothing_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = closed(tasks(tmp_path, 1, 1), 1.0)
    ledger.joined("a", "host-a")
    do(ledger, "a")
    assert ledger.claim("a") is None
    assert not ledger.is_open
    assert "not run again on another worker, for there is none" in caplog.text


def test_a_ledger_waits_for_tasks_until_it_is_closed(tmp_path: Path) -> None:
    ledger = Ledger(0.0)
    ledger.joined("worker-0", "host-0")
    first, second = tasks(tmp_path, 2, 1)
    assert ledger.is_open
    ledger.add([first])
    assert do(ledger, "worker-0") == ["0-0"]
    assert ledger.is_open
    assert ledger.claim("worker-0") is None
    ledger.add([second])
    ledger.close()
    assert do(ledger, "worker-0") == ["1-0"]
    assert not ledger.is_open

# SPDX-License-Identifier: GPL-2.0-only
"""Mode clear empties a batch at most, tries where it could help, and backs off after a failure."""

import re
from dataclasses import replace

import pytest
from synthetic_run import parsed, with_sums
from test_modes import CLEAR, FINAL, LAST, in_mode
from test_torture_checks import TEXT

from harness.checks.base import Status
from harness.checks.last_resort_bounds import CHECKS
from harness.checks.torture import STAGE
from harness.record.run import StageRecord
from harness.texts.proc.sysctl import PolicyMode
from harness.texts.proc.zoneinfo import ZoneInfo

NONE = "0 0 0 0 0 0"


def stage_with(row: str, mode: PolicyMode = CLEAR, *, order: int = 10) -> StageRecord:
    """Return the last stage with `row`: tried backed_off ranges inspected scanned made."""
    run = in_mode(mode)
    path = "after/monitor_last_resort"
    text = run[FINAL][path].decode()
    changed = re.sub(rf"^{order} .*", f"{order} {row}", text, flags=re.MULTILINE)
    run[FINAL] = with_sums(run[FINAL] | {path: changed.encode()})
    return parsed(run).stage(FINAL)


def failing(stage: StageRecord, failed: int, gfp: str = "kernel") -> StageRecord:
    """Return the stage with as many of its requests failed."""
    assert stage.records is not None
    own = replace(stage.records, failed=failed, succeeded=128 - failed, gfp=gfp)
    return replace(stage, records=own)


def with_two_cpus(stage: StageRecord) -> StageRecord:
    first, *others = stage.before.zoneinfo.zones
    pagesets = (*first.pagesets, replace(first.pagesets[0], cpu=1))
    zones = (replace(first, pagesets=pagesets), *others)
    return replace(stage, before=replace(stage.before, zoneinfo=ZoneInfo(zones=zones)))


def judged(stage: StageRecord) -> Status:
    run = parsed()
    others = tuple(each for each in run.stages if each.name != FINAL)
    (check,) = CHECKS
    return check.result(replace(run, stages=(*others, stage))).status


@pytest.mark.parametrize(
    ("row", "order", "expected"),
    [
        ("3 0 24 900 100 3", 10, Status.HELD),
        ("3 0 25 900 100 3", 10, Status.FAILED),
        ("0 9 1 0 0 0", 10, Status.FAILED),
        ("1 0 32 900 100 1", 8, Status.HELD),
        ("1 0 33 900 100 1", 8, Status.FAILED),
    ],
)
def test_a_try_empties_a_batch_at_most(row: str, order: int, expected: Status) -> None:
    assert judged(stage_with(row, order=order)) is expected
    assert judged(stage_with(row, PolicyMode.EARLY, order=order)) is expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("2 0 0 900 0 0", Status.HELD),  # each zone once
        ("3 0 0 900 0 0", Status.FAILED),
        ("3 1 0 900 0 0", Status.HELD),
        ("8 0 8 900 0 6", Status.HELD),
        ("9 0 8 900 0 6", Status.FAILED),
    ],
)
def test_a_zone_rests_after_a_try_in_vain(row: str, expected: Status) -> None:
    assert judged(stage_with(row)) is expected


def test_where_free_memory_would_do_there_is_a_try() -> None:
    idle = stage_with(NONE)

    assert judged(failing(idle, 127)) is Status.FAILED
    assert judged(failing(idle, 0)) is Status.HELD
    assert judged(failing(stage_with("2 252 0 900 0 0"), 127)) is Status.HELD
    # What they hold may be what lacks.
    assert judged(failing(idle, 1)) is Status.HELD
    assert judged(failing(idle, 127, gfp="noretry")) is Status.HELD
    assert judged(failing(stage_with(NONE, LAST), 127)) is Status.HELD


@pytest.mark.parametrize(
    ("row", "failed", "expected"),
    [
        ("2 252 0 900 0 0", 127, Status.HELD),
        ("2 251 0 900 0 0", 127, Status.FAILED),
        ("3 251 0 900 0 1", 127, Status.FAILED),  # who got a block did not fail
        # What two hold may be what DMA lacks.
        ("1 125 0 900 0 0", 126, Status.HELD),
        ("1 124 0 900 0 0", 126, Status.FAILED),
    ],
)
def test_who_fails_finds_each_zone_with_room_free_or_at_rest(
    row: str, failed: int, expected: Status
) -> None:
    stage = failing(stage_with(row), failed)
    assert judged(stage) is expected
    # On another CPU somebody else may be at the zone.
    assert judged(with_two_cpus(stage)) is Status.HELD


@pytest.mark.parametrize(
    ("row", "torture", "expected"),
    [
        ("5 16 0 12 107 0", TEXT, Status.HELD),
        ("5 16 1 12 107 0", TEXT, Status.FAILED),
        # Five ranges of order 10 at most are begun in five tries.
        ("5 16 0 12 5120 0", TEXT, Status.HELD),
        ("5 16 0 12 5121 0", TEXT, Status.FAILED),
        # A range that could become free may be emptied.
        ("5 16 1 12 107 0", re.sub(r"open=0", "open=1", TEXT), Status.HELD),
    ],
)
def test_no_range_with_a_page_that_stays_is_emptied(
    row: str, torture: str, expected: Status
) -> None:
    assert judged(replace(stage_with(row), name=STAGE, output=torture)) is expected

# SPDX-License-Identifier: GPL-2.0-only
"""The torture's output is read whole or not at all."""

import re
from pathlib import Path

import pytest

from harness.errors import RecordError
from harness.items import Item
from harness.texts.guest.torture import parse_torture

TEXT = (Path(__file__).parents[2] / "data/kernel-5.15/torture.txt").read_text()


def test_a_guests_output_is_read() -> None:
    torture = parse_torture(TEXT)
    results = {(result.case, result.order): result for result in torture.results}
    full = results["memcg_full_4", 4]

    assert (torture.cpus, torture.page_owner, torture.policy) == (1, False, True)
    assert (full.requests, full.ok, full.failed, full.pages, full.quiet) == (4, 0, 4, 0, True)
    assert full.counted is not None
    assert full.counted.items[Item.FAIL_MEMCG] == 4
    assert results["invalid_20", 20].order == 20
    assert torture.last_resort
    assert not parse_torture(TEXT.replace("last_resort=1\n", "last_resort=0\n", 1)).last_resort
    assert torture.comb.ranges == torture.comb.own + torture.comb.plugged + torture.comb.foreign


def test_the_output_of_a_kernel_without_the_last_resort_is_read() -> None:
    without = re.sub(r"last_resort=[1-9]\d*", "last_resort=0", TEXT)
    older = re.sub(r" (step_)?last_resort=0", "", without)

    assert older != without
    assert parse_torture(older) == parse_torture(without)


def test_a_kernel_without_the_monitor_has_no_items() -> None:
    torture = parse_torture(re.sub(r" elsewhere=.*", "", TEXT))

    assert all(result.counted is None for result in torture.results)


def test_a_counter_may_have_fallen() -> None:
    torture = parse_torture(TEXT.replace(" req=16 ", " req=-16 ", 1))

    assert torture.results[0].counted is not None
    assert torture.results[0].counted.items[Item.REQ] == -16


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"\Aalloc_torture 1", "alloc_torture 2"),
        (r"page_owner=0", "page_owner=2"),
        (r"cpus=1 ", ""),
        (r"case=fast_1 .*\n", ""),
        (r"case=fast_2 ", "case=fast_1 order=1 "),
        (r"case=fast_2 order=2", "case=fast_1 order=1"),
        (r" step_bulk=0", ""),
        (r" step_bulk=0", " step_bulk=none"),
        (r" step_bulk=0", " step_bulk=0 step_luck=0"),
        (r" elsewhere=0", " elsewhere=-1"),
        (r"ranges=.*\n", ""),
        (r"open=0\n", "open=1\n"),
        (r"end cases=\d+\n\Z", ""),
        (r"\n\Z", ""),
        (r"(?s)\A.*\Z", ""),
    ],
)
def test_damage_is_noticed(pattern: str, replacement: str) -> None:
    damaged = re.sub(pattern, replacement, TEXT, count=1)
    assert damaged != TEXT

    with pytest.raises(RecordError):
        parse_torture(damaged)

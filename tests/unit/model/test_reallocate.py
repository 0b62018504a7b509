# SPDX-License-Identifier: GPL-2.0-only
"""The churn of single pages: what is foretold, and what a guest's table is believed for."""

from dataclasses import replace

import pytest
from model_states import allocator, blocks, zone

from harness.errors import RecordError
from harness.jobs.reallocate import Churned
from harness.model.reallocate import Churn, foretell
from harness.model.state import ZoneState
from harness.texts.guest.reallocate import Row, parse_reallocate
from harness.texts.pages import PageCount

FEW = Churn(rounds=3)


def small_zone(**free: int) -> ZoneState:
    return replace(
        zone(movable=blocks(**free)), managed=40000, min=200, low=250, high=300, pcp_high=250
    )


def test_huge_frames_stay_what_filling_has_left_of_them() -> None:
    state = allocator(small_zone(o10=32))
    rows = list(foretell(state, FEW))

    taken = 32768 // 1000 * 918
    # No frame whose pages were churned becomes whole again, and none is cut for single pages.
    # The module's own array of pointers, which cannot move, has cut one of its own.
    left = (32768 - taken - -(-taken // 512)) // 512 - 1
    assert [row.huge for row in rows] == [left] * 4
    assert all(abs(row.free - (32768 - taken // 2)) < 700 for row in rows)
    assert 0.13 < rows[-1].share < 0.16


def test_pages_of_the_cpus_own_lists_are_taken_first() -> None:
    state = allocator(replace(small_zone(o10=32), pcp=1024))
    rows = list(foretell(state, FEW))

    plain = list(foretell(allocator(small_zone(o10=32)), FEW))
    assert rows[-1].huge == plain[-1].huge + 2


def test_what_is_free_in_small_blocks_makes_no_huge_frame() -> None:
    state = allocator(small_zone(o3=4096))

    assert {row.huge for row in foretell(state, FEW)} == {0}


def test_a_frame_that_no_page_was_kept_of_is_free_again() -> None:
    """With a churn of all that is held, as many frames as before; it is the choice that mixes."""
    state = allocator(small_zone(o10=32))
    whole = list(foretell(state, replace(FEW, percent=100)))

    assert whole[-1].huge > whole[0].huge


def test_another_seed_is_another_choice() -> None:
    state = allocator(small_zone(o10=32))
    one, other = (
        [row.huge for row in foretell(state, replace(FEW, percent=100, seed=seed))]
        for seed in (1, 2)
    )

    assert one != other


def test_a_share_that_memory_does_not_have_is_refused() -> None:
    state = allocator(replace(small_zone(o10=32), min=30000, low=30000))

    with pytest.raises(RecordError, match="fill a smaller share"):
        list(foretell(state, FEW))


TEXT = """reallocate 1
pages taken=1000 kept=500 churned=50
round=0 free=5120 huge=2
round=1 free=5121 huge=1
end
"""


def test_a_table_is_read() -> None:
    result = parse_reallocate(TEXT)

    assert (result.taken, result.kept, result.churned) == (1000, 500, 50)
    assert [(row.free, row.huge, row.possible) for row in result.rows] == [
        (5120, 2, 10),
        (5121, 1, 10),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("end\n", ""),
        ("reallocate 1", "reallocate 2"),
        ("round=1", "round=2"),
        ("huge=2", ""),
        ("pages ", ""),
    ],
)
def test_a_damaged_table_is_refused(old: str, new: str) -> None:
    with pytest.raises(RecordError):
        parse_reallocate(TEXT.replace(old, new))


def test_a_row_that_was_not_foretold_is_named() -> None:
    counted = parse_reallocate(TEXT.replace("huge=2", "huge=90").replace("huge=1", "huge=89"))
    said = tuple(Row(free=PageCount(5120), huge=100) for _ in counted.rows)
    churned = Churned(foretold=said, counted=counted)

    assert churned.misses == (1,)
    assert "1 of 2 rounds differ by more than 10%" in str(churned)
    assert "as foretold" in str(replace(churned, foretold=counted.rows))

# SPDX-License-Identifier: GPL-2.0-only
"""What predicts: read from a real guest's texts, and from hand-made zones."""

from pathlib import Path

import pytest

from harness.compare.indicators import by_name, indicators
from harness.compare.outcome import STOPPED
from harness.compare.results import unpacked
from harness.errors import RecordError
from harness.texts.guest.free_dump import parse_free_dump
from harness.texts.pages import Order
from harness.texts.proc.buddyinfo import parse_buddyinfo

BUDDYINFO = "Node 0, zone DMA 60 0 0 0 0 0 0 0 0 0 0\nNode 0, zone DMA32 40 30 10 0 0 0 0 0 0 2 0\n"
DUMP = """cross_check free 1
zone node=0 name=DMA index=0 managed=60 min=1 low=1 high=1 boost=0 nr_free=60 highatomic=0 \
cma=0 reserve=0,0,0,0 pcp=0 defer_shift=6 considered=0 order_failed=0
free node=0 zone=DMA type=Movable 60 0 0 0 0 0 0 0 0 0 0
ranges node=0 zone=DMA order=9 total=2 free=0 clearable=0
ranges node=0 zone=DMA order=10 total=1 free=0 clearable=0
zone node=0 name=DMA32 index=1 managed=9999 min=1 low=1 high=1 boost=0 nr_free=1164 highatomic=0 \
cma=0 reserve=0,0,0,0 pcp=0 defer_shift=2 considered=3 order_failed=10
free node=0 zone=DMA32 type=Movable 40 30 10 0 0 0 0 0 0 2 0
ranges node=0 zone=DMA32 order=9 total=18 free=2 clearable=8
ranges node=0 zone=DMA32 order=10 total=9 free=0 clearable=3
end
"""


def test_by_hand() -> None:
    found = indicators(
        parse_buddyinfo(BUDDYINFO),
        parse_free_dump(DUMP),
        order=Order(10),
        pageblock_order=9,
        deferred=7,
    )
    # 60 + 40 + 60 + 40 of 1224 free pages are in blocks below order 3.
    assert found.frag_pct == 16
    # The large zone: 1164 pages in 82 blocks, none of order 10.
    assert found.extfrag_index == 1000 - (1000 + 1164 * 1000 // 1024) // 82
    assert (found.defer_shift, found.deferred) == (2, 7)
    assert (found.clear_ranges_pct, found.clear_pageblocks_pct) == (30.0, 40.0)
    assert found.to_clear_ranges_pct == 30.0
    assert len(by_name(found)) == 7


def test_of_an_order_that_never_failed_and_is_there() -> None:
    found = indicators(
        parse_buddyinfo(BUDDYINFO),
        parse_free_dump(DUMP),
        order=Order(9),
        pageblock_order=8,
        deferred=None,
    )
    assert (found.extfrag_index, found.defer_shift) == (-1000, 0)
    assert (found.clear_ranges_pct, found.to_clear_ranges_pct) == (40.0, 30.0)
    assert found.clear_pageblocks_pct is None


def test_texts_of_other_zones_are_refused() -> None:
    with pytest.raises(RecordError, match="zone DMA32 of the dump is absent"):
        indicators(
            parse_buddyinfo(BUDDYINFO.splitlines(keepends=True)[0]),
            parse_free_dump(DUMP),
            order=Order(9),
            pageblock_order=9,
            deferred=None,
        )


def test_a_real_guests_frag_pct_is_near_the_kernels_own() -> None:
    files = unpacked(Path("tests/data/compare/early-full.tar.gz").read_bytes(), "early-full")
    found = indicators(
        parse_buddyinfo(files["before/buddyinfo"].decode()),
        parse_free_dump(files[STOPPED].decode()),
        order=Order(10),
        pageblock_order=10,
        deferred=None,
    )
    zones = files["before/monitor_frag_pct"].decode().splitlines()
    (own,) = [line.split()[4:] for line in zones if line.split()[3] == "DMA32"]
    # The other zone has one page in a hundred.
    assert abs(found.frag_pct - int(own[3])) <= 1
    # Some blocks of order 10 are still whole.
    assert found.extfrag_index == -1000

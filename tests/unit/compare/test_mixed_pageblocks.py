# SPDX-License-Identifier: GPL-2.0-only
"""Mixed pageblocks of a snapshot, and what cannot be of them."""

from pathlib import Path

import pytest

from harness.compare.mixed_pageblocks import mixed_pageblocks
from harness.errors import RecordError
from harness.texts.guest.free_dump import parse_free_dump
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo

REAL = Path("tests/data/mixed-6.1")
TIMES = ("before", "after")


def dump(*, blocks: int, unmovable: int = 2, mixed: int, total: int, clearable: int) -> bytes:
    """Make a text of one zone, whose pageblocks are of order 9."""
    return (
        "cross_check free 2\n"
        "zone node=0 name=DMA32 index=1 managed=9999 min=1 low=1 high=1 boost=0 nr_free=70 "
        "highatomic=0 cma=0 reserve=0,0,0,0 pcp=0 defer_shift=0 considered=0 order_failed=0\n"
        "free node=0 zone=DMA32 type=Movable 70 0 0 0 0 0 0 0 0 0 0\n"
        f"pageblocks node=0 zone=DMA32 Unmovable={unmovable} Movable={blocks - unmovable - 1} "
        "Reclaimable=0 HighAtomic=0 CMA=1\n"
        f"mixed node=0 zone=DMA32 Unmovable={unmovable} Movable={mixed - 1} "
        "Reclaimable=0 HighAtomic=0 CMA=1\n"
        f"ranges node=0 zone=DMA32 order=9 total={total} free=0 clearable={clearable}\n"
        "ranges node=0 zone=DMA32 order=10 total=9 free=0 clearable=9\n"
        "end\n"
    ).encode()


def test_each_snapshot_has_its_own() -> None:
    files = {
        "before/free": dump(blocks=18, mixed=3, total=18, clearable=10),
        "after/free": dump(blocks=18, mixed=8, total=18, clearable=10),
    }
    assert mixed_pageblocks(files, "before", 9) == 2 + 3
    assert mixed_pageblocks(files, "after", 9) == 2 + 8
    assert mixed_pageblocks({}, "after", 9) is None


@pytest.mark.parametrize(
    ("text", "is_possible"),
    [
        (dump(blocks=18, mixed=8, total=18, clearable=10), True),
        # What is pinned in Unmovable pageblocks makes none of them mixed.
        (dump(blocks=18, mixed=8, total=18, clearable=9), True),
        (dump(blocks=18, mixed=9, total=18, clearable=10), False),
        # One of them is not whole: the ranges do not tell of its page.
        (dump(blocks=19, mixed=9, total=18, clearable=10), True),
        (dump(blocks=19, mixed=10, total=18, clearable=10), False),
        (dump(blocks=18, mixed=3, total=19, clearable=10), False),
    ],
)
def test_a_pageblock_with_a_pinned_page_is_not_clearable(text: bytes, *, is_possible: bool) -> None:
    if is_possible:
        assert mixed_pageblocks({"after/free": text}, "after", 9) is not None
        return
    with pytest.raises(RecordError, match="after/free: zone DMA32 has 1[89] pageblocks"):
        mixed_pageblocks({"after/free": text}, "after", 9)


def test_pageblocks_are_of_the_order_that_pagetypeinfo_has() -> None:
    """Two of order 9 with a pinned page in each are one range of order 10."""
    text = dump(blocks=18, mixed=9, total=18, clearable=10)
    assert mixed_pageblocks({"after/free": text}, "after", 8) == 2 + 9


def test_a_full_compaction_moves_pages_into_unmovable_pageblocks() -> None:
    """There was room nowhere else: 7 blocks were made, and 13 pageblocks are mixed for them."""
    files = {f"{when}/free": (REAL / when / "free.txt").read_bytes() for when in TIMES}
    assert [mixed_pageblocks(files, when, 9) for when in TIMES] == [5, 5 + 13]
    by_type = [
        dict(zone.mixed or ()) for zone in parse_free_dump(files["after/free"].decode()).zones
    ]
    assert [(one["Unmovable"], one["Movable"]) for one in by_type] == [(1, 0), (12, 5)]


@pytest.mark.parametrize("when", TIMES)
def test_the_module_and_the_kernel_count_the_same_pageblocks(when: str) -> None:
    dump = parse_free_dump((REAL / when / "free.txt").read_text())
    types = parse_pagetypeinfo((REAL / when / "pagetypeinfo.txt").read_text())
    assert types.pageblock_order == 9
    for ours, theirs in zip(dump.zones, types.pageblocks, strict=True):
        assert ours.name == theirs.zone
        assert ours.pageblocks is not None
        assert {name: theirs.count(name) for name, _ in ours.pageblocks} == dict(ours.pageblocks)

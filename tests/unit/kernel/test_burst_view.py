# SPDX-License-Identifier: GPL-2.0-only
"""What the cross-check saw of a burst: read only whole, and only if its sums are the kernel's."""

from collections.abc import Callable

import pytest

from harness.errors import RecordError
from harness.texts.guest.burst_view import COUNTERS, Pageblock, parse_burst_view

TEXT = f"""cross_check burst 1
pageblock_order=9
samples=3 stride=1
time_ns requests {" ".join(COUNTERS)} nr_free_pages
0 0 5 100 200 7 0 1 900
40 1 5 100 200 7 0 1 388
90 2 6 180 260 70 3 1 400
frames stopped
zone node=0 name=DMA first_pfn=0 pageblocks=1 free=300 cached=2
U 300 2 9 100 100
zone node=0 name=DMA32 first_pfn=4096 pageblocks=2 free=600 cached=0
M 512 0 0 0 0
M 88 0 424 0 0
frames burst
zone node=0 name=DMA first_pfn=0 pageblocks=1 free=300 cached=2
U 300 2 9 100 100
zone node=0 name=DMA32 first_pfn=4096 pageblocks=2 free=88 cached=4
M 0 0 0 512 0
M 88 4 420 0 0
end
"""


def test_every_page_of_every_pageblock_is_read() -> None:
    view = parse_burst_view(TEXT)

    assert view.pageblock_order == 9
    assert view.samples[2] == (90, 2, 6, 180, 260, 70, 3, 1, 400)
    assert view.stopped is not None
    assert view.burst is not None
    assert [zone.first_pfn for zone in view.stopped] == [0, 4096]
    assert view.stopped[0].pageblocks == (Pageblock("U", 300, 2, 9, 100, 100),)
    assert view.burst[1].pageblocks[1] == Pageblock("M", 88, 4, 420, 0, 0)
    assert view.burst[1].pageblocks[0].pages == 512


def test_a_guest_that_never_stopped_has_no_frames_of_before() -> None:
    head, _, rest = TEXT.partition("frames stopped\n")
    view = parse_burst_view(head + rest[rest.index("frames burst") :])

    assert view.stopped is None
    assert view.burst is not None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text[:-2], "cut short"),
        (lambda text: text.removesuffix("end\n"), "ends"),
        (lambda text: text.replace("burst 1\n", "burst 2\n", 1), "begins"),
        (lambda text: text.replace("M 88 4 420 0 0\n", ""), "pageblocks after"),
        (lambda text: text.replace("pageblocks=1", "pageblocks=2", 1), "is no line of a pageblock"),
        (
            lambda text: text.replace("pageblocks=2", "pageblocks=1", 1),
            "have 512 pages that are free",
        ),
        (lambda text: text.replace("M 512 0 0 0 0", "M 512 0 0 -8 0"), "not a plain decimal"),
        (lambda text: text.replace("M 512 0 0 0 0", "M 512 0 0 1 0"), "513 pages in a pageblock"),
        (lambda text: text.replace("M 512 0 0 0 0", "M 511 0 1 0 0"), "the kernel counted 600"),
        (lambda text: text.replace("M 88 4 420", "M 88 5 419"), "5 pages that are cached"),
        (lambda text: text.replace("M 512 0 0 0 0", "X 512 0 0 0 0"), "no line of a pageblock"),
        (lambda text: text.replace("frames burst", "frames stopped"), "where frames"),
        (lambda text: text.replace("samples=3", "samples=4"), "where frames"),
        (lambda text: text.replace("samples=3", "samples=2"), "where frames"),
        (lambda text: text.replace("90 2 6 180", "90 2 6 80"), "compact_migrate_scanned falls"),
        (lambda text: text.replace("pgscan_kswapd", "pgscan"), "are not the counters"),
        (lambda text: text.replace("pageblock_order=9", "pageblock_order=99"), "none of a kernel"),
        (lambda text: text.partition("zone")[0] + "end\n", "frames stopped of no zone"),
    ],
)
def test_a_text_that_is_not_whole_is_refused(spoil: Callable[[str], str], said: str) -> None:
    spoilt = spoil(TEXT)

    assert spoilt != TEXT
    with pytest.raises(RecordError, match=said):
        parse_burst_view(spoilt)

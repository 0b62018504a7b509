# SPDX-License-Identifier: GPL-2.0-only
"""The cross-check module's text of all zones, and the state made from it."""

import hypothesis.strategies as st
import pytest
from hypothesis import given
from model_states import BURSTS

from harness.errors import RecordError
from harness.model.load import load_state
from harness.model.state import AllocatorState
from harness.texts.guest.free_dump import parse_free_dump
from harness.texts.pages import Order
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.proc.sysctl import parse_sysctl
from harness.texts.proc.zoneinfo import parse_zoneinfo

ZONE = (
    "zone node=0 name=DMA32 index=1 managed=247712 min=12019 low=15023 high=18027 boost=1024 "
    "nr_free=180000 highatomic=512 cma=0 reserve=0,0,0,0 pcp=14091 defer_shift=2 considered=1 "
    "order_failed=10"
)
FREE = "free node=0 zone=DMA32 type=Unmovable 1 20 18 0 3 3 1 0 0 1 0"
MOVABLE = "free node=0 zone=DMA32 type=Movable 42297 41842 308 15 4 1 1 1 3 1 48"
BLOCKS = "pageblocks node=0 zone=DMA32 Unmovable=2 Movable=249 Reclaimable=1 HighAtomic=0"
MIXED = "mixed node=0 zone=DMA32 Unmovable=1 Movable=40 Reclaimable=0 HighAtomic=0"
RANGES = "ranges node=0 zone=DMA32 order=10 total=251 free=48 clearable=60"
DMA = ZONE.replace("DMA32", "DMA").replace("index=1", "index=0").replace("0,0,0,0", "0,967,967,967")
DMA_FREE = "free node=0 zone=DMA type=Movable 0 0 0 0 0 0 0 0 1 1 3"


def text(*lines: str) -> str:
    return "\n".join(["cross_check free 1", *lines, "end"]) + "\n"


def whole() -> str:
    return text(DMA, DMA_FREE, ZONE, FREE, MOVABLE, BLOCKS, RANGES)


def counted(*lines: str) -> str:
    """Return a text of the present form."""
    return text(*lines).replace("free 1\n", "free 2\n")


def test_mixed_pageblocks_are_summed_over_types_and_zones() -> None:
    of_dma = "node=0 zone=DMA Unmovable=1 Movable=7"
    dma = (DMA, DMA_FREE, f"pageblocks {of_dma}", f"mixed {of_dma}")
    dump = parse_free_dump(counted(*dma, ZONE, FREE, MOVABLE, BLOCKS, MIXED, RANGES))
    assert dump.zones[1].mixed is not None
    assert dict(dump.zones[1].mixed)["Movable"] == 40
    assert dump.mixed_pageblocks == 1 + 7 + 1 + 40


def test_a_text_of_before_does_not_tell_of_mixed_pageblocks() -> None:
    dump = parse_free_dump(whole())
    assert [zone.mixed for zone in dump.zones] == [None, None]
    assert dump.mixed_pageblocks is None


def test_no_mixed_pageblock_is_not_the_same_as_none_told() -> None:
    nothing = "mixed node=0 zone=DMA32 Unmovable=0 Movable=0 Reclaimable=0 HighAtomic=0"
    assert parse_free_dump(counted(ZONE, FREE, BLOCKS, nothing)).mixed_pageblocks == 0


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((BLOCKS,), "or none of mixed ones"),
        ((MIXED,), "no line of pageblocks"),
        ((BLOCKS, MIXED.replace("Unmovable=1", "Unmovable=3")), "3 of 2 Unmovable pageblocks"),
        ((BLOCKS, MIXED.replace(" HighAtomic=0", "")), "mixed are pageblocks of"),
        ((BLOCKS, MIXED, MIXED), "given twice"),
        ((BLOCKS, MIXED, MIXED.replace("DMA32", "Normal")), "zone 'Normal' has no zone line"),
    ],
)
def test_pageblocks_that_do_not_fit_are_refused(lines: tuple[str, ...], told: str) -> None:
    parse_free_dump(counted(ZONE, FREE, BLOCKS, MIXED))
    with pytest.raises(RecordError, match=told):
        parse_free_dump(counted(ZONE, FREE, *lines))


def test_a_whole_text_is_read() -> None:
    dump = parse_free_dump(whole())
    assert [zone.name for zone in dump.zones] == ["DMA", "DMA32"]
    zone = dump.zones[1]
    assert (zone.min, zone.boost, zone.nr_free, zone.highatomic) == (12019, 1024, 180000, 512)
    assert (zone.defer_shift, zone.considered, zone.order_failed) == (2, 1, 10)
    assert zone.pcp == 14091
    assert [one.migratetype for one in zone.free] == ["Unmovable", "Movable"]
    assert zone.free[1].blocks[10] == 48
    assert zone.pageblocks is not None
    assert dict(zone.pageblocks)["Movable"] == 249
    assert (zone.ranges[0].order, zone.ranges[0].free, zone.ranges[0].clearable) == (10, 48, 60)
    assert dump.zones[0].reserve == (0, 967, 967, 967)


@pytest.mark.parametrize(
    "damage",
    [
        text(),
        whole().replace("free 1\n", "free 3\n"),
        whole().removesuffix("end\n"),
        whole().removesuffix("\n"),
        text(ZONE),
        text(ZONE, ZONE, FREE),
        text(ZONE, FREE, FREE),
        text(ZONE, FREE, BLOCKS, BLOCKS),
        text(ZONE, FREE, DMA_FREE),
        text(ZONE, FREE + " 7"),
        text(ZONE, FREE.rsplit(" ", 1)[0]),
        text(ZONE, FREE, "news node=0 zone=DMA32"),
        text(ZONE, FREE, RANGES.replace("clearable=60", "clearable=40")),
        text(ZONE, FREE, RANGES.replace("order=10", "order=11")),
        text(ZONE.replace(" pcp=14091", ""), FREE),
        text(ZONE.replace("boost=1024", "boost=-1"), FREE),
        text(ZONE.replace("0,0,0,0", "0,0,,0"), FREE),
    ],
)
def test_a_damaged_text_is_refused(damage: str) -> None:
    with pytest.raises(RecordError):
        parse_free_dump(damage)


@given(st.text(alphabet=st.sampled_from("zonefreranges=0123 ,\n"), max_size=200))
def test_any_text_gives_a_dump_or_a_record_error(noise: str) -> None:
    for candidate in (noise, text(ZONE, noise), text(ZONE, FREE, noise)):
        try:
            parse_free_dump(candidate)
        except RecordError:
            continue


def state_of(dump: str) -> AllocatorState:
    folder = BURSTS / "frag_8"
    return load_state(
        buddyinfo=parse_buddyinfo((folder / "buddyinfo").read_text()),
        zoneinfo=parse_zoneinfo((folder / "zoneinfo").read_text()),
        pagetypes=parse_pagetypeinfo((folder / "pagetypeinfo").read_text()),
        sysctls=parse_sysctl((BURSTS / "sysctl").read_text()),
        thp=True,
        swap=False,
        dump=parse_free_dump(dump),
    )


def test_the_dump_goes_before_the_other_texts() -> None:
    state = state_of(whole())
    dma32 = state.zones[0]
    assert [zone.name for zone in state.zones] == ["DMA32", "DMA"]
    assert (dma32.min, dma32.boost, dma32.nr_free, dma32.pcp) == (12019, 1024, 180000, 14091)
    assert dma32.blocks[10] == 48
    assert dma32.defer is not None
    assert dma32.defer.shift == 2
    ranges = dma32.range_of(Order(10))
    assert ranges is not None
    assert ranges.clearable == 60
    assert dma32.range_of(Order(9)) is None
    assert state.exact_lists
    with pytest.raises(RecordError, match="no zone DMA;"):
        state_of(text(ZONE, FREE))

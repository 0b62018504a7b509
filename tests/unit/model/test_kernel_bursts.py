# SPDX-License-Identifier: GPL-2.0-only
"""Predictions against bursts that a kernel really ran (tests/data/bursts-5.15).

5.15.180 with the series, 1 GiB, one CPU under -icount, gfp kernel_nokswapd; the texts were read
after the module was loaded and before its first request. The counters are the differences of
/proc/buddy_monitor over the burst; where the first slowpath entry was, the latencies tell.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from model_states import BURSTS, DATA

from harness.errors import RecordError
from harness.forecast.predict import AllocatorState, BurstRequest, Prediction, predict
from harness.items import COUNTERS
from harness.model.load import load_state
from harness.model.state import GfpClass
from harness.texts.pages import Order
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.proc.sysctl import parse_sysctl
from harness.texts.proc.zoneinfo import parse_zoneinfo


@dataclass(frozen=True)
class Seen:
    """A burst and what the kernel's counters rose by: req success fail slowpath compact adaptive.

    `exact` are those that can be known beforehand.
    """

    name: str
    order: int
    requests: int
    counters: tuple[int, ...]
    first: int | None
    most_held: int = 0
    exact: tuple[str, ...] = ()


SEEN = (
    Seen("fresh_5", 5, 7500, (6651, 6650, 1, 96, 2, 0), first=6555),
    Seen("fresh_7", 7, 1875, (1663, 1662, 1, 26, 2, 0), first=1637),
    Seen("frag_4", 4, 12500, (9598, 9597, 1, 77, 43, 42), first=3333),
    Seen("frag_8", 8, 781, (611, 610, 1, 50, 39, 38), first=197),
    Seen("cycle_4", 4, 3000, (3000, 3000, 0, 0, 0, 0), first=None, most_held=2000, exact=COUNTERS),
    Seen("fresh_10", 10, 234, (208, 207, 1, 5, 2, 0), first=203),
)


def load(folder: Path) -> AllocatorState:
    return load_state(
        buddyinfo=parse_buddyinfo((folder / "buddyinfo").read_text()),
        zoneinfo=parse_zoneinfo((folder / "zoneinfo").read_text()),
        pagetypes=parse_pagetypeinfo((folder / "pagetypeinfo").read_text()),
        sysctls=parse_sysctl((BURSTS / "sysctl").read_text()),
        thp=True,
        swap=False,
        dump=None,
    )


def predicted(seen: Seen) -> Prediction:
    burst = BurstRequest(
        order=Order(seen.order),
        requests=seen.requests,
        most_held=seen.most_held or seen.requests,
        hold_until_fail=not seen.most_held,
        gfp=GfpClass.KERNEL_NOKSWAPD,
    )
    return predict(load(BURSTS / seen.name), burst)


@pytest.mark.parametrize("seen", SEEN, ids=lambda seen: seen.name)
def test_every_counter_is_within_its_bounds(seen: Seen) -> None:
    prediction = predicted(seen)
    for name, observed in zip(COUNTERS, seen.counters, strict=True):
        forecast = prediction.counter(name)
        assert forecast.admits(observed), (name, forecast, observed)
        assert forecast.exact or name not in seen.exact


@pytest.mark.parametrize("seen", SEEN, ids=lambda seen: seen.name)
def test_the_first_slowpath_entry_is_the_right_request(seen: Seen) -> None:
    first = predicted(seen).first_slowpath
    if seen.first is None:
        assert first is None
        return
    assert first is not None
    assert first.certain
    assert first.index.admits(seen.first)
    # Order 10 is pageblock_order in this kernel: how much is on per-CPU lists is not shown.
    assert first.index.exact or seen.order == 10


@pytest.mark.parametrize("seen", SEEN[:2], ids=lambda seen: seen.name)
def test_what_the_min_watermark_serves_is_exact_too(seen: Seen) -> None:
    # In the end reclaim was of no use, so all that is known beforehand is all that came.
    prediction = predicted(seen)
    lows = tuple(prediction.counter(name).low for name in ("req", "success", "slowpath"))
    assert lows == (seen.counters[0], seen.counters[1], seen.counters[3])


def test_lists_of_a_zone_add_up_to_buddyinfo() -> None:
    for seen in SEEN:
        state = load(BURSTS / seen.name)
        info = parse_buddyinfo((BURSTS / seen.name / "buddyinfo").read_text())
        assert state.exact_lists
        assert [zone.name for zone in state.zones] == ["DMA32", "DMA"]
        for zone in state.zones:
            assert zone.blocks == next(one.blocks for one in info.zones if one.zone == zone.name)


@pytest.mark.parametrize("kernel", ["kernel-5.15", "kernel-6.1"])
def test_zones_stand_in_the_order_of_the_zonelist(kernel: str) -> None:
    folder = DATA / kernel
    state = load_state(
        buddyinfo=parse_buddyinfo((folder / "buddyinfo.txt").read_text()),
        zoneinfo=parse_zoneinfo((folder / "zoneinfo.txt").read_text()),
        pagetypes=parse_pagetypeinfo((folder / "pagetypeinfo.txt").read_text()),
        sysctls=parse_sysctl((folder / "sysctl.txt").read_text()),
        thp=True,
        swap=False,
        dump=None,
    )
    assert [zone.name for zone in state.zones] == ["Normal", "DMA32", "DMA"]
    assert [zone.index for zone in state.zones] == [2, 1, 0]
    assert state.normal_index == 2


def test_a_list_that_was_not_counted_to_the_end_is_what_the_others_leave() -> None:
    folder = BURSTS / "frag_8"
    text = (folder / "pagetypeinfo").read_text()
    assert " 42753 " in text

    def state(pagetypes: str) -> AllocatorState:
        return load_state(
            buddyinfo=parse_buddyinfo((folder / "buddyinfo").read_text()),
            zoneinfo=parse_zoneinfo((folder / "zoneinfo").read_text()),
            pagetypes=parse_pagetypeinfo(pagetypes),
            sysctls=parse_sysctl((BURSTS / "sysctl").read_text()),
            thp=True,
            swap=False,
            dump=None,
        )

    assert state(text.replace(" 42753 ", " >10000 ")) == state(text)
    assert not state(text.replace(" 42753 ", " 10000 ")).exact_lists


def test_two_nodes_are_refused() -> None:
    zoneinfo = (BURSTS / "frag_8" / "zoneinfo").read_text()
    two = zoneinfo + zoneinfo.replace("Node 0", "Node 1")
    with pytest.raises(RecordError, match="several memory nodes"):
        load_state(
            buddyinfo=parse_buddyinfo((BURSTS / "frag_8" / "buddyinfo").read_text()),
            zoneinfo=parse_zoneinfo(two),
            pagetypes=parse_pagetypeinfo((BURSTS / "frag_8" / "pagetypeinfo").read_text()),
            sysctls=parse_sysctl((BURSTS / "sysctl").read_text()),
            thp=True,
            swap=False,
            dump=None,
        )

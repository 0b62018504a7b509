# SPDX-License-Identifier: GPL-2.0-only
"""A state is believed if the free blocks are those its maker's report stands for."""

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from harness.compare.plan import PATCHED, Group, State
from harness.compare.state_invariants import state_result
from harness.compare.states import (
    Quantity,
    broken,
    check_state,
    expected_blocks,
    segment_order,
    segments,
    unit_blocks,
)
from harness.errors import RecordError
from harness.texts.guest.state_report import StateReport, parse_state_report
from harness.texts.pages import MAX_ORDER, Order, PageCount
from harness.texts.proc.buddyinfo import BuddyInfo, parse_buddyinfo
from harness.texts.proc.pagetypeinfo import PageTypeInfo, parse_pagetypeinfo
from harness.texts.proc.vmstat import VmStat, parse_vmstat
from harness.texts.proc.zoneinfo import ZoneInfo, parse_zoneinfo

DATA = Path(__file__).parents[2] / "data" / "states"
NAMES = tuple(sorted(path.name for path in DATA.iterdir()))


def text(state: str, name: str) -> str:
    return (DATA / state / f"{name}.txt").read_text()


def report(state: str) -> StateReport:
    return parse_state_report(text(state, "report"))


def seen(state: str) -> tuple[BuddyInfo, PageTypeInfo, ZoneInfo, VmStat]:
    return (
        parse_buddyinfo(text(state, "buddyinfo")),
        parse_pagetypeinfo(text(state, "pagetypeinfo")),
        parse_zoneinfo(text(state, "zoneinfo")),
        parse_vmstat(text(state, "vmstat")),
    )


def check(state: str, of: StateReport | None = None) -> tuple[Quantity, ...]:
    return check_state(of or report(state), *seen(state))


@pytest.mark.parametrize("state", NAMES)
def test_what_guests_showed_is_what_was_expected(state: str) -> None:
    assert report(state).name == state
    assert not broken(check(state)), [str(quantity) for quantity in broken(check(state))]


@pytest.mark.parametrize(("state", "other"), list(itertools.permutations(NAMES, 2)))
def test_no_state_passes_for_another(state: str, other: str) -> None:
    assert broken(check_state(report(state), *seen(other)))


def test_a_comb_undone_by_compaction_is_noticed() -> None:
    free, types, zones, stat = seen("movable_8")
    area = next(area for area in free.zones if area.blocks[0] > 1000)
    blocks = list(area.blocks)
    # Twelve blocks of order 10 made of the smallest pages.
    blocks[0] -= 12 << 10
    blocks[10] += 12
    moved = dataclasses.replace(area, blocks=tuple(blocks))
    others = tuple(zone for zone in free.zones if zone is not area)
    result = check_state(
        report("movable_8"), dataclasses.replace(free, zones=(*others, moved)), types, zones, stat
    )
    assert {quantity.name for quantity in broken(result)} == {
        "free blocks of order 0",
        "free blocks of order 10",
    }


def test_a_range_that_compaction_could_clear_breaks_a_hopeless_state() -> None:
    whole = report("hopeless_6")
    assert whole.pins
    pins = dataclasses.replace(whole.pins, open=1, own=whole.pins.own - 1)
    result = check("hopeless_6", dataclasses.replace(whole, pins=pins))
    assert [quantity.seen for quantity in broken(result)][:1] == [1]


@pytest.mark.parametrize("exponent", range(1, 10))
def test_keeping_one_of_a_power_of_two_leaves_one_block_of_each_order_below(exponent: int) -> None:
    blocks = unit_blocks(1 << exponent, Order(0))
    assert blocks == (1,) * exponent + (0,) * (MAX_ORDER - exponent)
    assert unit_blocks(1 << exponent, Order(0), residue=1) == blocks


@pytest.mark.parametrize("residue", range(3))
def test_keeping_one_of_three_leaves_pairs_of_which_half_are_aligned(residue: int) -> None:
    # Twelve pages: four stay, and of four pairs of neighbours two can merge.
    assert unit_blocks(3, Order(0), residue) == (4, 2, *(0,) * 9)


def test_blocks_of_the_largest_order_stay_apart() -> None:
    assert unit_blocks(2, Order(10)) == (*(0,) * 10, 1)
    assert unit_blocks(4, Order(10)) == (*(0,) * 10, 3)
    assert unit_blocks(4, Order(8)) == (*(0,) * 8, 1, 1, 0)


@pytest.mark.parametrize(("keep_one_in", "residue"), [(0, 0), (1, 0), (3, 3), (4, -1)])
def test_a_comb_without_teeth_is_refused(keep_one_in: int, residue: int) -> None:
    with pytest.raises(RecordError):
        unit_blocks(keep_one_in, Order(0), residue)


def test_pins_tell_the_order_of_their_segments() -> None:
    pins = report("hopeless_6").pins
    assert pins
    assert segment_order(pins) == 6
    with pytest.raises(RecordError, match="not one in a power of two"):
        segment_order(dataclasses.replace(pins, freed=PageCount(pins.freed + 1)))


@pytest.mark.parametrize("exponent", range(1, 10))
def test_pages_kept_from_the_lists_of_cpus_cut_no_segment(exponent: int) -> None:
    pins = report("hopeless_6").pins
    assert pins
    freed = PageCount(1000 * ((1 << exponent) - 1))
    for cached in (0, 6):
        found = dataclasses.replace(pins, kept=1000 + cached, freed=freed)
        assert (segment_order(found), segments(found)) == (exponent, 1000)


def test_the_invariant_counts_what_was_free_before_once() -> None:
    comb = report("movable_8")
    assert comb.comb
    assert expected_blocks(comb)[10] == comb.comb.rest[10]
    assert expected_blocks(comb)[2] == comb.comb.rest[2] + comb.comb.units
    pins = report("hopeless_6")
    assert pins.pins
    assert expected_blocks(pins)[5] == pins.free_before[5] + pins.pins.kept
    assert expected_blocks(pins)[6] == pins.free_before[6]
    assert expected_blocks(pins)[7] == 0


@pytest.mark.parametrize("state", NAMES)
def test_a_report_cut_anywhere_is_refused(state: str) -> None:
    whole = text(state, "report")
    for end in range(0, len(whole), 7):
        with pytest.raises(RecordError):
            parse_state_report(whole[:end])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("state 1 ", "state 2 "),
        ("end state name=movable_8", "end state name=movable_4"),
        ("units=", "unites="),
        ("free_after=", "free_after=1,"),
        ("seed=", "seed=x"),
    ],
)
def test_an_altered_report_is_refused(old: str, new: str) -> None:
    whole = text("movable_8", "report")
    assert old in whole
    with pytest.raises(RecordError):
        parse_state_report(whole.replace(old, new, 1))


def files_of(state: str, *, movable: bool = False) -> dict[str, bytes]:
    """What a preparing guest saved; `movable`: its DMA32 is called ZONE_MOVABLE."""
    names = ("buddyinfo", "pagetypeinfo", "zoneinfo", "vmstat")
    files = {f"after/{name}": text(state, name) for name in names} | {
        "output": text(state, "report")
    }
    if movable:
        swapped = {"DMA32": "Movable", "Movable": "DMA32"}
        files = {
            name: re.sub(r"(?<=zone )( *)(DMA32|Movable)", lambda it: it[1] + swapped[it[2]], told)
            for name, told in files.items()
        }
    return {name: told.encode() for name, told in files.items()}


def group_of(state: str) -> Group:
    made = State(name=state, make=state)
    return Group(variant=PATCHED, state=made, seed=1)


@pytest.mark.parametrize("state", NAMES)
def test_a_state_is_judged_wherever_it_can_be(state: str) -> None:
    found = state_result(group_of(state), files_of(state))
    assert found.quantities
    assert not found.not_judged


def test_pins_beside_a_movable_zone_are_not_judged_and_say_why() -> None:
    pinned = state_result(group_of("mixed_30"), files_of("mixed_30", movable=True))
    assert pinned.quantities is None
    assert pinned.not_judged.startswith("what is free in zone Movable is not told apart")
    comb = state_result(group_of("movable_8"), files_of("movable_8", movable=True))
    assert comb.quantities

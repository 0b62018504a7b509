# SPDX-License-Identifier: GPL-2.0-only
"""The shape of memory and the distance of two, on made-up numbers and on real texts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.compare.nearest_state import (
    MEASURED_SCHEMA,
    MeasuredState,
    MeasuredStates,
    as_good,
    measured_in,
    nearest,
    parse_measured,
    state_text,
)
from harness.compare.plan_text import parse_plan
from harness.compare.results import Results, parse_results
from harness.compare.shape import Shape, below_cutoffs, distance, scaled, shape_of
from harness.errors import RecordError, UserError
from harness.jobs.state_from import measured_states, shape_from
from harness.texts.pages import PageCount
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo

MACHINES = Path("tests/data/machines")
BUILD = MACHINES / "build-24g"
TEXT = (BUILD / "pagetypeinfo.txt").read_text()


def shape(
    *, free: dict[int, int], unmovable: int = 0, cache: int | None = None, size: int = 100
) -> Shape:
    """Make memory of `size` pageblocks of 512 pages."""
    return Shape(
        memory=PageCount(512 * size),
        free=tuple(free.get(order, 0) for order in range(11)),
        pageblocks={"Unmovable": unmovable, "Movable": size - unmovable},
        cache=None if cache is None else PageCount(cache),
    )


def test_the_same_shares_of_another_size_are_no_distance() -> None:
    small = shape(free={0: 512, 9: 10}, unmovable=5, cache=1024)
    large = shape(free={0: 5120, 9: 100}, unmovable=50, cache=10240, size=1000)

    assert distance(small, large).total == pytest.approx(0)
    assert scaled(large, small.memory) == small.free


def test_each_part_sees_its_own_difference_and_no_other() -> None:
    base = shape(free={9: 50}, cache=0)

    assert distance(base, shape(free={9: 25}, cache=0)).free == pytest.approx(0.25)
    assert distance(base, shape(free={9: 25}, cache=0)).orders == pytest.approx(0)
    # All of it in single pages: below cutoffs 1 to 9 is all instead of nothing, below 10 both.
    assert distance(base, shape(free={0: 25600}, cache=0)).orders == pytest.approx(0.9)
    assert distance(base, shape(free={8: 100}, cache=0)).orders == pytest.approx(0.1)
    assert distance(base, shape(free={9: 50}, unmovable=30, cache=0)).types == pytest.approx(0.3)
    assert distance(base, shape(free={9: 50}, cache=512 * 40)).cache == pytest.approx(0.4)
    assert distance(base, shape(free={9: 50})).cache is None


def test_a_distance_is_the_mean_of_what_is_known() -> None:
    far = distance(shape(free={9: 50}), shape(free={9: 25}, unmovable=5))

    assert far.total == pytest.approx((0.25 + 0 + 0.05) / 3)


def test_below_a_cutoff_is_what_the_policy_s_frag_pct_is() -> None:
    found = below_cutoffs(shape(free={0: 100, 2: 25, 3: 25}))

    assert found[:3] == (0.25, 0.25, 0.5)
    assert found[3:] == (1.0,) * 7


def measured(**shapes: Shape) -> MeasuredStates:
    states = tuple(
        MeasuredState(make=name, kernel="6.1.0", boots=1, shape=one) for name, one in shapes.items()
    )
    return MeasuredStates(schema=MEASURED_SCHEMA, states=states)


def test_the_nearest_state_comes_first_and_those_as_good_are_named() -> None:
    known = measured(
        movable_2=shape(free={0: 25600}, cache=0),
        cache_2=shape(free={0: 25600}, cache=25600),
        hopeless_1=shape(free={0: 25600}, unmovable=95, cache=0),
    )

    untold = nearest(shape(free={0: 25000}), known)
    told = nearest(shape(free={0: 25000}, cache=25000), known)

    assert [near.state.make for near in untold] == ["cache_2", "movable_2", "hopeless_1"]
    assert [near.state.make for near in as_good(untold)] == ["movable_2"]
    assert told[0].state.make == "cache_2"
    assert as_good(told) == ()


def test_a_state_that_was_measured_is_nearest_to_itself_and_a_plan_makes_it() -> None:
    known = measured_states()
    around = 'name = "x"\nwhy = "y"\nmemory_mib = 512\nseeds = [1]\nbaseline = "off"\n'
    end = '[[bursts]]\nname = "ten"\norder = 10\n[[arms]]\nname = "off"\n'

    assert len(known.states) >= 19
    for one in known.states:
        near = nearest(one.shape, known)[0]
        assert near.state.make == one.make
        assert near.distance.total == pytest.approx(0)
        (state,) = parse_plan(f"{around}{state_text(near)}{end}", one.make).states
        assert state.make == one.make


def test_a_family_s_number_is_found_again_from_its_shape() -> None:
    """A state between two that were measured is nearest to one of the two."""
    known = measured_states()
    shapes = {one.make: one.shape for one in known.states}
    without_3 = MeasuredStates(
        schema=known.schema,
        states=tuple(one for one in known.states if one.make != "movable_3"),
    )

    found = nearest(shapes["movable_3"], without_3)

    assert {near.state.make for near in found[:2]} <= {"movable_2", "movable_4"}


def test_measured_states_are_what_the_kept_results_say() -> None:
    kept = Path("docs/results/policy-6.1/results.json.gz")
    found = measured_in(parse_results(kept.read_bytes(), str(kept)))
    known = {one.make: one for one in measured_states().states}

    assert known["movable_8"] == found["movable_8"]
    assert found["movable_8"].boots == 20
    comb = found["movable_8"].shape
    # One page in 8 stays: of each 8, blocks of orders 0, 1 and 2 are free.
    assert max(comb.free[:3]) - min(comb.free[:3]) < 0.06 * comb.free[2]
    assert "pipeline" not in measured_in(results_of_commands())


def results_of_commands() -> Results:
    path = Path("docs/results/e8-5.15/results.json.gz")
    return parse_results(path.read_bytes(), str(path))


def test_a_real_machine_s_texts_give_its_shape() -> None:
    found = shape_from(BUILD / "pagetypeinfo.txt", BUILD / "buddyinfo.txt", BUILD / "zoneinfo.txt")

    assert found.memory == 6_291_456  # 24 GiB
    assert found.free[9:] == (1, 3)
    assert found.cache == 4_494_502


@pytest.mark.parametrize(
    ("machine", "state", "apart"), [("build-24g", "room_25", 0.28), ("files-1g", "easy", 0.089)]
)
def test_the_machines_have_their_nearest_states(machine: str, state: str, apart: float) -> None:
    """The first has no room and much page cache, which no state has; the other is mostly free."""
    types, free, zones = (
        MACHINES / machine / f"{name}.txt" for name in ("pagetypeinfo", "buddyinfo", "zoneinfo")
    )
    found = nearest(shape_from(types, free, zones), measured_states())

    assert found[0].state.make == state
    assert found[0].distance.total == pytest.approx(apart, abs=0.001)
    assert as_good(found) == ()


def edited(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        (TEXT[:-30], "cut short"),
        (TEXT[: TEXT.index("Number of blocks")], "a table is absent"),
        (TEXT + TEXT.replace("Node    0", "Node    1").replace("Node 0", "Node 1"), "nodes 0, 1"),
        (
            edited("Page block order: 9", "Page block order: 13").replace("  512", "  8192"),
            "pageblocks are of order 13",
        ),
        (edited("     10 \nNode", "     10 11 12 13 \nNode"), "14 columns where 11 belong"),
        ("\xff", "cannot be read"),
        ("Linux version 6.1\n", "belongs to no table"),
    ],
)
def test_texts_that_are_no_machine_s_are_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "pagetypeinfo"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="give the") as error:
        shape_from(path, None, None)
    assert told in str(error.value)
    assert "repeat the run" not in str(error.value)


def long_list(text: str) -> str:
    line = next(each for each in text.splitlines() if "Normal, type      Movable" in each)
    count = line.split()[6]
    return text.replace(line, line.replace(f" {count} ", " >100000 ", 1))


def test_a_list_too_long_to_be_counted_needs_buddyinfo(tmp_path: Path) -> None:
    path = tmp_path / "pagetypeinfo"
    path.write_text(long_list(TEXT))
    with pytest.raises(UserError, match="more than 100000 blocks of order 0.*give --buddyinfo"):
        shape_from(path, None, None)
    assert shape_from(path, BUILD / "buddyinfo.txt", None).cache is None


def without_normal(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if "Normal" not in line)


def half(text: str) -> str:
    return text[: len(text) // 2]


@pytest.mark.parametrize(
    ("name", "spoil", "told"),
    [
        ("buddyinfo", without_normal, "its zones are not those of pagetypeinfo"),
        ("buddyinfo", half, "buddyinfo"),
        ("zoneinfo", half, "cut short"),
    ],
)
def test_a_second_text_must_be_whole_and_of_the_same_machine(
    tmp_path: Path, name: str, spoil: Callable[[str], str], told: str
) -> None:
    path = tmp_path / name
    path.write_text(spoil((BUILD / f"{name}.txt").read_text()))
    given = {"buddyinfo": None, "zoneinfo": None, name: path}
    with pytest.raises(UserError) as error:
        shape_from(BUILD / "pagetypeinfo.txt", given["buddyinfo"], given["zoneinfo"])
    assert told in str(error.value)


def test_memory_without_a_free_page_has_no_shape() -> None:
    info = parse_pagetypeinfo(TEXT)
    nothing = type(info)(
        pageblock_order=9, pageblock_pages=512, free=(), pageblocks=info.pageblocks
    )
    with pytest.raises(RecordError, match="0 of 6291456 pages are free"):
        shape_of(nothing, None, None)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"schema": 2}', b"\xff"])
def test_damaged_measurements_are_told(data: bytes) -> None:
    with pytest.raises(RecordError, match="measure the states again"):
        parse_measured(data, "measured.json")

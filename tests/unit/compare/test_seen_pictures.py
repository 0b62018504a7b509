# SPDX-License-Identifier: GPL-2.0-only
"""Memory and counters as they are drawn: one seed, every arm, and no page lost."""

import re
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from html_reading import require_sound
from made_up import outcome, plan_of, results_of

from harness.compare.burst_seen import DIGITS, BurstSeen, MemoryFrames, TimeLine
from harness.compare.cells import cells
from harness.compare.drawn import drawn_arms, typical_seed, without_undrawn
from harness.compare.frame_pictures import frames_picture
from harness.compare.outcome import Outcome
from harness.compare.results import Results, parse_results, zipped
from harness.compare.screen import comparison_screen
from harness.compare.time_line_pictures import time_line_pictures
from harness.host.templates import html
from harness.texts.guest.burst_view import COUNTERS
from harness.writers.page import Page


def frames(
    *, movable: str = "0g", held: str = "00", pinned: str = "w4", free: str = "0c"
) -> MemoryFrames:
    return MemoryFrames(
        pageblock_order=9,
        types="UM",
        free_shares=free,
        movable_shares=movable,
        held_shares=held,
        pinned_shares=pinned,
        free=200,
        cached=5,
        movable=256,
        held=512 * held.count("w"),
        pinned=470,
        reserved=100,
    )


def time_line(*scanned: int) -> TimeLine:
    nothing = (0,) * len(scanned)
    return TimeLine(
        requests=tuple(range(len(scanned))),
        got=tuple(range(len(scanned))),
        time_us=tuple(10 * at for at in range(len(scanned))),
        counters={
            **dict.fromkeys(COUNTERS, nothing),
            "compact_migrate_scanned": scanned,
            "nr_free_pages": tuple(900 - at for at in range(len(scanned))),
        },
    )


def seen(*scanned: int) -> BurstSeen:
    return BurstSeen(
        before=frames(), after=frames(movable="00", held="0w"), time_line=time_line(*scanned)
    )


def with_seen(blocks: Sequence[int], scanned: int) -> list[Outcome]:
    return [replace(outcome(blocks=count), seen=seen(0, 10, scanned)) for count in blocks]


DRAWN = results_of(
    plan_of(),
    {
        "one": {
            "off": with_seen((10, 10, 10, 10), 20),
            "new": with_seen((19, 15, 11, 30), 400),
        }
    },
)


def page(results: Results) -> str:
    screen = comparison_screen(results, ran=("ran",), how_to_read="so", command="buddylab x")
    return html(Page(title="t", lead=(), sections=(), screen=screen))


def test_the_seed_that_is_drawn_differs_as_most_do() -> None:
    (cell,) = cells(DRAWN)

    # Differences 9, 5, 1 and 20: the median is 7, and of the two beside it the first counts.
    assert typical_seed(cell) == 1
    assert list(drawn_arms(cell)) == ["off", "new"]
    assert {one.seed for one in drawn_arms(cell).values()} == {1}


def test_a_seed_that_an_arm_lacks_is_not_drawn() -> None:
    lacking = replace(
        DRAWN, arms=tuple(one for one in DRAWN.arms if (one.arm, one.seed) != ("new", 1))
    )
    (cell,) = cells(lacking)

    assert typical_seed(cell) == 2


def test_results_keep_what_is_drawn_and_no_more() -> None:
    kept = parse_results(zipped(without_undrawn(DRAWN)), "results")

    assert [one.seed for one in kept.arms if one.outcome.seen] == [1, 1]
    assert page(kept) == page(DRAWN)


def test_results_of_before_are_read_and_have_no_picture() -> None:
    raw = msgspec.json.decode(msgspec.json.encode(DRAWN))
    for arm in raw["arms"]:
        del arm["outcome"]["seen"]
    old = msgspec.convert(raw, type=Results)

    assert all(one.outcome.seen is None for one in old.arms)
    assert "Memory, and the burst" not in page(old)
    require_sound(page(old))


def test_a_pageblock_fills_from_below_and_no_kind_covers_another() -> None:
    picture = frames_picture("t", frames())
    paths = {stroke.look: stroke.path for stroke in picture.strokes}
    number = r"([\d.]+)"
    (whole, part) = re.findall(rf"M{number} {number}v-{number}", paths["frame-pinned"])
    (movable,) = re.findall(rf"M{number} {number}v-{number}", paths["frame-movable"])

    assert whole == ("4.5", "9.5", "9")
    assert part[:2] == ("14.5", "9.5")
    assert float(movable[1]) == float(part[1]) - float(part[2])
    assert float(movable[2]) == 4.5
    assert "frame-held" not in paths


def test_what_is_hardly_there_is_still_drawn() -> None:
    picture = frames_picture("t", frames(pinned="01"))

    assert "v-.4" in next(one.path for one in picture.strokes if one.look == "frame-pinned")


def test_words_tell_all_pages_of_the_picture() -> None:
    told = frames_picture("t", frames(free="w0")).shows

    for said in ("200 free", "5 on the lists", "256 movable", "470 pinned", "100 reserved"):
        assert said in told
    assert "1 wholly free, 2 with a pinned page" in told
    assert "1 Unmovable, 1 Movable" in told


def test_a_large_guest_has_smaller_squares() -> None:
    many = frames(movable="0" * 2048, held="0" * 2048, pinned="1" * 2048, free="0" * 2048)
    picture = frames_picture("t", replace(many, types="M" * 2048))

    assert picture.width == 320
    assert picture.height < 200
    assert {stroke.look for stroke in picture.strokes} == {"frame-room fine", "frame-pinned fine"}


def test_arms_share_the_scale_of_a_counter() -> None:
    low, high = time_line_pictures({"off": time_line(0, 10, 20), "new": time_line(0, 200, 400)})
    bottom = [at.y for at in low.labels if at.text == "migrate scanned"]

    assert bottom == [at.y for at in high.labels if at.text == "migrate scanned"]
    assert [one.text for one in low.labels if one.look == "strong"] == ["2", "20", "898"]
    assert [one.text for one in high.labels if one.look == "strong"] == ["2", "400", "898"]
    assert "compact stalls" not in {one.text for one in low.labels}
    ends = [one.path for picture in (low, high) for one in picture.strokes if one.look == "curve"]
    assert ends[0] != ends[1]
    assert "migrate scanned 10, then 20" in low.shows


def test_a_curve_has_no_corner_between_equals() -> None:
    (flat,) = time_line_pictures({"off": time_line(0, 5, 5, 5, 5, 9)})
    curve = next(one.path for one in flat.strokes if one.look == "curve")
    got, scanned, _free = curve.split("M")[1:]

    assert got.count("L") == 5
    assert scanned.count("L") == 3


def test_a_place_shows_memory_once_before_and_for_each_arm_after() -> None:
    whole = require_sound(page(DRAWN))
    titles = [one.text for one in whole.all("figcaption")]

    assert titles.count("before, all arms") == 1
    assert "off, after: 10 blocks got" in titles
    assert "new, after: 19 blocks got" in titles
    assert "new: counters over its 2 requests" in titles
    assert len(DIGITS) == 33

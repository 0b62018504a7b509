# SPDX-License-Identifier: GPL-2.0-only
"""A comparison and a judgement to look at: the answer first, the map in order, all seeds below."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from html_reading import Element, require_sound
from made_up import busy_seen, outcome, plan_of, results_of

from harness.cli.main import main
from harness.compare import screen
from harness.compare.cells import cells
from harness.compare.outcome import Outcome
from harness.compare.page import comparison_page
from harness.compare.pictures import shortened
from harness.compare.places import places, tallies
from harness.compare.plan import PATCHED
from harness.compare.plan_text import parse_plan
from harness.compare.price_pictures import price_picture
from harness.compare.results import RESULTS, KernelFacts, KernelsFile, Results, parse_results
from harness.compare.screen import comparison_screen
from harness.compare.seen_folds import DRAWN_ARMS_MAX
from harness.compare.state_invariants import StateResult
from harness.compare.states import Quantity
from harness.errors import Exit
from harness.host.templates import html
from harness.writers.page import Page

KEPT = sorted(Path("docs/results").glob("*/" + RESULTS))
SMALLEST = min(KEPT, key=lambda path: path.stat().st_size)
SCREEN_BYTES_MAX = 5 << 20
ARMS = 5000


def seeds(*blocks: int, scanned: int = 100) -> list[Outcome]:
    return [outcome(blocks=count, scanned=scanned) for count in blocks]


def page_of(results: Results) -> Page:
    shown = comparison_screen(results, ran=("ran",), how_to_read="so", command="buddylab x")
    return Page(title="t", lead=(), sections=(), screen=shown)


def document(results: Results) -> Element:
    return require_sound(html(page_of(results)))


HELPS = results_of(
    plan_of(),
    {
        "one": {"off": seeds(10, 11, 12, 13), "new": seeds(11, 12, 13, 14)},
        "two": {"off": seeds(10, 11, 12, 13), "new": seeds(30, 31, 32, 33, scanned=900)},
    },
)
NOTHING = results_of(
    plan_of(),
    {name: {"off": seeds(10, 11, 12, 13), "new": seeds(10, 11, 13, 12)} for name in ("one", "two")},
)


def verdict(whole: Element) -> str:
    (found,) = whole.classed("verdict")
    return found.text


def test_the_answer_is_one_sentence() -> None:
    assert verdict(document(HELPS)) == (
        "▲ helps new gets more blocks than off in 2 of 2 places (most +20.0 with +800 % pages "
        "scanned, two ten), fewer in none."
    )


def test_an_arm_that_hurts_is_told_as_such() -> None:
    worse = results_of(plan_of(), {"one": {"off": seeds(9, 9, 9, 9), "new": seeds(7, 7, 7, 7)}})

    assert verdict(document(worse)) == (
        "▼ hurts new gets more blocks than off in 0 of 1 place, fewer in 1 (most \u22122.0 with "
        "no other scanning, one ten)."
    )


def test_nothing_is_told_plainly() -> None:
    whole = document(NOTHING)

    assert verdict(whole).startswith("= no difference No arm gets more or fewer blocks than off")
    assert "Nothing is beyond noise in any place." in whole.text
    (quiet,) = whole.classed("quiet")
    assert "open" not in quiet.attributes
    assert len(quiet.all("tr")) == 1 + 2


def test_only_costs_are_told_as_costs() -> None:
    costly = results_of(
        plan_of(), {"one": {"off": seeds(9, 9, 9, 9), "new": seeds(9, 9, 9, 9, scanned=500)}}
    )

    told = verdict(document(costly))
    assert "costs, gains nothing" in told
    assert told.endswith("; over 5 % more is scanned somewhere.")
    assert [one.attributes["data-word"] for one in document(costly).classed("cost")[1:]] == [
        "costs"
    ]


def test_no_seed_in_common_is_no_answer() -> None:
    lonely = results_of(plan_of(), {"one": {"off": seeds(9, 9), "new": []}})

    assert "Nothing can be said yet" in verdict(document(lonely))


def test_the_largest_change_over_its_noise_comes_first_and_what_is_below_is_folded() -> None:
    mixed = results_of(
        plan_of(),
        {
            # A large change that seeds do not agree on, and a smaller one on which all do.
            "one": {"off": seeds(10, 10, 10, 10), "new": seeds(90, 0, 5, 10)},
            "two": {"off": seeds(10, 10, 10, 10), "new": seeds(14, 14, 15, 15)},
        },
    )
    assert [one.cell.state for one in places(mixed)] == ["two", "one"]
    loud, quiet = document(mixed).classed("map")
    assert [row.attributes["data-state"] for row in loud.all("tr")[1:]] == ["two"]
    assert [row.attributes["data-state"] for row in quiet.all("tr")[1:]] == ["one"]


def test_each_field_of_the_map_has_colour_sign_and_number() -> None:
    for row in document(HELPS).classed("map")[0].all("tr")[1:]:
        (field,) = row.all("td")
        assert field.attributes["class"] == "good"
        assert re.match(r"▲ \+(20|1)\.0 helps", field.text)
        assert "scan " in field.text
        assert "p99 " in field.text


def test_a_row_of_the_map_leads_to_all_its_seeds() -> None:
    whole = document(HELPS)
    ids = {one.attributes["id"]: one for one in whole.all("details") if "id" in one.attributes}
    links = [one.attributes["href"][1:] for one in whole.classed("map")[0].all("a")]

    assert set(links) == set(ids)
    fold = ids[links[0]]
    told = [one.all("desc")[0].text for one in fold.all("svg") if "role" in one.attributes]
    assert "By seed, off to new: 1: 10 to 30, 2: 11 to 31, 3: 12 to 32, 4: 13 to 33" in told
    assert "By seed, off to new: 1: 100 to 900, 2: 100 to 900, 3: 100 to 900, 4: 100 to 900" in told


def test_a_filter_finds_the_folds_of_what_the_map_names() -> None:
    broken = Quantity(name="free", seen=9, expected=5, tolerance=1)
    state = StateResult(state="one", seed=1, variant=PATCHED, quantities=(broken,))
    whole = document(replace(HELPS, states=(state,)))

    rows = {row.attributes["data-state"] for row in whole.all("tr") if row.attributes}
    folds = {fold.attributes.get("data-state") for fold in whole.all("details")} - {None}
    assert rows == folds == {"one (!)", "two"}
    assert "Memory was not as expected, but is included: seed 1 patched." in whole.text


def test_costs_stand_beside_gains() -> None:
    fold = next(one for one in document(HELPS).all("details") if "two, ten" in one.text)
    table = fold.all("table")[0]
    head = [one.text for one in table.all("th")]
    off, new = ([cell.text for cell in row.all("td")] for row in table.all("tr")[1:])

    assert head[:3] == ["arm", "blocks", "pages scanned"]
    assert off[:3] == ["off (mean)", "11.5", "100"]
    assert new[:3] == ["new", "+20 (+174 %)", "+800 (+800 %)"]


def test_price_and_latency_are_drawn_for_each_arm() -> None:
    fold = next(one for one in document(HELPS).all("details") if "two, ten" in one.text)
    told = [one.all("desc")[0].text for one in fold.all("svg") if "role" in one.attributes]

    assert "off: 11.5 blocks for 100 pages scanned; new: 31.5 blocks for 900 pages scanned" in told
    (latency,) = [one for one in told if one.startswith("off: p50 ")]
    assert "; new: p50 " in latency


def test_names_beside_dots_never_lie_over_each_other() -> None:
    same = {f"arm-{at}": seeds(10, 10, scanned=100 + at) for at in range(9)}
    text = plan_text(states=["one"], arms=["off", *same], count=2)
    results = results_of(parse_plan(text, "x"), {"one": {"off": seeds(9, 9), **same}})
    picture = price_picture(cells(results)[0])
    assert picture

    heights = sorted(one.y for one in picture.labels if one.text.startswith(("arm", "off")))
    assert len(heights) == 10
    assert min(after - before for before, after in pairwise(heights)) >= 11.9
    assert 0 < heights[0] < heights[-1] < picture.height


def test_names_that_differ_at_their_ends_are_told_apart() -> None:
    names = [f"compact-memory-before-the-burst-{at}" for at in range(12)]

    assert len({shortened(name) for name in names}) == len(names)
    assert {len(shortened(name)) for name in names} == {18}
    assert shortened("no-longer-than-it") == "no-longer-than-it"


def test_verbs_agree_with_how_many_arms_there_are() -> None:
    text = plan_text(states=["one"], arms=["off", "a", "b", "c"], count=4)
    off, more, fewer = (seeds(*(number,) * 4) for number in (9, 20, 2))

    def told(**arms: Sequence[Outcome]) -> str:
        found = results_of(parse_plan(text, "x"), {"one": {"off": off, **arms}})
        return verdict(document(found)).partition("; ")[2]

    assert told(a=more, b=off, c=off) == "of 3 arms one helps somewhere, none hurts."
    assert told(a=more, b=more, c=fewer) == "of 3 arms 2 help somewhere, one hurts somewhere."
    assert told(a=fewer, b=fewer, c=fewer) == "of 3 arms none helps somewhere, all hurt somewhere."


def test_predictions_of_what_did_not_run_are_no_misses() -> None:
    claim = '\n[[claims]]\nsays = "x"\narm = "new"\nmeasure = "inspected"\nrelation = "more"'
    whole = document(replace(HELPS, plan=plan_of(claim)))

    assert "no data for any of 2" in whole.classed("answer")[0].text


def test_misses_of_predictions_come_before_hits() -> None:
    claims = "".join(
        f'\n[[claims]]\nsays = "{name}"\narm = "new"\nmeasure = "blocks"\nrelation = "{name}"'
        for name in ("more", "less", "equal")
    )
    whole = document(replace(HELPS, plan=plan_of(claims)))
    (part,) = [one for one in whole.all("section") if one.text.startswith("Predictions")]
    missed, held = part.all("table")

    assert {row.all("td")[1].text for row in missed.all("tr")[1:]} == {"MISS"}
    assert {row.all("td")[0].text for row in missed.all("tr")[1:]} == {"less", "equal"}
    assert {row.all("td")[0].text for row in held.all("tr")[1:]} == {"more"}
    assert "4 of 6 missed, 2 held" in whole.classed("answer")[0].text


def test_tallies_count_each_place_once() -> None:
    (new,) = tallies(places(HELPS))

    assert (new.arm, new.helps, new.hurts, new.costs, new.nothing) == ("new", 2, 0, 0, 0)


def test_what_ran_and_how_to_run_it_again_are_there() -> None:
    results = parse_results(SMALLEST.read_bytes(), str(SMALLEST))
    whole = require_sound(html(comparison_page(results)))
    facts = {one.all("dt")[0].text: one.all("dd")[0] for one in whole.all("dl")[0].all("div")}

    assert list(facts) == ["Kernel", "Change", "Config", "Machine", "N", "Key", "Again"]
    assert facts["Again"].attributes["data-copy"].startswith("buddylab compare plan.toml --kernel ")
    key = facts["Key"].attributes["data-copy"].removeprefix("buddylab replay ")
    assert any(one.key.startswith(key) for one in results.arms)


def test_words_of_a_plan_and_of_a_kernel_are_never_elements() -> None:
    bad = '</td></style><img src=x onerror="alert(1)"><script>1</script>'
    claim = f"\n[[claims]]\nsays = '{bad}'\narm = 'new'\nmeasure = 'blocks'\nrelation = 'less'"
    results = parse_results(SMALLEST.read_bytes(), str(SMALLEST))
    first, *_ = results.kernels.kernels
    made = replace(
        first.provenance, kernel_origin=bad, kernel_release=bad, compiler=bad, patches=(bad,)
    )
    kernels = replace(results.kernels, kernels=(replace(first, provenance=made),))
    plan = msgspec.structs.replace(plan_of(claim), why=bad)

    whole = document(replace(HELPS, plan=plan, kernels=kernels))
    assert whole.text.count(bad) >= 5
    assert shape(whole) == shape(document(replace(HELPS, plan=plan_of(claim), kernels=kernels)))


def shape(whole: Element) -> list[str]:
    return [one.tag for one in whole.everything()]


def plan_text(*, states: Sequence[str], arms: Sequence[str], count: int) -> str:
    quoted = "".join(f"\n[[states]]\nname = {one!r}\nprepare = 'make'" for one in states)
    named = "".join(f"\n[[arms]]\nname = {one!r}" for one in arms)
    return (
        f"name = 'many'\nwhy = 'a trial'\nmemory_mib = 512\nseeds = {list(range(1, count + 1))}\n"
        f"baseline = 'off'{quoted}\n[[bursts]]\nname = 'ten'\norder = 10{named}\n"
    )


def made_up(text: str) -> Results:
    """Return results of each state, arm and seed; numbers differ, some beyond noise."""
    plan = parse_plan(text, "many")
    many = {
        state.name: {
            arm.name: [
                replace(
                    outcome(
                        blocks=100 + at * which + seed * which % 7,
                        scanned=10_000 + 37 * at * which + seed * 211 % 977,
                    ),
                    seen=busy_seen((at * 31 + which * 7 + seed) % 50),
                )
                for seed in plan.seeds
            ]
            for which, arm in enumerate(plan.arms)
        }
        for at, state in enumerate(plan.states)
    }
    return results_of(plan, many)


def test_five_thousand_arms_are_less_than_5_mb() -> None:
    text = plan_text(
        states=[f"state_{at}" for at in range(25)],
        arms=["off", *(f"a-rather-long-name-{at}" for at in range(9))],
        count=20,
    )
    results = made_up(text)
    assert len(results.arms) == ARMS

    page = page_of(results)
    started = time.monotonic()
    written = html(page)
    took_s = time.monotonic() - started

    assert len(written.encode()) < SCREEN_BYTES_MAX
    assert took_s < 30
    whole = require_sound(written)
    # Dots are strokes of one path, not elements: a browser has few of them to lay out.
    assert len(whole.everything()) < 60_000
    assert written.count("h0M") > ARMS
    assert DRAWN_ARMS_MAX - 8 < written.count(" blocks got</figcaption>") <= DRAWN_ARMS_MAX


def test_what_a_page_has_no_room_to_draw_is_named_and_has_its_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What one of both places takes: eight results, and an arm's share.
    monkeypatch.setattr(screen, "_DRAWN_SEEDS_MAX", 8 + screen._ARM_SEEDS)

    folds = [fold for fold in document(HELPS).all("details") if "data-state" in fold.attributes]

    two, one = (fold.text for fold in folds)  # what changed most is first
    assert "two, ten" in two
    assert "By seed" in two
    assert "Not drawn" not in two
    assert "one, ten" in one
    assert "By seed" not in one
    assert "Not drawn: other places changed more" in one
    assert "Gains beside costs" in one


def test_report_writes_a_saved_comparison_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in SMALLEST.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "report.md").unlink()

    assert main(["report", str(tmp_path)]) == Exit.OK
    assert "Map: each arm against" in capsys.readouterr().out
    assert (tmp_path / "report.md").read_text() == (SMALLEST.parent / "report.md").read_text()
    require_sound((tmp_path / "report.html").read_text())


def test_kernels_of_several_sources_are_all_named() -> None:
    results = parse_results(SMALLEST.read_bytes(), str(SMALLEST))
    (first, *_) = results.kernels.kernels
    other = replace(first.provenance, kernel_release="6.12.1", kernel_origin="debian:6.12 6.12.1-1")
    kernels = (first, KernelFacts(variant=first.variant, key=first.key, provenance=other))
    many = replace(results, kernels=KernelsFile(schema=10, key_schema=2, kernels=kernels))

    assert "6.12.1 (debian:6.12 6.12.1-1)" in document(many).all("dl")[0].text

# SPDX-License-Identifier: GPL-2.0-only
"""A judgement to look at: better or worse in one sentence, against the control, seed by seed."""

from dataclasses import replace

import pytest
from html_reading import Element, require_sound
from made_up import results_of
from test_judging import ASKED, STEADY, outcomes, plan_of, results

from harness.compare.judging import AGAIN, BASE, CHANGE
from harness.compare.outcome import Outcome
from harness.compare.place_folds import share_told
from harness.compare.results import Results
from harness.compare.verdict import verdicts
from harness.compare.verdict_page import verdict_page
from harness.host.templates import html

FEWER = tuple(count - 20 for count in STEADY)
MORE = tuple(count + 30 for count in STEADY)


def shown(found: Results) -> Element:
    return require_sound(html(verdict_page(found, verdicts(found), ASKED)))


def sentence(whole: Element) -> str:
    return whole.classed("verdict")[0].text


def test_a_worse_change_is_told_first() -> None:
    assert sentence(shown(results(FEWER))) == (
        "▼ worse The change is worse in blocks got (\u221220 %, one ten); nothing is better beyond "
        "noise."
    )
    assert (
        " seeds, the same for each kernel, whose memory is not. A difference is"
        in shown(results(FEWER)).text
    )


def test_a_better_change_at_a_price_is_mixed() -> None:
    assert sentence(shown(results(MORE, work=9000))) == (
        "◇ mixed The change is better in blocks got (+30 %, one ten) and worse in work (+800 %, "
        "one ten)."
    )


def test_no_difference_is_told_plainly() -> None:
    whole = shown(results(STEADY))

    assert sentence(whole).startswith("= no difference The change makes no difference beyond noise")
    assert "Nothing is beyond noise in any place." in whole.text


def test_what_is_below_the_control_s_noise_is_folded_away() -> None:
    """All seeds agree on 3 blocks more, but the base again differs by 5 from itself."""
    whole = shown(
        results(tuple(count + 3 for count in STEADY), again=tuple(count + 5 for count in STEADY))
    )

    assert sentence(whole).startswith("= no difference")
    (field,) = [
        one for one in whole.classed("map")[0].all("td") if one.attributes.get("data-word")
    ][:1]
    assert field.text.startswith("= +3 % nothing noise 5.0 %")
    (row,) = [one for one in whole.all("desc") if "95 % interval" in one.text][:1]
    assert "blocks got: mean +3 %" in row.text


def test_noise_is_told_of_what_differs() -> None:
    """What others make by chance is no noise of what is told."""
    again = tuple(count + 5 for count in STEADY)
    points = shown(results(FEWER, again=again)).classed("answer")[0].text
    assert "Noise there, of the base against itself in another layout: blocks got 5.0 %." in points

    points = shown(results(STEADY, again=again)).classed("answer")[0].text
    assert "differs by up to 5.0 % (blocks got, one ten)" in points


def test_the_map_has_a_column_for_each_measure_that_moved() -> None:
    (table, *_) = shown(results(FEWER, work=9000)).classed("map")

    assert [one.text for one in table.all("thead")[0].all("th")] == [
        "state, request",
        "blocks got",
        "work",
    ]


def test_the_place_that_differs_is_open_with_the_control_s_dots() -> None:
    whole = shown(results(FEWER))
    (fold, *_) = [one for one in whole.all("details") if one.attributes.get("id") == "judged-all-1"]

    assert "open" in fold.attributes
    assert len(fold.classed("floor")) == 1
    told = [one.text for one in fold.all("desc")]
    assert any(
        one.startswith("By seed, base to change: 1: 100 to 80, 2: 101 to 81") for one in told
    )


def test_the_command_that_asks_again_can_be_copied() -> None:
    copies = [
        one.attributes["data-copy"]
        for one in shown(results(FEWER)).all("dd")
        if "data-copy" in one.attributes
    ]

    assert ASKED.command in copies


def test_the_key_is_of_the_place_that_the_verdict_names() -> None:
    """In one state 3 blocks more, where the base again has 5 more; in the other more work."""
    more, noise = (tuple(count + extra for count in STEADY) for extra in (3, 5))
    same: dict[str, list[Outcome]] = {BASE: outcomes(STEADY), AGAIN: outcomes(STEADY)}
    found = results_of(
        plan_of(),
        {
            "one": {**same, AGAIN: outcomes(noise), CHANGE: outcomes(more)},
            "two": {**same, CHANGE: outcomes(STEADY, 9000)},
        },
    )
    whole = shown(found)

    assert "worse in work (+800 %, two ten)" in sentence(whole)
    copies = [one.attributes.get("data-copy", "") for one in whole.all("dd")]
    assert "buddylab replay twochange1" in copies


def test_nothing_measured_is_no_answer() -> None:
    """A change that does not boot leaves the base's arms alone: that is not "no difference"."""
    whole = shown(results_of(plan_of(), {"one": {BASE: outcomes(STEADY)}}))

    assert sentence(whole) == (
        "= not measured The change is not judged: no seed has numbers of it and of the base."
    )
    assert whole.classed("map") == []


def test_of_each_patch_the_whole_change_comes_first() -> None:
    kernels = {BASE: STEADY, AGAIN: STEADY, "change-1": MORE, CHANGE: FEWER}
    cell = {name: outcomes(blocks) for name, blocks in kernels.items()}
    whole = shown(results_of(plan_of("a", "b", each=True), {"one": cell}))

    assert [one.text.partition("blocks")[0] for one in whole.classed("verdict")] == [
        "▼ worse The change is worse in ",
        "▲ better Its part change-1 is better in ",
    ]
    assert len(whole.text.split("How sure")) == 2
    titles = [one.text for one in whole.all("h2")]
    assert "Where: change against base" in titles
    assert titles.index("Where: change against base") < titles.index("Where: change-1 against base")


@pytest.mark.parametrize("lost", [0, 1])
def test_a_control_that_is_not_whole_hides_no_seed_of_the_change(lost: int) -> None:
    """The A/A control has no guest at all, or one guest fewer than the others."""
    cell: dict[str, list[Outcome]] = {BASE: outcomes(STEADY), CHANGE: outcomes(FEWER)}
    if lost:
        cell[AGAIN] = outcomes(STEADY)[:-lost]
    whole = shown(results_of(plan_of(), {"one": cell}))

    told = [one.text for one in whole.all("desc") if one.text.startswith("By seed, base to change")]
    assert told
    for text in told:
        assert text.count(" to ") == 1 + len(STEADY)


def test_a_base_below_zero_turns_no_sign() -> None:
    """Of -4 pageblocks to -2 is more, although the quotient is below one."""
    found = results(FEWER)
    (one, *_) = verdicts(found)[0].differences
    assert one.difference.mean < 0
    assert replace(one, base_mean=-10.0).share == one.difference.mean / 10

    assert share_told(-2, -4) == "+50 %"
    assert share_told(-6, -4) == "\u221250 %"


@pytest.mark.parametrize("text", ["<b>x</b>", '"><script>1</script>', "a\x00\u202eb"])
def test_the_name_of_a_change_is_never_an_element(text: str) -> None:
    found = results(FEWER)
    asked = replace(ASKED, change=text, command=text, kernel=text)
    page = verdict_page(found, verdicts(found), asked)
    whole = require_sound(html(page))

    assert [one.tag for one in whole.everything()] == [one.tag for one in shown(found).everything()]

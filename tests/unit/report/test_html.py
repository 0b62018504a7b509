# SPDX-License-Identifier: GPL-2.0-only
"""A page as one HTML file: it loads nothing, and no text of a guest or a user is more than text."""

import base64
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import synthetic_run
from html_reading import Element, read, require_sound

from harness.checks.base import CheckResult, Status
from harness.host.pages import write_page
from harness.host.templates import html
from harness.report.document import PredictedCounter, Run, Verdict, decode_run
from harness.report.facts import run_facts
from harness.report.pictures import free_pictures
from harness.report.run_page import run_page
from harness.writers.page import Page, Section, table
from harness.writers.picture import Label, Picture, Stroke, brief, dots, scale_of
from harness.writers.screen import (
    Answer,
    Fact,
    Fold,
    Log,
    LogLine,
    Map,
    MapRow,
    Mark,
    Part,
    Pictures,
    Screen,
    Tone,
    Words,
)
from harness.writers.words import counted

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "</style><svg onload=alert(1)>",
    "--><!--",
    "</title></textarea>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;",
    "`code` and `</code><i>`",
    "\x00\x1b[31m\u202etxt.exe\u2066\ud800",
)
RUN = decode_run(synthetic_run.document())
LOGS = {
    "console": "[    0.000000] Linux version 6.1\n"
    "[    1.000000] BUG: KASAN: use-after-free in x\r\n"
    "[    2.000000] Out of memory: Killed process 12 (stress-ng)\n"
    "[    3.000000] stress: page allocation failure: order:9, mode:0x0\n"
}


def everywhere(text: str) -> Page:
    """Return a page that has a text in each place where one can be."""
    rows = table((text, "other"), [(text, 1), (text, 2)])
    picture = Picture(
        title=text,
        shows=text,
        width=10,
        height=10,
        strokes=(Stroke(path="M1 1h0", look="axis"),),
        labels=(Label(x=1, y=1, text=text),),
    )
    mark = Mark(tone=Tone.GOOD, word="helps", figure=text, notes=(text,))
    row = MapRow(
        state=text, request=text, note=text, link="f", marks=(mark, None), is_above_noise=True
    )
    blocks = (
        Words(paragraphs=(text,), points=(text,)),
        replace(rows, title=text, notes=(text,)),
        Map(title=text, notes=(text,), columns=(text, "b"), column_word="arm", rows=(row,)),
        Pictures(pictures=(picture, picture), key=(("dot-base", text),)),
        Log(
            name=text, lines=(LogLine(number=1, text=text, kind=text), LogLine(number=2, text=text))
        ),
        Fold(title=text, hint=text, link="f", state=text, request=text, blocks=(rows,)),
    )
    return Page(
        title=text,
        lead=(text,),
        verdict=text,
        warnings=(text,),
        sections=(Section(title=text, shows=text, points=(text,), tables=(rows,), notes=(text,)),),
        screen=Screen(
            kind=text,
            answers=(Answer(tone=Tone.BAD, word=text, sentence=text, points=(text,)),),
            facts=(Fact(name=text, value=text, copied=text),),
            parts=(Part(title=text, shows=text, blocks=blocks),),
        ),
    )


def shape(one: Element) -> list[str]:
    return [each.tag for each in one.everything() if each.tag != "code"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("has_screen", [True, False])
def test_no_text_is_more_than_text(text: str, *, has_screen: bool) -> None:
    def page(text: str) -> Page:
        whole = everywhere(text)
        return whole if has_screen else replace(whole, screen=None)

    written = html(page(text))
    written.encode()  # as the file is written
    document = require_sound(written)

    # The same elements as with a harmless text, and the text itself is there to read.
    assert shape(document) == shape(require_sound(html(page("harmless"))))
    shown = re.sub(r"[`\s]+", "", text)
    shown = re.sub("[\x00\x1b\u202e\u2066\ud800]", "\N{REPLACEMENT CHARACTER}", shown)
    assert shown in re.sub(r"\s+", "", document.all("main")[0].text)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u2066]", written)


def test_the_policy_allows_this_style_and_script_alone() -> None:
    document = read(html(everywhere("a")))
    (policy,) = [
        one.attributes["content"]
        for one in document.all("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    ]

    assert "default-src 'none'" in policy
    for tag in ("style", "script"):
        text = "".join(document.all(tag)[0].words)
        digest = base64.b64encode(sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_a_page_without_a_screen_has_all_of_its_sections(run: Run) -> None:
    page = replace(run_page(run), screen=None)
    document = require_sound(html(page))

    titles = [one.text for one in document.all("h2") + document.all("h3")]
    assert titles == [each.title for each in page.sections if each.level == 2] + [
        each.title for each in page.sections if each.level == 3
    ]


@pytest.fixture
def run() -> Run:
    return RUN


def answer(document: Element) -> str:
    (found,) = document.classed("answer")
    return found.text


def test_a_run_begins_with_its_verdict_and_the_headline(run: Run) -> None:
    document = require_sound(html(run_page(run)))
    said = answer(document)

    assert said.startswith("▲ all checks hold All 128 requests for blocks of order 10 were served")
    assert "40 entered the slowpath" in said
    assert "0 failed" in said
    facts = {one.all("dt")[0].text: one.all("dd")[0] for one in document.all("dl")[0].all("div")}
    assert list(facts) == ["Kernel", "Change", "Config", "Machine", "N", "Key", "Again"]
    assert facts["Key"].attributes["data-copy"] == run.key_digest
    assert facts["Again"].attributes["data-copy"].startswith("buddylab run --kernel 5.15.180 ")


def test_the_command_to_run_again_has_the_nodes(run: Run) -> None:
    nodes = " -numa node,nodeid=0,memdev=ram0,cpus=0 -numa node,nodeid=1,memdev=ram1"
    key = replace(run.key, machine=run.key.machine + nodes)
    facts = {one.name: one for one in run_facts(replace(run, key=key))}

    assert facts["Machine"].value.endswith(f"{run.key.memory_mib} MiB (2 nodes)")
    assert " --nodes 2" in facts["Again"].value
    assert "--nodes" not in {one.name: one for one in run_facts(run)}["Again"].value


def test_a_failed_check_comes_before_everything_else(run: Run) -> None:
    broken = CheckResult(
        name="req-is-success-plus-fail",
        why="each request ends once",
        status=Status.FAILED,
        details=("broken: order 10: req 3 - success 1",),
    )
    failed = replace(
        run,
        verdict=Verdict.FAILED,
        checks=tuple(broken if one.name == broken.name else one for one in run.checks),
    )
    document = require_sound(html(run_page(failed)))

    assert answer(document).startswith("▼ 1 check failed")
    first = document.all("section")[1]
    assert first.all("h2")[0].text == "Checks that failed"
    assert "order 10: req 3 - success 1" in first.text
    assert "open" in first.all("details")[0].attributes


def test_misses_come_before_hits(run: Run) -> None:
    *others, last = run.stages
    counters = tuple(
        PredictedCounter(counter=name, low=3, high=3, reason="", observed=seen, hit=seen == 3)
        for name, seen in (("req", 3), ("slowpath", 4), ("compact", 3), ("fail", 5))
    )
    stages = (*others, replace(last, predicted=counters))
    page = run_page(replace(run, stages=stages))
    (predicted,) = parts(page, "Predicted and observed")
    missed, hits = predicted.all("table")

    assert [row.all("td")[1].text for row in missed.all("tr")[1:]] == ["slowpath", "fail"]
    assert [row.all("td")[1].text for row in hits.all("tr")[1:]] == ["req", "compact"]
    assert predicted.all("details")[0].all("summary")[0].text == "2 as predicted"
    assert "2 of 4 counters missed" in answer(require_sound(html(page)))


def parts(page: Page, title: str) -> list[Element]:
    document = require_sound(html(page))
    found = document.all("section")
    return [one for one in found if one.all("h2") and one.all("h2")[0].text.startswith(title)]


def test_stages_that_move_free_memory_are_drawn_first(run: Run) -> None:
    (free,) = parts(run_page(run), "Free memory by order")
    drawn = [one for one in free.all("svg") if "role" in one.attributes]
    shown = {one.all("title")[0].text.partition(":")[0]: one.all("desc")[0].text for one in drawn}

    assert set(shown) == {stage.name for stage in run.stages}
    final = run.stage("high_order_final")
    assert final
    blocks = sum(area.blocks[10] for area in final.before.free)
    assert f"order 10: {blocks * 4:,.1f} to " in shown["high_order_final"]
    still = [one for one in free.all("details") if "moved under 2 %" in one.text]
    assert "baseline" in still[0].text
    assert "high_order_final" not in still[0].text


def test_what_comes_to_another_order_has_moved_once(run: Run) -> None:
    """1.5 % of free memory goes from one order to another: it is missing here and new there."""
    stage = run.stages[0]
    (area, *_) = stage.before.free
    before = replace(stage.before, free=(replace(area, blocks=(*(0,) * 10, 200)),))
    after = replace(stage.after, free=(replace(area, blocks=(*(0,) * 9, 6, 197)),))
    moved, still = free_pictures(replace(run, stages=(replace(stage, before=before, after=after),)))
    assert (len(moved), len(still)) == (0, 1)

    after = replace(after, free=(replace(area, blocks=(*(0,) * 10, 195)),))
    moved, still = free_pictures(replace(run, stages=(replace(stage, before=before, after=after),)))
    assert (len(moved), len(still)) == (1, 0)


def test_numbers_and_nouns_agree(run: Run) -> None:
    short = replace(
        run,
        stages=run.stages[:1],
        provenance=replace(run.provenance, patches=run.provenance.patches[:1]),
        headline=None,
    )
    told = require_sound(html(run_page(short))).all("dl")[0].text

    assert "1 patch of series" in told
    assert "one guest, 1 stage," in told
    assert "1 CPU," in told
    assert counted(2, "patch") == "2 patches"
    assert counted(1000, "stage") == "1,000 stages"


def test_the_log_is_there_with_what_it_was_taken_for(run: Run) -> None:
    (log,) = parts(run_page(run, LOGS), "The kernel's log")
    rows = [[cell.text for cell in row.all("td")] for row in log.all("tr")[1:]]

    assert rows == [
        ["2", "kasan", "BUG: KASAN: use-after-free in x"],
        ["3", "OOM kill", "Out of memory: Killed process 12 (stress-ng)"],
        ["4", "allocation failure", "stress: page allocation failure: order:9, mode:0x0"],
    ]
    assert [one.text.split()[0] for one in log.all("mark")] == ["2", "3", "4"]
    assert "Linux version 6.1" in log.all("pre")[0].text
    assert parts(run_page(run), "The kernel's log") == []


def test_a_log_without_end_is_cut_and_says_so(run: Run) -> None:
    text = "nothing\n" * 5000 + "BUG: KASAN: late\n"
    (log,) = parts(run_page(run, {"console": text}), "The kernel's log")

    assert "5,001 lines, of which the first 2,000" in log.text
    assert "late" in log.all("pre")[0].text
    assert len(html(run_page(run, {"console": text}))) < 1 << 20


def test_equal_runs_give_equal_files(run: Run) -> None:
    again = decode_run(synthetic_run.document())

    assert html(run_page(run, LOGS)) == html(run_page(again, LOGS))


def test_a_page_is_written_beside_its_markdown(tmp_path: Path, run: Run) -> None:
    write_page(tmp_path, replace(run_page(run), screen=None))
    assert {path.name for path in tmp_path.iterdir()} == {"report.md"}
    write_page(tmp_path, run_page(run), name="verdict")
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "verdict.md", "report.html"}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (80.2, "80.2"),
        (-12.8, "\u221212.8"),
        (5.3e6, "5.3M"),
        (999_999, "1M"),
        (0.5, "0.5"),
        (999.6, "1k"),
        (1e-9, "0"),
    ],
)
def test_numbers_of_pictures_are_brief(value: float, told: str) -> None:
    assert brief(value) == told


def test_a_scale_has_all_values_and_round_ticks() -> None:
    scale = scale_of([3, 97], 0, 100)

    assert 0 < scale.at(3) < scale.at(97) < 100
    assert scale.ticks(4) == (0, 50, 100)
    assert scale_of([5, 5], 0, 100).at(5) == 50
    assert dots([(1, 2.04), (3.14159, 4)]) == "M1 2h0M3.1 4h0"

# SPDX-License-Identifier: GPL-2.0-only
"""What documents show and quote of docs/results is what those results say.

A figure in prose stands between two comments, which a reader does not see:

    <!-- figure: policy-5.15 mixed_50 order-9 policy blocks median -->57<!-- / -->
    <!-- figure: policy-5.15 claims held -->139<!-- / -->
"""

import fnmatch
import functools
import re
import statistics
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.compare.cells import Cell, cells, value_pairs, values
from harness.compare.classifiers import classifiers
from harness.compare.judged_claims import Fate, judged_claims
from harness.compare.measures import Measure
from harness.compare.place_picture import blocks_picture
from harness.compare.results import RESULTS, ArmResult, Results, parse_results
from harness.errors import UserError
from harness.writers.svg import svg

ROOT = Path(__file__).parents[3]
FEW_TIMES = 10  # below it a ratio is told with a digit more
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIGURE = re.compile(r"<!-- figure: (.*?) -->(.*?)<!-- / -->", re.DOTALL)
# The picture of the README: a place where arms differ in what they can.
SHOWN, WHERE = "policy-5.15", "mixed_50 order-9"
CALLED = {
    "policy": "mode 5",
    "retry-mayfail": "RETRY_MAYFAIL",
    "proactive-100": "proactiveness 100",
    "compact-memory": "compact_memory",
}


@functools.cache
def kept(folder: str) -> Results:
    path = ROOT / "docs/results" / folder / RESULTS
    return parse_results(path.read_bytes(), str(path))


def _count(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= FEW_TIMES else f"{ratio:.1f}".removesuffix(".0")


def _percent(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1 else f"{value:.1f}"


def _tenths(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Told:
    """A figure of an arm's median and its baseline's, and how it is printed."""

    of: Callable[[float, float], float]
    printed: Callable[[float], str] = _count
    is_share: bool = False  # of the baseline's median: none where that is 0


MEDIANS = {
    "median": Told(lambda ours, _base: ours),
    "above": Told(lambda ours, base: ours - base),
    "below": Told(lambda ours, base: base - ours),
    "times": Told(lambda ours, base: ours / base, _times, is_share=True),
    "percent_more": Told(lambda ours, base: 100 * (ours / base - 1), _percent, is_share=True),
    "percent_less": Told(lambda ours, base: 100 * (1 - ours / base), _percent, is_share=True),
    # What is scanned beyond the 5 % that mode 5 promises to keep.
    "beyond_5_percent": Told(lambda ours, base: round(ours - 1.05 * base)),
    "percent": Told(lambda ours, _base: 100 * ours, _tenths),
    "millions": Told(lambda ours, _base: ours / 1e6, lambda value: f"{value:.1f}"),
}


def figure(tag: str) -> str:
    """Compute what a tag asks for.

    FOLDER STATE BURST ARM MEASURE WHAT, WHAT of medians over the seeds (MEDIANS), or `gain`, the
    mean difference by seed, `bound`, `least` and `most` of any seed, `seeds` in all, or of them
    those above or below the baseline (`seeds_above`, `seeds_below`); least:WHAT and most:WHAT, a
    WHAT of medians or `gain`, of all places and arms that STATE, BURST and ARM are patterns of,
    several with commas between; FOLDER claims held|judged; FOLDER auc ARM INDICATOR.
    """
    words = tag.split()
    match words[1]:
        case "claims":
            return claims(tag)
        case "auc":
            return area(words[0], words[2], " ".join(words[3:]))
        case _:
            return of_cell(tag)


def of_cell(tag: str) -> str:
    """Compute a figure of an arm in one place, beside its baseline there, or of several."""
    folder, states, bursts, arms, measure, what = tag.split()
    there = [
        (cell, arm.name)
        for cell in cells(kept(folder))
        if _is_one_of(cell.state, states) and _is_one_of(cell.burst, bursts)
        for arm in cell.plan.arms
        if _is_one_of(arm.name, arms)
    ]
    end, _, each = what.rpartition(":")
    if end:
        found = [_of_arm(cell, arm, Measure(measure), each) for cell, arm in there]
        extreme = {"least": min, "most": max}[end]
        return extreme((one for one in found if one is not None), key=lambda one: one[0])[1]
    ((cell, arm),) = there
    if told := _of_arm(cell, arm, Measure(measure), what):
        return told[1]
    return _of_seeds(cell.of(arm), cell.of(cell.plan.baseline), Measure(measure), what)


def _is_one_of(name: str, patterns: str) -> bool:
    return any(fnmatch.fnmatchcase(name, each) for each in patterns.split(","))


def _of_arm(cell: Cell, arm: str, measure: Measure, what: str) -> tuple[float, str] | None:
    """Compute a figure of an arm's seeds together; None where it is none."""
    ours, base = cell.of(arm), cell.of(cell.plan.baseline)
    if what == "gain":
        gain = statistics.fmean(one - other for one, other in value_pairs(measure, ours, base))
        return gain, f"{gain:+.1f}"
    found, stock = (values(measure, one) for one in (ours, base))
    if (told := MEDIANS.get(what)) is None or not found:
        return None
    median, other = statistics.median(found), statistics.median(stock or [0])
    if told.is_share and not other:
        return None
    value = told.of(median, other)
    return value, told.printed(value)


def _of_seeds(
    ours: Sequence[ArmResult], base: Sequence[ArmResult], measure: Measure, what: str
) -> str:
    found = values(measure, ours)
    match what:
        case "seeds_above" | "seeds_below":
            pairs = value_pairs(measure, ours, base)
            other = what == "seeds_below"
            return str(sum((one < two) if other else (one > two) for one, two in pairs))
        case "bound":
            return _count(statistics.median(one.outcome.bound.blocks for one in ours))
        case "seeds":
            return str(len(found))
        case "least":
            return _count(min(found))
        case "most":
            return _count(max(found))
        case _:
            known = f"{', '.join(MEDIANS)}, gain, bound, seeds, least, most"
            raise ValueError(f"{what} is none of {known}")


def area(folder: str, arm: str, indicator: str) -> str:
    """Tell the area under an indicator's curve as a sign that an arm helps."""
    (found,) = [
        one
        for one in classifiers(kept(folder))
        if (one.arm, one.indicator.partition(" (")[0]) == (arm, indicator)
    ]
    assert found.area is not None
    return f"{found.area.area:.3f}"


def claims(tag: str) -> str:
    """Count the predictions of a plan that held, or those of which there are data."""
    folder, _, what = tag.split()
    fates = [one.fate for one in judged_claims(kept(folder))]
    counted = {"held": fates.count(Fate.HIT), "judged": len(fates) - fates.count(Fate.UNKNOWN)}
    return f"{counted[what]:,}"


def test_figures_in_prose_are_those_of_results(request: pytest.FixtureRequest) -> None:
    """With --rewrite-golden the documents get today's figures."""
    found = 0
    for document in DOCUMENTS:
        text = document.read_text()
        told = [(tag, figure(tag), shown) for tag, shown in FIGURE.findall(text)]
        found += len(told)
        if request.config.getoption("--rewrite-golden"):
            document.write_text(
                FIGURE.sub(lambda one: f"<!-- figure: {one[1]} -->{figure(one[1])}<!-- / -->", text)
            )
        else:
            wrong = [(tag, now, shown) for tag, now, shown in told if now != shown]
            assert not wrong, f"{document.name}: {wrong}; pytest --rewrite-golden writes them anew"
    assert found > 50


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_begins_with_a_comment(document: Path) -> None:
    """There it would end the paragraph, on the forge and on the site."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^\s*(?:[-*|] )?<!-- figure.{,60}", text, re.MULTILINE) == []


def test_the_picture_of_a_result_is_drawn_from_it(golden: Callable[[str, str], None]) -> None:
    title = "Huge pages gained over mode off, by seed"
    drawn = svg(blocks_picture(kept(SHOWN), WHERE, title=title, names=CALLED))

    golden(str(ROOT / "docs/result.svg"), drawn)
    root = ET.fromstring(drawn)  # noqa: S314 - made here
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(CALLED.values()) <= set(texts)
    gain = figure(f"{SHOWN} {WHERE} policy blocks gain")
    assert f"mode 5: mean {gain}" in (root.findtext("{http://www.w3.org/2000/svg}desc") or "")


def test_a_place_that_is_none_is_named() -> None:
    with pytest.raises(UserError, match="'nowhere' is no place of policy: "):
        blocks_picture(kept(SHOWN), "nowhere", title="")

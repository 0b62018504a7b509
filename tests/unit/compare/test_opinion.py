# SPDX-License-Identifier: GPL-2.0-only
"""A second opinion: what decides, the order of its boots, and what they say of each sign."""

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import msgspec
import pytest
from made_up import BASE, outcome, plan_of, results_of

from harness.compare.by_boot import BOOTS_MAX
from harness.compare.cells import cells
from harness.compare.deciding import (
    GROUNDS_MAX,
    PLACES_MAX,
    Ground,
    chosen,
    of_comparison,
    of_verdicts,
)
from harness.compare.judging import AGAIN, CHANGE, Subject, judged_plan
from harness.compare.judging import BASE as BASE_KERNEL
from harness.compare.measures import Measure
from harness.compare.opinion_page import opinion_lines, opinion_page
from harness.compare.outcome import Outcome
from harness.compare.results import PLAN, RESULTS
from harness.compare.second_opinion import (
    BOOTS,
    OPINION_JSON,
    Booted,
    Item,
    Order,
    SecondOpinion,
    Sign,
    Told,
    goes_on,
    live_values,
    order_of,
    told,
)
from harness.compare.verdict import HARM, verdicts
from harness.encoding import encode
from harness.host.pages import REPORT_HTML
from harness.host.templates import markdown
from harness.jobs.comparison import saved, write
from harness.jobs.plan_file import read_plan
from harness.jobs.saved_report import page_of, tell_opinion
from harness.record import schema
from harness.values import Accelerator

SEEDS = (11, 12, 13)


def ground(
    measure: Measure = Measure.BLOCKS,
    mean: float = -20.0,
    *,
    base: float = 100.0,
    state: str = "one",
    arm: str = "new",
    question: str = "got",
) -> Ground:
    return Ground(
        state=state,
        burst="ten",
        arm=arm,
        against="off",
        question=question,
        measure=measure,
        mean=mean,
        base=base,
    )


def order(grounds: Sequence[Ground], boots: int = BOOTS, seed: int = 1) -> Order:
    return Order(
        schema=schema.SECOND_OPINION.number,
        accelerator=Accelerator.TCG,
        why="a trial",
        qemu_version="10.0",
        qemu_digest="e" * 64,
        cpus=2,
        memory_mib=512,
        kernels=(),
        grounds=tuple(grounds),
        items=order_of(grounds, SEEDS, boots=boots, seed=seed),
    )


def booted(whole: Order, values: Mapping[str, Sequence[float | None]]) -> tuple[Booted, ...]:
    """Give each arm's boots their numbers, one after the other; None: it failed."""
    left = {arm: iter(numbers) for arm, numbers in values.items()}

    def one(item: Item) -> Booted:
        value = next(left[item.arm])
        return Booted(
            item=item,
            values=None if value is None else {Measure.BLOCKS: value},
            failure="guest lost (panic): gone" if value is None else "",
            started_at="2026-11-30T08:00:00+00:00",
            took_s=20.0,
            load=1.5,
        )

    return tuple(one(item) for item in whole.items)


def judged(ours: Sequence[float | None], theirs: Sequence[float | None], mean: float) -> Told:
    whole = order([ground(mean=mean)], boots=len(ours))
    (one,) = told(whole, booted(whole, {"new": ours, "off": theirs}))
    return one


def test_a_round_has_each_arm_once_from_one_state() -> None:
    whole = order_of([ground(), ground(state="two"), ground(arm="other")], SEEDS, boots=4, seed=3)

    rounds = [whole[at : at + 5] for at in range(0, len(whole), 5)]
    assert len(rounds) == 4
    for one in rounds:
        assert Counter((each.state, each.arm) for each in one) == Counter(
            [("one", "off"), ("one", "new"), ("one", "other"), ("two", "off"), ("two", "new")]
        )
    assert [{each.seed for each in one} for one in rounds] == [{11}, {12}, {13}, {11}]
    assert [one.number for one in whole] == list(range(1, 21))


def test_arms_are_interleaved_and_none_is_always_first() -> None:
    arms = [one.arm for one in order_of([ground()], SEEDS, boots=40, seed=1)]

    # Two of one arm, where a round ends with what the next begins with.
    assert max(len(list(found)) for _, found in groupby(arms)) == 2
    firsts = Counter(arms[::2])
    assert 10 < firsts["new"] < 30


def test_an_order_is_its_seed_s() -> None:
    grounds = [ground(), ground(state="two")]

    assert order_of(grounds, SEEDS, boots=5, seed=1) == order_of(grounds, SEEDS, boots=5, seed=1)
    assert order_of(grounds, SEEDS, boots=5, seed=1) != order_of(grounds, SEEDS, boots=5, seed=2)


def test_more_boots_go_on_where_fewer_ended() -> None:
    few, many = order([ground()], boots=3), order([ground()], boots=7)

    assert many.items[: len(few.items)] == few.items
    assert (few.boots, many.boots) == (3, 7)
    assert list(goes_on(few, many)) == list(goes_on(many, few)) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"cpus": 4}, "cpus"),
        ({"accelerator": Accelerator.KVM}, "accelerator"),
        ({"memory_mib": 1024}, "memory_mib"),
        ({"items": order([ground()], seed=2).items}, "items"),
    ],
)
def test_boots_of_something_else_are_not_gone_on_with(change: dict[str, object], what: str) -> None:
    kept = order([ground()])

    assert list(goes_on(kept, replace(kept, **change))) == [what]  # type: ignore[arg-type]
    asked = (ground(Measure.WORK, 5.0, question="work"),)
    assert list(goes_on(kept, replace(kept, why="remembered", grounds=asked))) == []


def test_a_sign_holds() -> None:
    one = judged([80, 82, 79, 81, 80], [100, 101, 99, 103, 100], -20.0)

    assert (one.sign, one.boots, one.against_boots) == (Sign.HOLDS, 5, 5)
    assert one.difference == -20
    assert one.low is not None
    assert one.high is not None
    assert one.low < -20 < one.high < 0


def test_the_other_sign_does_not_hold() -> None:
    one = judged([80, 82, 79, 81, 80], [100, 101, 99, 103, 100], +20.0)

    assert (one.sign, one.is_none, one.boots_needed) == (Sign.DOES_NOT_HOLD, False, None)


def test_no_difference_where_there_was_one_does_not_hold() -> None:
    one = judged([100, 100, 100, 100, 100], [100, 100, 100, 100, 100], -20.0)

    assert (one.sign, one.is_none, one.difference) == (Sign.DOES_NOT_HOLD, True, 0.0)


def test_less_than_one_percent_is_no_difference() -> None:
    theirs = [1000.0, 1001, 1002, 1003, 1004]

    assert judged([each - 5 for each in theirs], theirs, -20.0).is_none
    assert judged([each - 50 for each in theirs], theirs, -20.0).sign is Sign.HOLDS


def test_noise_cannot_be_told_and_says_what_it_would_take() -> None:
    one = judged([60, 120, 90, 70, 110], [130, 80, 100, 75, 115], -20.0)

    # pi/3 * 2 * ((1.645 + 0.842) * 24.4 / 20)^2 + 2: the exact 20 % of the base that was seen.
    assert (one.sign, one.boots_needed) == (Sign.UNTOLD, 22)


def test_where_the_boots_were_had_the_seen_difference_counts() -> None:
    """The exact difference would have shown: what is there live is less."""
    ours, theirs = [100.0, 99, 102, 98, 101], [101.0, 100, 99, 103, 98]
    one = judged(ours, theirs, -20.0)

    assert one.sign is Sign.UNTOLD
    assert one.boots_needed is not None
    assert one.boots_needed > BOOTS_MAX
    assert judged(ours[::-1], ours, -20.0).boots_needed is None


def test_too_few_boots_tell_nothing_and_failures_are_counted() -> None:
    one = judged([80, None, 79], [100, 101, 99], -20.0)

    assert (one.sign, one.boots, one.against_boots) == (Sign.UNTOLD, 2, 3)
    assert (one.difference, one.boots_needed) == (None, 3)
    assert judged([None] * 3, [100, 101, 99], -20.0).boots_needed == 3


def test_more_signs_of_a_question_take_more_boots() -> None:
    blocks, work = ground(), ground(Measure.WORK, question="work")
    numbers = {"new": [80, 81, 79], "off": [100, 101, 99]}

    whole = order([blocks, work], boots=3)
    one, other = told(whole, booted(whole, numbers))
    assert one.sign is Sign.HOLDS
    assert (other.sign, other.boots) == (Sign.UNTOLD, 0)
    whole = order([blocks, ground(Measure.FALLBACKS)], boots=3)
    one, other = told(whole, booted(whole, numbers))
    assert (one.sign, one.boots_needed) == (Sign.UNTOLD, 4)


def test_of_each_question_the_largest_decides() -> None:
    grounds = [
        ground(mean=-5.0, state="two"),
        ground(mean=-30.0),
        ground(Measure.WORK, 300.0, question="work"),
        ground(Measure.WORK, 900.0, state="two", question="work"),
        ground(Measure.LATENCY_P99, 7.0, question="latency"),
    ]

    assert chosen(grounds) == (grounds[1], grounds[4], grounds[3], grounds[0], grounds[2])


def test_few_decide_in_few_places() -> None:
    many = [ground(mean=-float(at), state=f"state-{at}") for at in range(1, 12)]
    here = [
        ground(Measure.WORK, float(at), arm=f"arm-{at}", question="work") for at in range(1, 12)
    ]

    kept = chosen([*many, *here])
    assert len({one.place for one in kept}) == PLACES_MAX
    measures = [ground(each, 9.0, question=HARM) for each in list(Measure)[:12]]
    assert len(chosen(measures)) == GROUNDS_MAX
    # Which is asked about where nothing else differs.
    assert {one.question for one in chosen([*measures, *many])} == {"got"}


def test_what_a_comparison_rests_on() -> None:
    noise = [100, 101, 99, 100]
    cell = {"off": [outcome(blocks=each) for each in noise]}
    fewer = {**cell, "new": [outcome(blocks=each - 20) for each in noise]}
    same = {**cell, "new": [outcome(blocks=each) for each in (100, 99, 101, 100)]}
    found = results_of(plan_of(), {"one": fewer, "two": same})

    (one,) = [each for each in of_comparison(found) if each.measure is Measure.BLOCKS]
    assert (one.state, one.arm, one.against, one.mean) == ("one", "new", "off", -20)
    assert one.share == pytest.approx(-0.2)
    assert {each.state for each in of_comparison(found)} == {"one"}
    assert of_comparison(results_of(plan_of(), {"two": same})) == ()
    # Sure, and less than 1 %.
    many = [outcome(blocks=each) for each in (1000, 1010, 990, 1000)]
    few = [outcome(blocks=each) for each in (994, 1004, 985, 994)]
    assert of_comparison(results_of(plan_of(), {"one": {"off": many, "new": few}})) == ()


def test_what_a_judgement_rests_on() -> None:
    subject = Subject(source="it", before=(), changes=("fix.patch",), config="", each=False)
    trial = plan_of()
    plan = judged_plan(msgspec.structs.replace(trial, arms=trial.arms[:1]), subject)
    arms: dict[str, list[Outcome]] = {
        BASE_KERNEL: [outcome(blocks=each) for each in (100, 101, 99, 100)],
        AGAIN: [outcome(blocks=each) for each in (100, 101, 100, 100)],
        CHANGE: [outcome(blocks=each) for each in (80, 81, 80, 79)],
    }
    found = results_of(plan, {"one": arms})

    (one,) = of_verdicts(verdicts(found))
    assert (one.arm, one.against, one.measure, one.mean) == ("change", "base", "blocks", -20)
    assert len(cells(found)) == 1
    same = results_of(plan, {"one": {**arms, CHANGE: arms[AGAIN]}})
    assert of_verdicts(verdicts(same)) == ()


def test_latencies_are_told_of_real_machines_alone() -> None:
    by_kvm, by_tcg = (live_values(BASE, each) for each in (Accelerator.KVM, Accelerator.TCG))

    assert by_kvm[Measure.LATENCY_P99] == BASE.latency.p99
    assert [each for each in by_tcg if each.startswith("latency")] == []
    assert by_tcg[Measure.BLOCKS] == by_kvm[Measure.BLOCKS] == BASE.blocks


def opinion(boots: Mapping[str, Sequence[float | None]], by_clock: int = 0) -> SecondOpinion:
    whole = order([ground()])
    found = booted(whole, boots)
    return SecondOpinion(
        schema=1,
        order=whole,
        booted=found,
        told=told(whole, found),
        by_clock=(ground(Measure.LATENCY_P99, 4.0),) * by_clock,
    )


def test_one_line_says_whether_it_holds() -> None:
    found = opinion({"new": [80, 82, 79, 81, 80], "off": [100, 101, 99, 103, None]}, by_clock=2)

    head, clock, line = opinion_lines(found)
    assert "2 CPUs under tcg (a trial), 5 boots of each arm, 1 of 10 failed" in head
    assert clock.startswith("second opinion: no latencies, which need KVM: ")
    assert clock.endswith(" Left out: 2.")
    assert line == (
        "second opinion: blocks less with new than with off, one ten: the sign HOLDS (live -20 "
        "[-23, -18]; 5 boots against 4)"
    )
    untold = opinion({"new": [60, 120, 90, 70, 110], "off": [130, 80, 100, 75, 115]})
    assert opinion_lines(untold)[-1].endswith("; it would take 22 of each arm")
    none = opinion({"new": [100] * 5, "off": [100] * 5})
    assert "the sign DOES NOT HOLD (live +0 [+0, +0], which is none of" in opinion_lines(none)[-1]


def test_where_nothing_decides_there_is_nothing_to_ask() -> None:
    empty = SecondOpinion(schema=1, order=order([]), booted=(), told=())

    (line,) = opinion_lines(empty)
    assert "nothing differs beyond noise, so there is no sign" in line
    (line, _) = opinion_lines(replace(empty, by_clock=(ground(Measure.LATENCY_P99, 4.0),)))
    assert "all that differs is latency" in line
    assert "Second opinion: it" in markdown(opinion_page(empty, "it"))


def test_the_exact_answers_page_tells_of_it(tmp_path: Path) -> None:
    kept = min(Path("docs/results").glob(f"*/{RESULTS}"), key=lambda path: path.stat().st_size)
    folder = shutil.copytree(kept.parent, tmp_path / "kept")
    exact = page_of(folder)
    found = opinion({"new": [80, 82, 79, 81, None], "off": [107, 101, 99, 103, 100]}, by_clock=1)
    (folder / OPINION_JSON).write_bytes(encode(found))

    page = page_of(folder)
    assert page.sections == exact.sections
    assert page.screen is not None
    assert exact.screen is not None
    assert page.screen.facts[:-1] == exact.screen.facts
    assert page.screen.parts[:-1] == exact.screen.parts
    assert (page.screen.facts[-1].name, page.screen.facts[-1].value) == ("Second opinion", "1 held")
    tell_opinion(folder)
    text = (folder / REPORT_HTML).read_text()
    assert "blocks less with new than with off, one ten: the sign HOLDS (live -2" in text
    assert "none of these figures belongs beside an exact one" in text
    assert "boot 2 failed" not in markdown(page)
    # Whoever compares again without asking for it still has it.
    write(folder, saved(folder, read_plan(folder / PLAN)))
    assert "the sign HOLDS (live -2" in (folder / REPORT_HTML).read_text()


def test_the_page_has_live_figures_alone() -> None:
    found = opinion({"new": [80, 82, 79, 81, None], "off": [107, 101, 99, 103, 100]})
    text = markdown(opinion_page(found, "fix.patch on 6.1"))

    assert "# Second opinion: fix.patch on 6.1" in text
    assert "boot " in text
    assert "failed: guest lost (panic): gone" in text
    assert "4 and 5" in text
    assert text.count("2026") == 0
    # Every boot is there, in its order, with its number.
    (boots,) = re.findall(r"in which they ran\n(.*)", text, re.DOTALL)
    assert [int(each) for each in re.findall(r"^\| (\d+) ", boots, re.MULTILINE)] == list(
        range(1, 11)
    )

# SPDX-License-Identifier: GPL-2.0-only
"""A judged run as it is looked at: whether its checks hold, the headline, and what led to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.checks.base import CheckResult, Status
from harness.checks.headline import Headline
from harness.report.document import Run, RunStage, Verdict
from harness.report.facts import run_facts
from harness.report.log_fold import log_part
from harness.report.paper import HIGH_ORDER, TABLE_V
from harness.report.pictures import free_pictures
from harness.values import RunMode
from harness.writers.page import Section
from harness.writers.screen import (
    Answer,
    Block,
    Fold,
    Part,
    Pictures,
    Screen,
    Tone,
    Words,
)
from harness.writers.table import ABSENT, Table, table
from harness.writers.words import counted

_NS_PER_S = 1_000_000_000
_FREE_SHOWN = (
    "MiB of free memory in blocks of each order, all zones together, before and after each stage; "
    "one scale for all. A request of an order can be served at once by blocks of it or of a larger "
    "one."
)
# Slowpath, compact and adaptive of its final experiment.
_PAPER = " / ".join(TABLE_V[-1][2:5])
_FREE_KEY = (("fill-before", "before"), ("fill-after", "after"))


def run_screen(
    run: Run,
    *,
    predicted: Table | None,
    steps: Section,
    ours: Sequence[Section],
    papers: Sequence[Section],
    key: Section,
    logs: Mapping[str, str],
) -> Screen:
    """Return the screen; the sections are the page's, `ours`, `papers` and `key` told in folds."""
    return Screen(
        kind="one run, judged",
        answers=(_answer(run),),
        facts=tuple(run_facts(run)),
        parts=(
            *_failed_part(run),
            *_burst_part(run.headline),
            _free_part(run),
            _counter_part(run),
            _step_part(steps),
            *(_prediction_part(predicted) if predicted else ()),
            Part(
                title="The paper's figures and tables beside ours",
                blocks=tuple(_fold(one) for one in papers),
            ),
            Part(title="All other counts", blocks=tuple(_fold(one) for one in ours)),
            _check_part(run),
            *log_part(logs),
            Part(title="Replay key and provenance", blocks=(_fold(key),)),
        ),
    )


def _answer(run: Run) -> Answer:
    counts = {status: sum(check.status is status for check in run.checks) for status in Status}
    holds = run.verdict is Verdict.ALL_HOLD
    failed = counts[Status.FAILED]
    word = "all checks hold" if holds else f"{counted(failed, 'check')} failed"
    return Answer(
        tone=Tone.GOOD if holds else Tone.BAD,
        word=word,
        sentence=_sentence(run.headline),
        points=(
            (
                f"How sure: {counts[Status.HELD]} of {counted(len(run.checks), 'check')} of the "
                f"numbers held, {failed} failed; not applicable to this run: "
                f"{counts[Status.NOT_APPLICABLE]}{_repeats(run)}."
            ),
            *_predictions(run),
        ),
    )


def _repeats(run: Run) -> str:
    if run.key.mode is RunMode.REPEATABLE:
        return "; the same key gives the same bytes"
    return "; a live run is one sample, its numbers differ each time"


def _sentence(headline: Headline | None) -> str:
    if headline is None:
        return "This run has no final burst with a monitor to read it by."
    all_served = headline.succeeded == headline.requests
    served = "All" if all_served else f"{headline.succeeded:,} of"
    return (
        f"{served} {headline.requests:,} requests for blocks of order {headline.order} were "
        f"served, with {headline.available_before:,} such blocks free before and "
        f"{headline.frag_pct_before} % of free memory in small blocks: {headline.slowpath:,} "
        f"entered the slowpath, made {headline.compact:,} attempts at compaction, and the policy "
        f"acted for {headline.adaptive:,} (paper: {_PAPER})."
    )


def _predictions(run: Run) -> Iterator[str]:
    found = [each for stage in run.stages for each in stage.predicted]
    if found:
        missed = sum(not each.hit for each in found)
        yield (
            f"Predictions made while the guest was paused: {missed} of {len(found)} counters "
            f"missed, {len(found) - missed} as predicted."
        )


def _burst_part(headline: Headline | None) -> Iterator[Part]:
    # The first says what the answer says.
    if headline is not None and (sentences := headline.sentences[1:]):
        yield Part(title="How the last burst was served", blocks=(Words(points=sentences),))


def _failed_part(run: Run) -> Iterator[Part]:
    failed = [check for check in run.checks if check.status is Status.FAILED]
    if failed:
        yield Part(
            title="Checks that failed",
            shows="The numbers above and below are not to be relied on where a check failed.",
            blocks=tuple(_check_fold(check, is_open=True) for check in failed),
        )


def _check_fold(check: CheckResult, *, is_open: bool = False) -> Fold:
    return Fold(
        title=f"{check.name}: {check.status.replace('_', ' ')}",
        hint=check.why,
        is_open=is_open,
        blocks=(Words(points=check.details),),
    )


def _free_part(run: Run) -> Part:
    moved, still = free_pictures(run)
    return Part(
        title="Free memory by order, before and after each stage",
        shows=_FREE_SHOWN,
        blocks=(
            Pictures(pictures=moved, key=_FREE_KEY),
            *(
                (
                    Fold(
                        title=f"{counted(len(still), 'stage')} that moved under 2 % of free memory",
                        blocks=(Pictures(pictures=still, key=_FREE_KEY),),
                    ),
                )
                if still
                else ()
            ),
        ),
    )


def _counter_part(run: Run) -> Part:
    return Part(
        title="Counters, stage by stage",
        shows=f"What they rose by; slowpath, compact and adaptive: orders {HIGH_ORDER} to 10.",
        blocks=(
            replace(
                table(
                    (
                        *(
                            "stage",
                            "guest s",
                            "requests",
                            "failed",
                            "slowpath",
                            "compact",
                            "adaptive",
                        ),
                        *("stalls", "scanned", "frag_pct before", "after", "OOM kills"),
                        "allocation failures",
                    ),
                    map(_counters, run.stages),
                ),
                figures=True,
            ),
        ),
    )


def _step_part(steps: Section) -> Part:
    blocks: tuple[Block, ...] = tuple(replace(one, figures=True) for one in steps.tables)
    if steps.notes:
        blocks += (Words(points=steps.notes),)
    return Part(title=steps.title, shows=steps.shows, blocks=blocks)


def _counters(stage: RunStage) -> tuple[object, ...]:
    all_orders = stage.deltas
    high = [delta for delta in all_orders if delta.order >= HIGH_ORDER]
    counts: tuple[object, ...] = (ABSENT,) * 5
    if all_orders:
        counts = (
            sum(delta.req for delta in all_orders),
            sum(delta.fail for delta in all_orders),
            sum(delta.slowpath for delta in high),
            sum(delta.compact for delta in high),
            sum(delta.adaptive for delta in high),
        )
    return (
        stage.name,
        f"{stage.guest_ns / _NS_PER_S:.1f}",
        *counts,
        stage.compaction.stall,
        stage.compaction.migrate_scanned,
        stage.before.frag_pct,
        stage.after.frag_pct,
        stage.after.oom_kills - stage.before.oom_kills,
        stage.after.allocation_failures - stage.before.allocation_failures,
    )


def _prediction_part(predicted: Table) -> Iterator[Part]:
    at = predicted.head.index("holds")
    missed = tuple(row for row in predicted.rows if row[at] == "miss")
    hits = tuple(row for row in predicted.rows if row[at] != "miss")
    blocks: list[Block] = [
        Table(title="Missed", head=predicted.head, rows=missed)
        if missed
        else Words(paragraphs=("None missed.",))
    ]
    if hits:
        inner = Table(head=predicted.head, rows=hits)
        blocks.append(Fold(title=f"{len(hits)} as predicted", blocks=(inner,)))
    yield Part(
        title="Predicted and observed, misses first",
        shows="By how much the counters of each burst would rise, computed while the guest was "
        "paused right before the first request, and by how much they did.",
        blocks=tuple(blocks),
    )


def _check_part(run: Run) -> Part:
    order = [Status.FAILED, Status.HELD, Status.NOT_APPLICABLE]
    checks = sorted(run.checks, key=lambda check: order.index(check.status))
    return Part(
        title="Checks",
        shows="What must hold for the numbers to be valid, and the numbers compared.",
        blocks=tuple(_check_fold(check) for check in checks),
    )


def _fold(section: Section) -> Fold:
    return Fold(
        title=section.title,
        blocks=(
            *((Words(paragraphs=(section.shows,)),) if section.shows else ()),
            *((Words(points=section.points),) if section.points else ()),
            *section.tables,
            *((Words(paragraphs=section.notes),) if section.notes else ()),
        ),
    )

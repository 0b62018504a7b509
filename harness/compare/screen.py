# SPDX-License-Identifier: GPL-2.0-only
"""A comparison as it is looked at: which arm is better where, how sure that is, and why. Pure."""

from collections.abc import Iterator, Sequence

from harness.compare.effects import SAME_WORK
from harness.compare.finding_tables import claim_table, indicator_table
from harness.compare.judged_claims import Fate, judged_claims
from harness.compare.map_part import map_part
from harness.compare.place_folds import place_fold, share_told, short_fold
from harness.compare.places import Place, Tally, places, tallies
from harness.compare.results import Results
from harness.compare.screen_facts import facts, largest_of
from harness.compare.seen_folds import DRAWN_ARMS_MAX, drawn_of
from harness.compare.state_differences import promises
from harness.compare.turn_tables import turn_tables
from harness.writers.screen import (
    Answer,
    Block,
    Fold,
    Part,
    Screen,
    Tone,
    Words,
    sign_of,
)
from harness.writers.table import ABSENT, Table
from harness.writers.words import counted

# The page of 100,000 arms has to open at once. A seed's dots and lines are about 320 bytes of it,
# what an arm has in a place beside them as much as 13 seeds: 6 MB of them.
_DRAWN_SEEDS_MAX = 18_000
_ARM_SEEDS = 13
_TOLD = {
    Tone.GOOD: "helps",
    Tone.BAD: "hurts",
    Tone.MIXED: "helps and hurts",
    Tone.COST: "costs, gains nothing",
    Tone.SAME: "no difference",
}


def comparison_screen(
    results: Results, *, ran: Sequence[str], how_to_read: str, command: str
) -> Screen:
    """Return the screen; `ran` says in points what ran, `command` what makes it again."""
    found = places(results)
    arms = tallies(found)
    return Screen(
        kind="comparison",
        answers=(_answer(results, arms),),
        facts=facts(results, command=command, largest=largest_of(found)),
        parts=(
            *((map_part(results, found),) if arms else ()),
            *_claim_parts(results),
            *((_arm_part(results, arms),) if len(arms) > 1 else ()),
            *place_parts(found),
            _rest(results, ran, how_to_read),
        ),
    )


def _answer(results: Results, arms: Sequence[Tally]) -> Answer:
    best = _best(arms)
    tone = _tone(best) if best else Tone.SAME
    return Answer(
        tone=tone,
        word=_TOLD[tone],
        sentence=_sentence(results, arms),
        points=tuple(_how_sure(results)),
    )


def _best(arms: Sequence[Tally]) -> Tally | None:
    """Return the arm that helps in most places and hurts in fewest, then that gains most."""
    return max(
        arms,
        key=lambda one: (one.helps - one.hurts, one.helps, one.gained, -one.costs),
        default=None,
    )


def _tone(one: Tally) -> Tone:
    if one.helps or one.hurts:
        return Tone.MIXED if one.helps and one.hurts else Tone.GOOD if one.helps else Tone.BAD
    return Tone.COST if one.costs else Tone.SAME


def _sentence(results: Results, arms: Sequence[Tally]) -> str:
    baseline = results.plan.baseline
    best = _best(arms)
    if best is None:
        return f"Nothing can be said yet: no arm has a seed in common with `{baseline}`."
    if not any(one.helps or one.hurts for one in arms):
        return (
            f"No arm gets more or fewer blocks than `{baseline}` beyond noise in "
            f"{counted(best.all, 'place')} (state and request){_costly(arms)}."
        )
    told = _told(best, baseline)
    if len(arms) == 1:
        return f"{told}."
    helping, hurting = (sum(map(bool, each)) for each in zip(
        *((one.helps, one.hurts) for one in arms), strict=True))  # fmt: skip
    return (
        f"{told}; of {len(arms)} arms {_all_of(helping, len(arms), 'help')} somewhere, "
        f"{_all_of(hurting, len(arms), 'hurt')}{' somewhere' if hurting else ''}."
    )


def _all_of(number: int, of: int, verb: str) -> str:
    """Say how many of some do something, the verb as the number wants it."""
    if number in (0, 1):
        return f"{'one' if number else 'none'} {verb}s"
    return f"{'all' if number == of else number} {verb}"


def _costly(arms: Sequence[Tally]) -> str:
    count = sum(bool(one.costs) for one in arms)
    by = f" by {count} of {len(arms)}" if len(arms) > 1 else ""
    return f"; over {100 * SAME_WORK:.0f} % more is scanned somewhere{by}" if count else ""


def _told(one: Tally, baseline: str) -> str:
    gain = f" (most {_most(one.arm, one.best)})" if one.best else ""
    loss = f" (most {_most(one.arm, one.worst)})" if one.worst else ""
    costs = f", and only costs in {one.costs}" if one.costs else ""
    return (
        f"`{one.arm}` gets more blocks than `{baseline}` in {one.helps} of "
        f"{counted(one.all, 'place')}{gain}, "
        f"fewer in {one.hurts or 'none'}{loss}{costs}"
    )


def _most(arm: str, place: Place | None) -> str:
    """Say how many blocks a place makes, at what price, and which place it is."""
    if place is None:
        return ABSENT
    one = place.arms[arm]
    price = "no other scanning"
    if one.scanned != one.baseline_scanned:
        price = f"{share_told(one.scanned, one.baseline_scanned)} pages scanned"
    return f"{sign_of(one.blocks.mean)} with {price}, {place.name}"


def _how_sure(results: Results) -> Iterator[str]:
    seeds = sorted({one.seed for one in results.arms})
    yield (
        f"How sure: N = {len(seeds)} of {counted(len(results.plan.seeds), 'seed')}, each arm "
        f"against `{results.plan.baseline}` from the same seed; more or fewer means that the 95 % "
        "interval of the mean difference (BCa bootstrap) excludes 0."
    )
    claims = judged_claims(results)
    if claims:
        fates = [one.fate for one in claims]
        judged = len(fates) - fates.count(Fate.UNKNOWN)
        yield (
            f"Predictions made before the run: {fates.count(Fate.MISS)} of {judged} missed, "
            f"{fates.count(Fate.HIT)} held."
            if judged
            else f"Predictions made before the run: no data for any of {len(fates)}."
        )
    made = promises(results)
    if made.all:
        yield f"Memory: {made}."


def _claim_parts(results: Results) -> Iterator[Part]:
    table = claim_table(results)
    if table is None:
        return
    verdict = table.head.index("verdict")
    missed, others = ([], [])  # type: tuple[list[tuple[str, ...]], list[tuple[str, ...]]]
    for row in table.rows:
        (missed if row[verdict] == Fate.MISS else others).append(row)
    blocks: list[Block] = []
    if missed:
        blocks.append(_rows_of(table, missed, "Missed"))
    else:
        blocks.append(Words(paragraphs=("None missed.",)))
    if others:
        inner = _rows_of(table, others, "")
        blocks.append(Fold(title=f"{len(others)} that held or have no data", blocks=(inner,)))
    yield Part(
        title="Predictions, misses first", shows="; ".join(table.notes), blocks=tuple(blocks)
    )


def _rows_of(table: Table, rows: Sequence[tuple[str, ...]], title: str) -> Table:
    return Table(title=title, head=table.head, rows=tuple(rows))


def _arm_part(results: Results, arms: Sequence[Tally]) -> Part:
    rows = tuple(
        (
            one.arm,
            str(one.helps),
            str(one.hurts),
            str(one.costs),
            str(one.nothing),
            _most(one.arm, one.best),
            _most(one.arm, one.worst),
        )
        for one in sorted(arms, key=lambda one: (one.hurts - one.helps, one.costs))
    )
    head = ("arm", "▲ helps", "▼ hurts", "◆ only costs", "= nothing", "most gained", "most lost")
    return Part(
        title="Each arm, over all places",
        shows=f"In how many states and requests an arm is what, against {results.plan.baseline}.",
        blocks=(Table(head=head, rows=rows),),
    )


def place_parts(
    found: Sequence[Place], *, title: str = "Why: each state and request, seed by seed"
) -> Iterator[Part]:
    """Return the folds of all places, for those who want to see why."""
    if found:
        yield Part(
            title=title,
            shows="Gains beside costs; a dot is a seed, a bar the 95 % interval of the mean.",
            blocks=tuple(_folds(found)),
        )


def _folds(found: Sequence[Place]) -> Iterator[Fold]:
    """Draw the places that changed most, and of them memory, as much as a page can carry."""
    room, seeds_room = DRAWN_ARMS_MAX, _DRAWN_SEEDS_MAX
    for place in found:
        room -= len(drawn_of(place))
        seeds_room -= len(place.cell.arms) + _ARM_SEEDS * len(place.arms)
        if seeds_room >= 0:
            yield place_fold(place, is_drawn=room >= 0)
        else:
            yield short_fold(place)


def _rest(results: Results, ran: Sequence[str], how_to_read: str) -> Part:
    table = indicator_table(results)
    return Part(
        title="What ran, and how to read it",
        blocks=(
            Words(paragraphs=(results.plan.why, how_to_read)),
            Fold(title="Kernels and states", blocks=(Words(points=tuple(ran)),)),
            *((Fold(title=table.title, blocks=(table,)),) if table else ()),
            *(Fold(title=one.title, blocks=(one,)) for one in turn_tables(results)),
        ),
    )

# SPDX-License-Identifier: GPL-2.0-only
"""Why, of one place: its memory before and after each arm's burst, and how the burst went. Pure."""

from collections.abc import Sequence

from harness.compare.burst_seen import MemoryFrames
from harness.compare.drawn import drawn_arms
from harness.compare.frame_pictures import KEY, frames_picture
from harness.compare.places import Place
from harness.compare.results import ArmResult
from harness.compare.time_line_pictures import time_line_pictures
from harness.writers.picture import Picture
from harness.writers.screen import Fold, Pictures, Words

# Of a place, the baseline and those that differ most; of a report, so many together.
_ARMS_MAX = 8
DRAWN_ARMS_MAX = 60


def drawn_of(place: Place) -> dict[str, ArmResult]:
    """Return which arms of a place are drawn; none where guests saved nothing to draw."""
    found = drawn_arms(place.cell)
    changes = {name: abs(one.blocks.mean) for name, one in place.arms.items()}
    ordered = sorted(found, key=lambda name: -changes.get(name, float("inf")))
    return {name: one for name, one in found.items() if name in ordered[:_ARMS_MAX]}


def seen_fold(place: Place) -> Fold | None:
    """Draw one seed's memory and counters; None where no guest of it saved them."""
    drawn = drawn_of(place)
    if not drawn:
        return None
    seen = {name: one.outcome.seen for name, one in drawn.items() if one.outcome.seen}
    seed = next(iter(drawn.values())).seed
    left_out = [name for name in drawn_arms(place.cell) if name not in drawn]
    notes = (
        f"Seed {seed}, whose differences are nearest to the medians of all seeds.",
        "After: the last request was made, and all that was got is still held.",
        *((f"Not drawn, for they differ least: {', '.join(left_out)}.",) if left_out else ()),
    )
    afters = [
        frames_picture(f"{name}, after: {drawn[name].outcome.blocks} blocks got", one.after)
        for name, one in seen.items()
    ]
    lines = time_line_pictures({name: one.time_line for name, one in seen.items()})
    befores = _befores([(name, one.before) for name, one in seen.items()])
    return Fold(
        title="Memory, and the burst as it went",
        hint=f"pageblocks before and after, counters over the requests; seed {seed}",
        blocks=(
            Words(paragraphs=(" ".join(notes),)),
            Pictures(pictures=(*befores, *afters), key=KEY),
            Pictures(pictures=lines),
        ),
    )


def _befores(found: Sequence[tuple[str, MemoryFrames]]) -> list[Picture]:
    """Draw each memory once: arms of one kernel begin with the same."""
    names: dict[MemoryFrames, list[str]] = {}
    for name, frames in found:
        names.setdefault(frames, []).append(name)
    return [
        frames_picture(
            "before, all arms" if len(names) == 1 else f"before: {', '.join(ours)}", frames
        )
        for frames, ours in names.items()
    ]

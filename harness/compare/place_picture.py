# SPDX-License-Identifier: GPL-2.0-only
"""One picture of one place: what each arm gained or lost in blocks. Pure."""

from collections.abc import Mapping

from harness.compare.cells import value_pairs
from harness.compare.measures import Measure
from harness.compare.pictures import differences_picture, row_of
from harness.compare.place_folds import TONES
from harness.compare.places import places
from harness.compare.results import Results
from harness.errors import UserError
from harness.writers.picture import Picture


def blocks_picture(
    results: Results, where: str, *, title: str, names: Mapping[str, str] | None = None
) -> Picture:
    """Draw the arms at `where`, a state and a burst; `names` says what arms are called there.

    UserError if the comparison has no such place.
    """
    found = {place.name: place for place in places(results)}
    if where not in found:
        raise UserError(f"{where!r} is no place of {results.plan.name}: {', '.join(found)}")
    rows = []
    for arm, one in found[where].arms.items():
        cell = found[where].cell
        both = value_pairs(Measure.BLOCKS, cell.of(arm), cell.of(cell.plan.baseline))
        differences = [ours - theirs for ours, theirs in both]
        rows.append(row_of((names or {}).get(arm, arm), differences, one.blocks, TONES[one.effect]))
    return differences_picture(title, rows)

# SPDX-License-Identifier: GPL-2.0-only
"""By how much the states of several kernels differ, which are made by the same words. Pure.

Other kernels lay out memory otherwise. What a state promises is held to on each of them
(state_invariants.py); here is what is left: each quantity on the base, and how far the others are
from it with the same seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.judging import AGAIN, BASE, judged_variants
from harness.compare.plan import Variant
from harness.compare.results import Results
from harness.compare.state_invariants import StateResult
from harness.compare.states import Quantity
from harness.compare.statistics import number, spread
from harness.writers.page import Table

_NONE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """How many boots are as their states promise."""

    kept: int
    all: int

    def __str__(self) -> str:
        if not self.all:
            return "states promise nothing"
        return f"states as promised in {self.kept} of {self.all} boots"


def promises(results: Results) -> Promises:
    """Count the boots that promise something, and those that kept it."""
    made = [one for one in results.states if one.quantities is not None]
    return Promises(kept=sum(not one.broken for one in made), all=len(made))


def state_table(results: Results) -> Table:
    """Make a row of each quantity of each state; those that are equal everywhere are left out."""
    variants = (AGAIN, *judged_variants(results.plan))
    rows = []
    equal = 0
    for state in results.plan.states:
        boots = [one for one in results.states if one.state == state.name and one.quantities]
        for name in dict.fromkeys(each.name for one in boots for each in one.quantities or ()):
            row = _row(name, boots, variants)
            if row is None:
                equal += 1
            else:
                rows.append((state.name, *row))
    return Table(
        title="How much the states differ",
        notes=(
            "what is there before a burst: on the base median [least, most], on the others the",
            "mean difference from it with the same seed, and the largest",
            f"{equal} quantities more are equal for every kernel and seed",
        ),
        head=("state", "quantity", "base", *variants),
        rows=tuple(rows),
        figures=True,
    )


def _row(
    name: str, boots: Sequence[StateResult], variants: Sequence[Variant]
) -> tuple[str, ...] | None:
    seen = {
        (boot.variant, boot.seed): each
        for boot in boots
        for each in boot.quantities or ()
        if each.name == name
    }
    base = {seed: each for (variant, seed), each in seen.items() if variant == BASE}
    others = [
        [
            each.seen - base[seed].seen
            for (found, seed), each in seen.items()
            if found == variant and seed in base
        ]
        for variant in variants
    ]
    if not base or not any(value for each in others for value in each):
        return None
    return (name, _base(list(base.values())), *(_distance(each) for each in others))


def _base(values: Sequence[Quantity]) -> str:
    return str(spread([one.seen for one in values]))


def _distance(differences: Sequence[int]) -> str:
    if not differences:
        return _NONE
    mean = sum(differences) / len(differences)
    most = max(differences, key=abs)
    return f"{mean:+,.1f}, at most {number(abs(most))}"

# SPDX-License-Identifier: GPL-2.0-only
"""What a comparison comes to: the map, the judged claims, the indicators' worth."""

from harness.compare.cells import cells
from harness.compare.claims import Claim
from harness.compare.classifiers import Classifier, classifiers
from harness.compare.effects import SAME_WORK, Compared, compared
from harness.compare.judged_claims import Fate, JudgedClaim, judged_claims
from harness.compare.results import Results
from harness.compare.statistics import Paired, Spread, number
from harness.writers.page import Table

_NONE = "-"
_LARGE = 1000


def map_table(results: Results) -> Table | None:
    """Make the map: a row for each state and burst, a column for each arm; None without arms."""
    plan = results.plan
    arms = [arm.name for arm in plan.arms if arm.name != plan.baseline]
    found = cells(results)
    if not arms or not found:
        return None
    return Table(
        title=f"Map: each arm against {plan.baseline}",
        notes=(
            "HELPS: the interval of blocks - baseline lies above 0; HURTS: below 0",
            f"otherwise COSTS: over {SAME_WORK:.0%} more pages scanned; NOTHING: not more",
            "blocks: mean difference; scanned, inspected: mean numbers of pages",
        ),
        figures=True,
        head=("state", "burst", *arms),
        rows=tuple(
            (
                cell.marked_state,
                cell.burst,
                *(_effect(compared(cell, arm)) for arm in arms),
            )
            for cell in found
        ),
    )


def _effect(one: Compared | None) -> str:
    if one is None:
        return _NONE
    inspected = f", inspected {number(round(one.inspected))}" if one.inspected else ""
    return (
        f"{one.effect} {one.blocks.mean:+.1f}, scanned "
        f"{_change(one.scanned, one.baseline_scanned)}{inspected}"
    )


def _change(now: float, before: float) -> str:
    """Say by which share a mean changed, or from what it rose where it was 0."""
    if before == 0:
        return number(round(now)) if now else "none"
    return f"{100 * (now - before) / before:+.0f} %"


def claim_table(results: Results) -> Table | None:
    """Make a row for each claim, state and burst; None where the plan predicts nothing."""
    if not results.plan.claims:
        return None
    found = judged_claims(results)
    hits = sum(one.fate is Fate.HIT for one in found)
    judged = sum(one.fate is not Fate.UNKNOWN for one in found)
    return Table(
        title="Claims",
        notes=(
            f"{hits} of {judged} hold; {len(found) - judged} without data",
            "arm and reference (times its factor): median [least, most]",
            "arm - reference by seed: median; mean with its 95 % interval; seeds above:below",
        ),
        figures=True,
        head=(
            "claim",
            "verdict",
            "state",
            "burst",
            "measured",
            "arm",
            "reference",
            "median",
            "difference",
            "above:below",
        ),
        rows=tuple(_judged(one, results.plan.baseline) for one in found),
    )


def _judged(one: JudgedClaim, baseline: str) -> tuple[str, ...]:
    said, found = one.claim, one.found
    numbers = (
        (
            _spread(found.arm),
            _spread(found.reference),
            _figure(found.median),
            _interval(found.difference),
            f"{found.difference.above}:{found.difference.below}",
        )
        if found
        else (_NONE,) * 5
    )
    claim = f"{said.arm}: {said.measure} {said.relation} {_reference(said, baseline)}"
    return (said.says, one.fate, one.cell.marked_state, one.cell.burst, claim, *numbers)


def _reference(said: Claim, baseline: str) -> str:
    if said.value is not None:
        return f"{said.value:g}"
    against = said.against or baseline
    return against if said.factor is None else f"{said.factor:g} x {against}"


def _spread(one: Spread) -> str:
    return f"{_figure(one.median)} [{_figure(one.least)}, {_figure(one.most)}]"


def _interval(one: Paired) -> str:
    mean, low, high = (_figure(value, sign="+") for value in (one.mean, one.low, one.high))
    return f"{mean} [{low}, {high}]"


def _figure(value: float, sign: str = "") -> str:
    """Print a count whole, and what is no count with the digits that a share needs."""
    if value == int(value) or abs(value) >= _LARGE:
        return f"{value:{sign},.0f}"
    return f"{value:{sign}.4g}"


def indicator_table(results: Results) -> Table | None:
    """Make a row for each arm and indicator; None where no arm ran beside the baseline."""
    found = classifiers(results)
    if not any(one.cases for one in found):
        return None
    baseline = results.plan.baseline
    return Table(
        title="Indicators: do they predict where an arm helps?",
        notes=(
            f"helped: runs with at least 1 and over 1 % more blocks than {baseline}",
            "AUC: 0.5 says nothing, 1 (or 0) everything; with its 95 % interval over seeds",
            "best rule: most often right in these same runs; usual: always giving the same answer",
        ),
        figures=True,
        head=("arm", "indicator", "helped", "AUC", "best rule", "right", "usual"),
        rows=tuple(_classifier(one) for one in found),
    )


def _classifier(one: Classifier) -> tuple[str, ...]:
    area = f"{one.area.area:.3f} [{one.area.low:.3f}, {one.area.high:.3f}]" if one.area else _NONE
    return (
        one.arm,
        one.indicator,
        f"{one.helped} of {one.cases}",
        area,
        str(one.best) if one.best else _NONE,
        f"{100 * one.best.accuracy:.1f} %" if one.best else _NONE,
        f"{100 * one.usual:.1f} %" if one.cases else _NONE,
    )

# SPDX-License-Identifier: GPL-2.0-only
"""One line for each state: whether its boots were as they must be."""

from collections.abc import Iterator

from harness.compare.results import Results
from harness.compare.state_invariants import StateResult, broken_invariant
from harness.compare.states import Quantity
from harness.errors import RecordError

_SHOWN_BOOTS = 5


def state_lines(results: Results) -> tuple[str, ...]:
    """Say of each state that was prepared how its invariants fared."""
    boots = {state.name: list[StateResult]() for state in results.plan.states}
    for one in results.states:
        boots[one.state].append(one)
    return tuple(f"state {name}: {_fared(ours)}" for name, ours in boots.items() if ours)


def broken_invariants(results: Results) -> tuple[RecordError, ...]:
    """Return an error for each boot whose memory is not as expected."""
    errors = (broken_invariant(one) for one in results.states)
    return tuple(error for error in errors if error)


def _fared(boots: list[StateResult]) -> str:
    expected = [one for one in boots if one.quantities is not None]
    if not expected:
        why = next((one.not_judged for one in boots if one.not_judged), "")
        return f"no invariants ({why or 'not made by make_state.sh'})"
    broken = [one for one in expected if one.broken]
    if broken:
        said = "; ".join(_told(one) for one in broken[:_SHOWN_BOOTS])
        more = f"; and {len(broken) - _SHOWN_BOOTS} more" if len(broken) > _SHOWN_BOOTS else ""
        return f"BROKEN in {len(broken)} of {len(expected)} boots (!): {said}{more}"
    nearest = max(_quantities(expected), key=_used, default=None)
    close = f"; nearest to its limit {nearest}" if nearest else ""
    return f"as expected in {len(expected)} of {len(expected)} boots{close}"


def _told(boot: StateResult) -> str:
    first, *others = boot.broken
    more = f" and {len(others)} more" if others else ""
    return f"seed {boot.seed} {boot.variant} {first}{more}"


def _quantities(boots: list[StateResult]) -> Iterator[Quantity]:
    return (one for boot in boots for one in boot.quantities or ())


def _used(one: Quantity) -> float:
    """Return the share of its tolerance that a quantity takes."""
    return abs(one.seen - one.expected) / one.tolerance if one.tolerance else 0.0

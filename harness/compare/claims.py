# SPDX-License-Identifier: GPL-2.0-only
"""What a plan predicts of its arms, written down before they run."""

import math
from collections.abc import Collection, Iterator
from enum import StrEnum

import msgspec

from harness.compare.measures import Measure


class Relation(StrEnum):
    """What must hold of the differences, one for each seed: arm - reference.

    The interval is the 95 % bootstrap interval of their mean.
    """

    EQUAL = "equal"  # every difference is 0
    INTERVAL_CONTAINS_0 = "interval_contains_0"  # the interval contains 0
    MORE = "more"  # the interval lies above 0
    LESS = "less"  # the interval lies below 0
    NOT_LESS = "not_less"  # the interval does not lie below 0
    NOT_MORE = "not_more"  # the interval does not lie above 0
    AT_LEAST = "at_least"  # the median difference is not below 0
    AT_MOST = "at_most"  # the median difference is not above 0


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sentence about an arm, in each of some states and bursts.

    The reference is `value`, or `factor` times what arm `against` had with the same seed.
    """

    says: str  # the sentence
    arm: str  # about which arm
    measure: Measure  # which of its numbers
    relation: Relation  # to the reference
    states: tuple[str, ...] = ()  # none: all of the plan
    bursts: tuple[str, ...] = ()  # none: all of the plan
    against: str | None = None  # None: the plan's baseline
    factor: float | None = None  # times that arm's number; None: 1
    value: float | None = None  # instead of another arm's number

    @property
    def name(self) -> str:
        """Name it in a message."""
        return f"claim {self.says!r}"


def faults(
    one: Claim,
    *,
    baseline: str,
    states: Collection[str],
    bursts: Collection[str],
    arms: Collection[str],
) -> Iterator[str]:
    """Say what of a claim does not fit its plan."""
    if not one.says.strip():
        yield f"a claim about {one.arm!r} says nothing"
    named = {
        "state": (one.states, states),
        "burst": (one.bursts, bursts),
        "arm": ((one.arm, *((one.against,) if one.against is not None else ())), arms),
    }
    for kind, (names, known) in named.items():
        for name in names:
            if name not in known:
                yield f"{one.name}: {name!r} is no {kind} of the plan"
    for number in (one.factor, one.value):
        if number is not None and not (math.isfinite(number) and number >= 0):
            yield f"{one.name}: {number} is no number of at least 0"
    if one.value is not None and (one.factor is not None or one.against is not None):
        yield f"{one.name}: value stands for itself, without factor or against"
    if one.value is None and one.arm == (one.against or baseline):
        yield f"{one.name}: arm {one.arm!r} is compared with itself"

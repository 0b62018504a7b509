# SPDX-License-Identifier: GPL-2.0-only
"""A second opinion: whether the signs of an exact answer hold in guests that are not repeatable.

Pure. What decides (harness/compare/deciding.py) is run again in live guests of several CPUs, each
arm in boots of its own, in an order that is drawn before and kept. The unit is the boot: what is
asked is whether the boots of the one arm lie above those of the other (harness/compare/by_boot.py).

DIR/second_opinion.json              SecondOpinion: the order, each boot, the answers
DIR/second_opinion.md                the same to read
DIR/second_opinion/order.json        Order: what is run, and on what
DIR/second_opinion/boots/NNN.json    Booted: what became of the boot of that number
DIR/second_opinion/boots/NNN.tar.gz  the texts of its arm
DIR/second_opinion/failed/NNN        the console of one that failed, and QEMU's words
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from harness.compare import by_boot
from harness.compare.deciding import BY_CLOCK, Ground
from harness.compare.measures import Measure, measured
from harness.compare.outcome import Outcome
from harness.compare.plan import Variant
from harness.compare.verdict import RELEVANT_SHARE
from harness.digest import sha256_text
from harness.values import Accelerator

NAME = "second_opinion"
OPINION_JSON = f"{NAME}.json"
# Five of each arm can tell all signs that are asked about (by_boot.boots_least).
BOOTS = 5
CPUS_LEAST = 2


class Sign(StrEnum):
    """What live boots say of an exact sign."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"  # it is the other, or there is no difference worth a name
    UNTOLD = "cannot be told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One boot of the order."""

    number: int  # from 1, in the order in which they are run
    state: str
    burst: str
    arm: str
    seed: int  # of the state


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKernel:
    """What a boot of a variant executes."""

    variant: Variant
    vmlinux_digest: str
    initramfs_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """All that is run, and on what: written before the first boot."""

    schema: int
    accelerator: Accelerator
    why: str  # this accelerator
    qemu_version: str
    qemu_digest: str
    cpus: int  # of each guest
    memory_mib: int
    kernels: tuple[LiveKernel, ...]
    grounds: tuple[Ground, ...]
    items: tuple[Item, ...]

    @property
    def boots(self) -> int:
        """How many boots each arm has."""
        runs = {(one.state, one.burst, one.arm) for one in self.items}
        return len(self.items) // len(runs) if runs else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """What became of one boot."""

    item: Item
    # By measure, latencies in ns; those by the clock only with a real accelerator. None: it failed.
    values: dict[Measure, float] | None
    failure: str = ""
    broken: tuple[str, ...] = ()  # what of its memory was not as its state must be
    started_at: str
    took_s: float
    load: float  # of the host as it began: its load average of one minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the boots say of one ground."""

    ground: Ground
    sign: Sign
    boots: int  # of the arm that have the measure
    against_boots: int
    difference: float | None = None  # live; None: too few boots for an interval
    low: float | None = None
    high: float | None = None
    is_none: bool = False  # the whole interval is below what is called a difference
    boots_needed: int | None = None  # of each arm, where it cannot be told; None: no number


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """All of it."""

    schema: int
    order: Order
    booted: tuple[Booted, ...]
    told: tuple[Told, ...]
    by_clock: tuple[Ground, ...] = field(default=())  # not asked: there is no real accelerator
    others: int = 0  # grounds beyond those that are asked about

    @property
    def failed(self) -> tuple[Booted, ...]:
        """The boots that gave no result."""
        return tuple(one for one in self.booted if one.values is None)


def order_of(
    grounds: Sequence[Ground], seeds: Sequence[int], *, boots: int, seed: int
) -> tuple[Item, ...]:
    """Draw the order of `boots` rounds by `seed`; each has every arm once, all of one state's seed.

    Whatever the host does meanwhile so meets all arms alike, also where it is interrupted. More
    boots begin with the same order.
    """
    runs = tuple(
        dict.fromkeys(
            (one.state, one.burst, arm) for one in grounds for arm in (one.against, one.arm)
        )
    )
    drawn = (
        (run, seeds[turn % len(seeds)])
        for turn in range(boots)
        for run in sorted(runs, key=lambda run: sha256_text(str(seed), str(turn), *run))
    )
    return tuple(
        Item(number=number, state=state, burst=burst, arm=arm, seed=state_seed)
        for number, ((state, burst, arm), state_seed) in enumerate(drawn, 1)
    )


def live_values(outcome: Outcome, accelerator: Accelerator) -> dict[Measure, float]:
    """Return all numbers of a boot; those of its clock only where the machine is real."""
    return {
        each: value
        for each in Measure
        if accelerator is Accelerator.KVM or each not in BY_CLOCK
        if (value := measured(each, outcome)) is not None
    }


def goes_on(kept: Order, wanted: Order) -> Iterator[str]:
    """Name in what an order that was kept is another than what is wanted now; none: it goes on.

    What is asked of the boots may change, and their number: of two orders the one begins the other.
    """
    for name in Order.__dataclass_fields__:
        same = getattr(kept, name) == getattr(wanted, name)
        if not same and name not in {"why", "grounds", "items"}:
            yield name
    if any(one != other for one, other in zip(kept.items, wanted.items, strict=False)):
        yield "items"


def told(order: Order, booted: Sequence[Booted]) -> tuple[Told, ...]:
    """Say of each ground whether its sign holds, as sure as for all signs of its question."""
    asked = Counter(ground.question for ground in order.grounds)
    return tuple(_told(ground, booted, asked[ground.question]) for ground in order.grounds)


def _told(ground: Ground, booted: Sequence[Booted], asked: int) -> Told:
    ours, theirs = (_values(ground, booted, arm) for arm in (ground.arm, ground.against))
    found = by_boot.shift(ours, theirs, asked=asked)
    if found is None:
        return Told(
            ground=ground,
            sign=Sign.UNTOLD,
            boots=len(ours),
            against_boots=len(theirs),
            boots_needed=_needed(ground, ours, theirs, asked),
        )
    relevant = RELEVANT_SHARE * abs(fmean(theirs))
    is_none = -relevant <= found.low and found.high <= relevant
    up, down = found.low > 0, found.high < 0
    if not is_none and (up or down):
        sign = Sign.HOLDS if up == (ground.mean > 0) else Sign.DOES_NOT_HOLD
    else:
        sign = Sign.DOES_NOT_HOLD if is_none else Sign.UNTOLD
    is_untold = sign is Sign.UNTOLD
    return Told(
        ground=ground,
        sign=sign,
        boots=len(ours),
        against_boots=len(theirs),
        difference=found.difference,
        low=found.low,
        high=found.high,
        is_none=is_none,
        boots_needed=_needed(ground, ours, theirs, asked) if is_untold else None,
    )


def _values(ground: Ground, booted: Sequence[Booted], arm: str) -> list[float]:
    return [
        one.values[ground.measure]
        for one in booted
        if (one.item.state, one.item.burst, one.item.arm) == (ground.state, ground.burst, arm)
        if one.values is not None and ground.measure in one.values
    ]


def _needed(
    ground: Ground, ours: Sequence[float], theirs: Sequence[float], asked: int
) -> int | None:
    """Return the boots that it takes: for the exact difference, at the spread of these boots.

    Where those were had, live boots differ by less: then for the difference that they show.
    """
    if not ours or not theirs:
        return by_boot.boots_least(asked)
    deviation = by_boot.spread(ours, theirs)
    share = ground.share
    exact = ground.mean if share is None else share * abs(fmean(theirs))
    needed = by_boot.boots_needed(exact, deviation, asked=asked)
    had = min(len(ours), len(theirs))
    if needed is not None and needed > had:
        return needed
    needed = by_boot.boots_needed(fmean(ours) - fmean(theirs), deviation, asked=asked)
    return None if needed is None else max(needed, had + 1)


def by_arm(booted: Sequence[Booted]) -> Mapping[tuple[str, str, str], tuple[Booted, ...]]:
    """Group boots by state, burst and arm, in the order in which they first ran."""
    found: dict[tuple[str, str, str], tuple[Booted, ...]] = {}
    for one in booted:
        name = (one.item.state, one.item.burst, one.item.arm)
        found[name] = (*found.get(name, ()), one)
    return found

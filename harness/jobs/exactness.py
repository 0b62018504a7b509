# SPDX-License-Identifier: GPL-2.0-only
"""exactness: one arm, again and again, from the memory of several boots: equal each time."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

import msgspec

from harness.compare import plan as plans
from harness.compare.plan import Arm, Plan
from harness.compare.results import first_difference
from harness.host.cache import Cache
from harness.host.progress import progress
from harness.jobs.guests import QEMU, Guests
from harness.jobs.lab import base_key, lab_of, seeded
from harness.jobs.repetition import RepetitionWork, Seen, Texts
from harness.jobs.runner import LocalRunner, Runner, Task
from harness.record.bundle import digests_of, run_expected
from harness.stages.boot_files import BootFiles
from harness.texts.guest import turns
from harness.texts.guest.turns import Turns, parse_turns

AT_A_TIME = os.cpu_count() or 1  # boots
_MOST = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one or more guests saved, all of it the same."""

    digest: str
    guests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """How many different outcomes one arm had, the most frequent first."""

    arms: tuple[Outcome, ...]
    difference: str  # between the two most frequent outcomes; empty: there is one
    turns: Turns | None  # of the first outcome; None: they were not recorded

    @property
    def total(self) -> int:
        """How often it was run."""
        return sum(one.guests for one in self.arms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exactness:
    """How many different outcomes the same guests had, the most frequent first."""

    cpus: int
    states: tuple[Outcome, ...]  # of the boots that prepared
    arms: tuple[Repeated, ...]  # one, or one for each schedule from 0 up

    @property
    def is_exact(self) -> bool:
        """Whether all were equal, and each schedule's order of events its own."""
        return (
            len(self.states) == 1
            and all(len(one.arms) == 1 for one in self.arms)
            and self.orders == len(self.arms)
        )

    @property
    def orders(self) -> int:
        """Count the different orders of events; an arm that did not record any has its own."""
        return len(
            {one.turns.order if one.turns else number for number, one in enumerate(self.arms)}
        )

    def __str__(self) -> str:
        """Print as a table, and what it says."""
        rows = [("state", one) for one in self.states]
        rows += [
            ("arm" if one.turns is None else f"turns {one.turns.schedule}", each)
            for one in self.arms
            for each in one.arms
        ]
        lines = [f"{what:<9}  {one.guests:>6}  {one.digest[:16]}" for what, one in rows]
        boots = sum(one.guests for one in self.states)
        equal = sum(one.arms[0].guests for one in self.arms)
        told = (
            f"{equal} of {sum(one.total for one in self.arms)} arms equal, "
            f"from {boots} boots of {self.cpus} CPUs"
        )
        different = [one.difference for one in self.arms if one.difference]
        told += f"; first difference: {different[0]}" if different else ""
        found = [one.turns for one in self.arms if one.turns]
        return "\n".join(
            ["what       guests  outcome", *lines, *_turns_lines(found, self.orders), told]
        )


def _turns_lines(found: Sequence[Turns], orders: int) -> list[str]:
    """Print what was recorded of the turns: who asked in which order, how long they were."""
    if not found:
        return []
    powers = sorted({each.least_ns for one in found for each in one.lasted})
    rows = [
        f"{one.schedule:<9} {one.events:>8} {one.turns:>7} {one.share_ns(0.5) or 0:>9} "
        f"{one.share_ns(_MOST) or 0:>9}  {one.order}"
        for one in found
    ]
    by_length = [
        f"{power:>9} "
        + " ".join(
            f"{next((each.turns for each in one.lasted if each.least_ns == power), 0):>7}"
            for one in found
        )
        for power in powers
    ]
    head = " ".join(f"{one.schedule:>7}" for one in found)
    return [
        "",
        f"{'schedule':<9} {'events':>8} {'turns':>7} {'half ns':>9} {'95 % ns':>9}  order",
        *rows,
        "",
        f"{'from ns':>9} {head}   (turns of each schedule from there to twice that)",
        *by_length,
        "",
        f"{orders} of {len(found)} schedules have an order of events of their own",
    ]


def exactness(
    what: BootFiles,
    plan: Plan,
    cache: Cache,
    *,
    times: int,
    boots: int,
    schedules: int | None = None,
    guests: Guests = QEMU,
    runner: Runner | None = None,
) -> Exactness:
    """Run the plan's baseline arm in its first state, `times` in all, from `boots` boots.

    With `schedules` it is run so often with each from 0 to that number. On this machine, as many
    boots at a time as it has CPUs (how busy it is must not matter), or where `runner` runs them:
    then workers are held to each other. The first failure is raised.
    """
    runner = runner or LocalRunner(AT_A_TIME)
    baseline = next(one for one in plan.arms if one.name == plan.baseline)
    group = next(one for one in plans.groups(plan) if one.variant == baseline.kernel)
    run = next(one for one in plans.runs(plan, group) if one.arm == baseline)
    lab = seeded(lab_of(what, plan, cache, guests=guests), group.seed)
    work = RepetitionWork(
        plan=plan,
        group=group,
        base=base_key(lab, plan, group),
        tried=tuple(
            plans.arm_stage(plan, plans.ArmRun(group=group, burst=run.burst, arm=arm))
            for arm in scheduled(baseline, schedules)
        ),
        turns=(),
        guests=guests,
    )
    tasks = [
        Task(
            title=f"boot {boot}",
            what=what,
            memory_mib=plan.most_mib,
            work=replace(work, turns=_turns(boot, share, len(work.tried))),
        )
        for boot, share in enumerate(_shares(times, boots), 1)
    ]
    states: list[Texts] = []
    arms: list[list[Texts]] = [[] for _ in work.tried]
    done = count(1)
    with progress("exactness", total=times * len(work.tried), unit="arms") as advance:

        def take(_task: Task, seen: Seen) -> bool:
            if not seen.unit:
                states.append(seen.texts)
            else:
                arms[seen.arm].append(seen.texts)
                advance(next(done), f"{plan.cpus} CPUs")
            return True

        for error in runner.run(tasks, cache, take):
            raise error
    return judged(plan.cpus, states, arms)


def _shares(times: int, boots: int) -> list[int]:
    """Spread so many arms over boots; one without any does not boot."""
    shares = [times // boots + (number < times % boots) for number in range(boots)]
    return [share for share in shares if share]


def _turns(boot: int, share: int, arms: int) -> tuple[tuple[str, int], ...]:
    return tuple(
        (f"boot {boot}, round {number}, arm {arm}", arm)
        for number in range(1, share + 1)
        for arm in range(arms)
    )


def scheduled(baseline: Arm, schedules: int | None) -> list[Arm]:
    """Return the arm as it is, or with each schedule from 0 to `schedules`."""
    if schedules is None:
        return [baseline]
    numbers = range(schedules + 1)
    return [msgspec.structs.replace(baseline, schedule=number) for number in numbers]


def judged(cpus: int, states: Sequence[Texts], arms: Sequence[Sequence[Texts]]) -> Exactness:
    """Count the different outcomes; `arms` are those of each schedule."""
    return Exactness(cpus=cpus, states=_outcomes(states), arms=tuple(map(_repeated, arms)))


def _repeated(arms: Sequence[Texts]) -> Repeated:
    examples = {_digest(texts): texts for texts in arms}
    found = _outcomes(arms)
    different = [examples[one.digest] for one in found[:2]]
    recorded = different[0].get(turns.FILE)
    return Repeated(
        arms=found,
        difference=first_difference(*different) if len(different) > 1 else "",
        turns=None if recorded is None else parse_turns(recorded.decode(errors="replace")),
    )


def _digest(texts: Texts) -> str:
    return run_expected(digests_of(texts)).digest


def _outcomes(found: Sequence[Texts]) -> tuple[Outcome, ...]:
    counted = Counter(map(_digest, found))
    return tuple(Outcome(digest=digest, guests=guests) for digest, guests in counted.most_common())

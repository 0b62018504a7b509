# SPDX-License-Identifier: GPL-2.0-only
"""exactness: one arm, again and again, from the memory of several boots: equal each time."""

import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

from harness.compare import plan as plans
from harness.compare.plan import Plan
from harness.compare.results import first_difference
from harness.host.cache import Cache
from harness.host.files import remove_tree
from harness.host.progress import progress
from harness.jobs.guests import QEMU, Guests
from harness.jobs.lab import lab_of, seeded
from harness.record.bundle import digests_of, run_expected
from harness.stages.boot_files import BootFiles

AT_A_TIME = os.cpu_count() or 1  # boots
Texts = Mapping[str, bytes]  # what a guest saved: path inside -> content


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one or more guests saved, all of it the same."""

    digest: str
    guests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exactness:
    """How many different outcomes the same guests had, the most frequent first."""

    cpus: int
    states: tuple[Outcome, ...]  # of the boots that prepared
    arms: tuple[Outcome, ...]
    difference: str  # between the two most frequent outcomes; empty: there is one

    @property
    def is_exact(self) -> bool:
        """Whether all were equal."""
        return len(self.states) == len(self.arms) == 1

    def __str__(self) -> str:
        """Print as a table, and what it says."""
        lines = [
            f"{what:<6}  {one.guests:>6}  {one.digest[:16]}"
            for what, found in (("state", self.states), ("arm", self.arms))
            for one in found
        ]
        boots, arms = (sum(one.guests for one in found) for found in (self.states, self.arms))
        equal = (
            f"{self.arms[0].guests} of {arms} arms equal, from {boots} boots of {self.cpus} CPUs"
        )
        told = f"; first difference: {self.difference}" if self.difference else ""
        return "\n".join(["what    guests  outcome", *lines, f"{equal}{told}"])


def exactness(
    what: BootFiles, plan: Plan, cache: Cache, *, times: int, boots: int, guests: Guests = QEMU
) -> Exactness:
    """Run the plan's baseline arm in its first state, `times` in all, from `boots` boots.

    As many boots at a time as this host has CPUs: how busy it is must not matter.
    """
    stop = threading.Event()
    baseline = next(one for one in plan.arms if one.name == plan.baseline)
    group = next(one for one in plans.groups(plan) if one.variant == baseline.kernel)
    run = next(one for one in plans.runs(plan, group) if one.arm == baseline)
    lab = seeded(lab_of(what, plan, cache, guests=guests), group.seed)
    state, arm = plans.state_stage(plan, group), plans.arm_stage(plan, run)
    shares = [times // boots + (number < times % boots) for number in range(boots)]
    states: list[Texts] = []
    arms: list[Texts] = []
    done = count(1)
    with (
        progress("exactness", total=times, unit="arms") as advance,
        ThreadPoolExecutor(max_workers=AT_A_TIME, thread_name_prefix="boot") as pool,
    ):

        def booted(share: int) -> None:
            with (
                cache.building("exactness") as scratch,
                guests.prepared(lab, state, scratch) as ready,
            ):
                states.append({**ready.files, "stopped": ready.dump})
                for _ in range(share):
                    if stop.is_set():
                        return
                    arms.append(guests.run_arm(ready, arm, scratch / "arm"))
                    remove_tree(scratch / "arm")
                    advance(next(done), f"{plan.cpus} CPUs")

        try:
            for future in [pool.submit(booted, share) for share in shares if share]:
                future.result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    return judged(plan.cpus, states, arms)


def judged(cpus: int, states: Sequence[Texts], arms: Sequence[Texts]) -> Exactness:
    """Count the different outcomes."""
    examples = {_digest(texts): texts for texts in arms}
    found = _outcomes(arms)
    different = [examples[one.digest] for one in found[:2]]
    return Exactness(
        cpus=cpus,
        states=_outcomes(states),
        arms=found,
        difference=first_difference(*different) if len(different) > 1 else "",
    )


def _digest(texts: Texts) -> str:
    return run_expected(digests_of(texts)).digest


def _outcomes(found: Sequence[Texts]) -> tuple[Outcome, ...]:
    counted = Counter(map(_digest, found))
    return tuple(Outcome(digest=digest, guests=guests) for digest, guests in counted.most_common())

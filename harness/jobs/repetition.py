# SPDX-License-Identifier: GPL-2.0-only
"""One boot of `exactness`, and arms from its memory again and again: executed, not judged."""

from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, replace

from harness.compare import plan as plans
from harness.compare.plan import Group, Plan
from harness.host.files import remove_tree
from harness.jobs.guests import Guests
from harness.jobs.lab import lab_at
from harness.jobs.runner import Outcome, Place
from harness.record.bundle import digests_of, run_expected
from harness.record.key import ReplayKey
from harness.stages.boot_files import BootFiles
from harness.values import StagePlan

Texts = Mapping[str, bytes]  # what a guest saved: path inside -> content


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one guest saved."""

    unit: str  # empty: the guest that prepared
    arm: int  # which of the arms that are tried; of the guest that prepared it says nothing
    texts: Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionWork:
    """A boot as a task's work: its units are its arms, by when and which."""

    plan: Plan
    group: Group
    base: ReplayKey
    tried: tuple[StagePlan, ...]  # the arms
    turns: tuple[tuple[str, int], ...]  # unit, and which of those it is
    guests: Guests

    @property
    def units(self) -> tuple[str, ...]:
        """Name each time that an arm is run."""
        return tuple(unit for unit, _ in self.turns)

    def only(self, units: Collection[str]) -> "RepetitionWork":
        """Return the boot with some of them."""
        return replace(self, turns=tuple(turn for turn in self.turns if turn[0] in units))

    def execute(self, what: BootFiles, place: Place) -> Generator[Seen, None, None]:
        """Boot it at a place; the first guest that fails ends it."""
        lab = lab_at(
            place, what, plan=self.plan, group=self.group, base=self.base, guests=self.guests
        )
        state = plans.state_stage(self.plan, self.group)
        with (
            place.cache.building("exactness") as scratch,
            self.guests.prepared(lab, state, scratch) as ready,
        ):
            yield Seen(unit="", arm=0, texts={**ready.files, "stopped": ready.dump})
            for unit, arm in self.turns:
                place.check_stop()
                texts = self.guests.run_arm(ready, self.tried[arm], scratch / "arm")
                remove_tree(scratch / "arm")
                yield Seen(unit=unit, arm=arm, texts=texts)

    def outcome(self, produced: Seen) -> Outcome:
        """Tell a guest by its texts."""
        return Outcome(unit=produced.unit, digest=run_expected(digests_of(produced.texts)).digest)

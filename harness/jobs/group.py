# SPDX-License-Identifier: GPL-2.0-only
"""One boot of a comparison, and the arms that begin with its memory: executed, not kept.

What is given and what comes out are values, so that whoever runs a boot need not know where its
results go.
"""

import contextlib
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.plan import ArmRun, Group, Plan
from harness.compare.results import first_difference
from harness.digest import sha256_text
from harness.errors import GuestLostError, HarnessError, HostError, RecordError, StageError
from harness.host.cache import Cache
from harness.host.files import remove_tree
from harness.jobs.arm import PREPARING, Lab, Prepared
from harness.jobs.evidence import Evidence, gather
from harness.jobs.guests import Guests
from harness.jobs.lab import lab_at
from harness.jobs.runner import Outcome, Place
from harness.record.bundle import digests_of, run_expected
from harness.record.key import ReplayKey
from harness.stages.boot_files import BootFiles

# What ends one arm or one boot, and not the others.
TOLD = (GuestLostError, RecordError, StageError)
# And what ends all of them, but leaves something to look at.
FAILED = (*TOLD, HostError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot: its state, and which arms are to run from it."""

    plan: Plan
    group: Group
    base: ReplayKey  # of all its arms, but for the arm itself
    runs: tuple[ArmRun, ...]
    proves: bool  # whether the first arm is run twice, and must give the same


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTexts:
    """What the preparing guest saved."""

    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTexts:
    """What one arm's guest saved."""

    run: ArmRun
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What ended an arm, or the whole boot where `run` is None."""

    run: ArmRun | None
    error: HarnessError
    evidence: Evidence


Produced = StateTexts | ArmTexts | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWork:
    """A boot as a task's work: its units are its arms, by their paths."""

    boot: Boot
    guests: Guests

    @property
    def units(self) -> tuple[str, ...]:
        """Name its arms."""
        return tuple(run.path for run in self.boot.runs)

    def only(self, units: Collection[str]) -> "GroupWork":
        """Return the boot with some of its arms."""
        runs = tuple(run for run in self.boot.runs if run.path in units)
        return replace(self, boot=replace(self.boot, runs=runs))

    def execute(self, what: BootFiles, place: Place) -> Generator[Produced, None, None]:
        """Boot it at a place; HostError if what executes there is not what its key names."""
        boot = self.boot
        lab = lab_at(
            place, what, plan=boot.plan, group=boot.group, base=boot.base, guests=self.guests
        )
        yield from execute(boot, lab, place.cache, self.guests)

    def outcome(self, produced: Produced) -> Outcome:
        """Tell an arm, or the state, by the texts of its guest."""
        if isinstance(produced, Failure):
            return Outcome(unit=produced.run.path if produced.run else "", digest="")
        digest = run_expected(digests_of(produced.files)).digest
        return Outcome(
            unit=produced.run.path if isinstance(produced, ArmTexts) else "", digest=digest
        )


def execute(boot: Boot, lab: Lab, cache: Cache, guests: Guests) -> Iterator[Produced]:
    """Boot, prepare, and run the arms, one after the other; a failed arm ends no other.

    What this host lacks ends all: it is produced as a failure, and then raised.
    """
    name = f"compare-{sha256_text(boot.plan.name, boot.group.title)[:12]}"
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(cache.building(name))
        try:
            state = plans.state_stage(boot.plan, boot.group)
            ready = stack.enter_context(guests.prepared(lab, state, scratch))
        except FAILED as error:
            yield Failure(run=None, error=error, evidence=gather(scratch / PREPARING))
            if isinstance(error, HostError):
                raise
            return
        yield StateTexts(files=ready.files)
        for number, run in enumerate(boot.runs):
            proves = boot.proves and number == 0
            made = _arm(boot, run, ready, scratch, guests, proves=proves)
            yield made
            if isinstance(made, Failure) and isinstance(made.error, HostError):
                raise made.error


def _arm(
    boot: Boot, run: ArmRun, ready: Prepared, scratch: Path, guests: Guests, *, proves: bool
) -> Produced:
    stage = plans.arm_stage(boot.plan, run)
    # What is not repeatable is no evidence: the first arm of each state is run once more.
    folders = [scratch / name for name in (("arm", "again") if proves else ("arm",))]
    texts: list[dict[str, bytes]] = []
    try:
        for folder in folders:
            try:
                texts.append(guests.run_arm(ready, stage, folder))
            except FAILED as error:
                # The other arms have their own memory and their own answer.
                return Failure(run=run, error=error, evidence=gather(folder))
        _require_same(run, texts)
    except RecordError as error:
        return Failure(run=run, error=error, evidence=gather(folders[-1]))
    finally:
        for folder in folders:
            remove_tree(folder)
    return ArmTexts(run=run, files=texts[0])


def _require_same(run: ArmRun, texts: Sequence[Mapping[str, bytes]]) -> None:
    difference = first_difference(texts[0], texts[-1])
    if difference:
        raise RecordError(
            f"{run.path}: the same arm differs when run twice ({difference}); "
            "nothing of this host may reach the guest, see docs/guest.md"
        )

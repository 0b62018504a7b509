# SPDX-License-Identifier: GPL-2.0-only
"""One wrong version of the series, run and judged, wherever that is."""

import logging
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from pathlib import Path

from harness.checks.base import Status
from harness.digest import sha256_text
from harness.errors import GuestLostError, RecordError, StageError
from harness.host.accelerator import AcceleratorChoice
from harness.host.scratch import temporary
from harness.jobs.replay import saved_run_texts
from harness.jobs.runner import Outcome, Place
from harness.record.bundle import digests_of, run_expected
from harness.record.key import RunIdentity
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles, require_unaltered
from harness.stages.check import check, save_key
from harness.stages.run import Made, run_made
from harness.texts.build.edit import Mutant
from harness.values import RunMode, StagePlan
from harness.workloads.end_of_ladder import end_of_ladder_stages
from harness.workloads.paper import Scale, memory_mib, mutant_stages, torture_stages

logger = logging.getLogger("mutants")

MEMORY_MIB = memory_mib(Scale.SMALL)
# Checks of the stage torture alone begin so.
_OF_TORTURE = "torture-"
UNMUTATED = "none: the series as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of one mutant; `caught_by` names every check that failed."""

    name: str
    subject: str
    expected: str  # the check that must fail; empty: none may
    caught_by: tuple[str, ...]
    digest: str = ""  # of all that its guests said; empty: none ran, or one came to no end

    @property
    def held(self) -> bool:
        """Whether the right check failed, or none did where none may."""
        return self.expected in self.caught_by if self.expected else not self.caught_by

    def __str__(self) -> str:
        """Print as a line of a table."""
        verdict = "ok" if self.held else ("MISSED" if self.expected else "FAILED")
        expected = [self.expected] if self.expected in self.caught_by else []
        others = [name for name in self.caught_by if name != self.expected]
        caught = ", ".join([*expected, *others]) or "nothing failed"
        wanted = f" (expected {self.expected})" if self.expected and not expected else ""
        return f"{verdict:<7} {self.name:<44} {self.subject}\n{'':<8}{caught}{wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """Which checks failed, or how the run ended, and a digest of what the guest said."""

    by: tuple[str, ...]
    digest: str


def trial_of(mutant: Mutant | None, cpus: int, caught: Caught) -> Trial:
    """Tell what became of a mutant, or of the series as it is."""
    return Trial(
        name=trial_name(mutant, cpus),
        subject=UNMUTATED if mutant is None else mutant.edit.subject,
        expected="" if mutant is None else mutant.caught_by,
        caught_by=caught.by,
        digest=caught.digest,
    )


def trial_name(mutant: Mutant | None, cpus: int) -> str:
    """Name a trial: no other has the same."""
    name = "unmutated" if mutant is None else mutant.edit.name.removesuffix(".toml")
    return name if cpus == 1 else f"{name}, {cpus} CPUs"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialWork:
    """A trial as a task's work, of one unit."""

    mutant: Mutant | None  # None: the series as it is
    known: Made
    cpus: int

    @property
    def units(self) -> tuple[str, ...]:
        """Name it."""
        return (trial_name(self.mutant, self.cpus),)

    def only(self, units: Collection[str]) -> "TrialWork":
        """Return it: it has no parts."""
        assert set(units) <= set(self.units)  # noqa: S101 - of no other task
        return self

    def execute(self, what: BootFiles, place: Place) -> Generator[Trial, None, None]:
        """Run and judge it at a place."""

        def judge(plan: tuple[StagePlan, ...]) -> Caught:
            return _judged(what, self.known, plan, self.cpus, place)

        yield trial_of(self.mutant, self.cpus, caught_by(self.mutant, judge))

    def outcome(self, produced: Trial) -> Outcome:
        """Tell it by what its guests said."""
        return Outcome(unit=produced.name, digest=produced.digest)


def caught_by(mutant: Mutant | None, judge: Callable[[tuple[StagePlan, ...]], Caught]) -> Caught:
    """Run what the expected check reads alone, and all stages where that does not suffice.

    Most mutants are caught by the stage torture, which is the smaller part of the whole.
    """
    if mutant is not None and mutant.caught_by.startswith(_OF_TORTURE):
        found = judge(torture_stages())
        if mutant.caught_by in found.by:
            by = tuple(name for name in found.by if name.startswith(_OF_TORTURE))
            return Caught(by=by, digest=found.digest)
    return judge((*mutant_stages(), *end_of_ladder_stages(MEMORY_MIB)))


def _judged(
    what: BootFiles, known: Made, plan: tuple[StagePlan, ...], cpus: int, place: Place
) -> Caught:
    settings = RunSettings(
        mode=RunMode.REPEATABLE,
        memory_mib=MEMORY_MIB,
        cpus=cpus,
        seed=1,
        scale=Scale.SMALL,
        accelerator=AcceleratorChoice.TCG,
    )
    # Not a mutant's fault, so it must not look as if one was caught.
    require_unaltered(what)
    with temporary("mutant") as folder:
        try:
            identity = run_kept(what, known, plan, settings, place=place, folder=folder)
            judged = check(folder)
        except (GuestLostError, RecordError, StageError) as error:
            logger.info("no judgement: %s", error)
            return Caught(by=(type(error).__name__,), digest="")
        digest = run_digest(folder, identity.digest)
    failed = (result.name for result in judged.checks if result.status is Status.FAILED)
    return Caught(by=tuple(failed), digest=digest)


def run_kept(
    what: BootFiles,
    known: Made,
    plan: tuple[StagePlan, ...],
    settings: RunSettings,
    *,
    place: Place,
    folder: Path,
) -> RunIdentity:
    """Run a plan where its files are, and leave its key beside what the guest said."""
    identity = run_made(
        what,
        known,
        plan,
        settings,
        folder=folder,
        cache=place.cache,
        check_stop=place.check_stop,
    )
    save_key(folder, identity)
    return identity


def run_digest(folder: Path, key: str) -> str:
    """Digest what executed in a repeatable run, and all that its guest said."""
    return sha256_text(key, run_expected(digests_of(saved_run_texts(folder))).digest)

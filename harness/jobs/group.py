# SPDX-License-Identifier: GPL-2.0-only
"""One boot of a comparison, and the arms that begin with its memory: executed, not kept.

What is given and what comes out are values, so that whoever runs a boot need not know where its
results go.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.plan import ArmRun, Group, Plan
from harness.compare.results import first_difference
from harness.digest import sha256_text
from harness.errors import GuestLostError, HarnessError, RecordError, StageError
from harness.host.cache import Cache
from harness.host.files import remove_tree
from harness.jobs.arm import Lab, Prepared, prepared, run_arm

# What ends one arm or one boot, and not the others.
TOLD = (GuestLostError, RecordError, StageError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot: its state, and which arms are to run from it."""

    plan: Plan
    group: Group
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


Produced = StateTexts | ArmTexts | Failure


def execute(boot: Boot, lab: Lab, cache: Cache) -> Iterator[Produced]:
    """Boot, prepare, and run the arms, one after the other; a failed arm ends no other."""
    name = f"compare-{sha256_text(boot.plan.name, boot.group.title)[:12]}"
    try:
        with (
            cache.building(name) as scratch,
            prepared(lab, plans.state_stage(boot.plan, boot.group), scratch) as ready,
        ):
            yield StateTexts(files=ready.files)
            for number, run in enumerate(boot.runs):
                yield _arm(boot, run, ready, scratch, proves=boot.proves and number == 0)
    except TOLD as error:
        yield Failure(run=None, error=error)


def _arm(boot: Boot, run: ArmRun, ready: Prepared, scratch: Path, *, proves: bool) -> Produced:
    folder = scratch / "arm"
    try:
        files = run_arm(ready, plans.arm_stage(boot.plan, run), folder)
        if proves:
            _require_same_twice(boot.plan, run, ready, scratch, files)
        return ArmTexts(run=run, files=files)
    except TOLD as error:
        # The other arms have their own memory and their own answer.
        return Failure(run=run, error=error)
    finally:
        remove_tree(folder)


def _require_same_twice(
    plan: Plan, run: ArmRun, ready: Prepared, scratch: Path, files: Mapping[str, bytes]
) -> None:
    """Run the first arm of each state once more: what is not repeatable is no evidence."""
    again = run_arm(ready, plans.arm_stage(plan, run), scratch / "again")
    difference = first_difference(files, again)
    if difference:
        raise RecordError(
            f"{run.path}: the same arm differs when run twice ({difference}); "
            "nothing of this host may reach the guest, see docs/guest.md"
        )

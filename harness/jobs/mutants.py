# SPDX-License-Identifier: GPL-2.0-only
"""mutants: build and run wrong versions of the series, and see each caught by the right check.

A mutant that no check catches, or another check than the one it names, is a hole in the
judging; so is a series without any mutation that does not pass.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from harness.checks.base import Status
from harness.errors import GuestLostError, RecordError, StageError, UserError
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.host.emulator import newer_emulator
from harness.host.files import files_below
from harness.host.progress import progress
from harness.host.scratch import temporary
from harness.jobs.review_builds import page_alloc_object
from harness.stages.apply import require_fit
from harness.stages.boot import RunSettings
from harness.stages.build import build
from harness.stages.check import check, save_key
from harness.stages.guest import guest
from harness.stages.patch import patch
from harness.stages.run import run
from harness.texts.build.edit import Mutant, parse_mutant
from harness.texts.build.objects import differences
from harness.values import (
    Counters,
    GuestImage,
    KernelBuild,
    KernelSource,
    PatchedTree,
    RunMode,
    StagePlan,
)
from harness.workloads.end_of_ladder import end_of_ladder_stages
from harness.workloads.paper import Scale, memory_mib, mutant_stages, torture_stages

logger = logging.getLogger("mutants")

# The judge of what must not be in the object with the option off: a gate of `review`.
IDENTITY = "identity"
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


def read_mutants(directory: Path, only: Sequence[str], line: str = "") -> tuple[Mutant, ...]:
    """Read all mutants of a directory, or those whose names begin with one of `only`.

    Where the code itself is another on a kernel line, DIRECTORY/LINE/NAME.toml stands for it;
    what no other line has can be mistaken there alone.
    """
    require_mutants(directory, only)
    found = {path.name: path for path in directory.glob("*.toml")}
    if line:
        found |= {path.name: path for path in (directory / line).glob("*.toml")}
    paths = [found[name] for name in sorted(found)]
    chosen = [path for path in paths if not only or path.name.startswith(tuple(only))]
    if not chosen:
        raise UserError(
            f"no mutant of line {line}'s has a name that begins with {', '.join(only)}; "
            f"see {directory}"
        )
    return tuple(parse_mutant(path.name, path.read_bytes()) for path in chosen)


def require_mutants(directory: Path, only: Sequence[str]) -> None:
    """Raise UserError where no line can have a mutant to try, or one of `only` begins no name."""
    there = {path.name for path in files_below(directory) if path.suffix == ".toml"}
    if not there:
        raise UserError(f"{directory} holds no mutants; name the directory that does")
    if strange := [word for word in only if not any(name.startswith(word) for name in there)]:
        raise UserError(f"no mutant's name begins with {', '.join(strange)}; see {directory}")


def mutants(
    source: KernelSource,
    cache: Cache,
    *,
    directory: Path,
    counters: Counters,
    only: Sequence[str] = (),
    cpus: int | None = None,
    repeats_several: bool = True,
) -> Iterator[Trial]:
    """Try the series as it is and then every mutant; the next is built while one runs.

    Each runs on as many CPUs as it says, or on `cpus`; the series as it is on all numbers that
    occur. What says more than one is left out, with a warning, where the emulator does not
    repeat those. Raises StageError for a mutant that does not fit the series before the first is
    built.
    """
    chosen = [
        mutant if cpus is None else replace(mutant, cpus=cpus)
        for mutant in read_mutants(directory, only, source.line)
        if mutant.counters in (None, counters)
    ]
    if not repeats_several:
        chosen = _of_one_cpu(chosen)
    tree = patch(source, cache)
    for each in chosen:
        require_fit(each.edit, tree)
    numbers = sorted({1 if cpus is None else cpus, *(mutant.cpus for mutant in chosen)})
    jobs: list[tuple[Mutant | None, int]] = [
        *((None, number) for number in numbers),
        *((mutant, mutant.cpus) for mutant in chosen),
    ]
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="mutant-run") as runner,
        progress("mutants", total=len(jobs), unit="mutants") as advance,
    ):
        waiting: Future[Trial] | None = None
        for number, (mutant, on) in enumerate(jobs):
            advance(number, mutant.edit.name if mutant else UNMUTATED)
            built = _built(tree, mutant, counters, cache)
            if waiting is not None:
                yield waiting.result()
            waiting = runner.submit(_trial, mutant, built, cache, on)
        if waiting is not None:
            yield waiting.result()


def _of_one_cpu(chosen: list[Mutant]) -> list[Mutant]:
    left_out = [mutant.edit.name for mutant in chosen if mutant.cpus > 1]
    if left_out:
        logger.warning("left out: %s; %s", ", ".join(left_out), newer_emulator())
    return [mutant for mutant in chosen if mutant.cpus == 1]


@dataclass(frozen=True, slots=True)
class _Bootable:
    kernel: KernelBuild
    image: GuestImage


# What is tried: a kernel to run, what was found without running, or why it does not build.
_Built = _Bootable | tuple[str, ...]


def _built(series: PatchedTree, mutant: Mutant | None, counters: Counters, cache: Cache) -> _Built:
    source = series.source
    tree = patch(source, cache, edit=None if mutant is None else mutant.edit)
    if mutant is not None and mutant.caught_by == IDENTITY:
        bare = page_alloc_object(patch(source, cache, upto="0"), cache)
        return (IDENTITY,) if differences(bare, page_alloc_object(tree, cache)) else ()
    kernel = build(tree, cache, counters=counters)
    return _Bootable(kernel, guest(kernel, cache))


def _trial(mutant: Mutant | None, built: _Built, cache: Cache, cpus: int) -> Trial:
    name = "unmutated" if mutant is None else mutant.edit.name.removesuffix(".toml")
    return Trial(
        name=name if cpus == 1 else f"{name}, {cpus} CPUs",
        subject=UNMUTATED if mutant is None else mutant.edit.subject,
        expected="" if mutant is None else mutant.caught_by,
        caught_by=_caught_by(mutant, built, cache, cpus) if isinstance(built, _Bootable) else built,
    )


def _caught_by(mutant: Mutant | None, built: _Bootable, cache: Cache, cpus: int) -> tuple[str, ...]:
    """Run what the expected check reads alone, and all stages where that does not suffice.

    Most mutants are caught by the stage torture, which is the smaller part of the whole.
    """
    if mutant is not None and mutant.caught_by.startswith(_OF_TORTURE):
        failed = _judged(built, cache, torture_stages(), cpus)
        if mutant.caught_by in failed:
            return tuple(name for name in failed if name.startswith(_OF_TORTURE))
    ladder = end_of_ladder_stages(memory_mib(Scale.SMALL))
    return _judged(built, cache, (*mutant_stages(), *ladder), cpus)


def _judged(
    built: _Bootable, cache: Cache, plan: tuple[StagePlan, ...], cpus: int
) -> tuple[str, ...]:
    """Run and judge; return the names of the checks that failed, or how the run ended."""
    settings = RunSettings(
        mode=RunMode.REPEATABLE,
        memory_mib=memory_mib(Scale.SMALL),
        cpus=cpus,
        seed=1,
        scale=Scale.SMALL,
        accelerator=AcceleratorChoice.TCG,
    )
    with temporary("mutant") as folder:
        try:
            key = run(built.kernel, built.image, plan, settings, folder=folder, cache=cache)
            save_key(folder, key)
            judged = check(folder)
        except (GuestLostError, RecordError, StageError) as error:
            logger.info("no judgement: %s", error)
            return (type(error).__name__,)
    return tuple(result.name for result in judged.checks if result.status is Status.FAILED)

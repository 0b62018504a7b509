# SPDX-License-Identifier: GPL-2.0-only
"""mutants: build and run wrong versions of the series, and see each caught by the right check.

A mutant that no check catches, or another check than the one it names, is a hole in the
judging; so is a series without any mutation that does not pass.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.emulator import newer_emulator
from harness.host.files import files_below
from harness.host.progress import progress
from harness.jobs.in_order import InOrder
from harness.jobs.review_builds import page_alloc_object
from harness.jobs.runner import LocalRunner, Runner, Task
from harness.jobs.trial import MEMORY_MIB, Caught, Trial, TrialWork, trial_name, trial_of
from harness.stages.apply import require_fit
from harness.stages.boot_files import boot_files
from harness.stages.build import build
from harness.stages.guest import guest
from harness.stages.patch import patch
from harness.stages.run import made
from harness.texts.build.edit import Mutant, parse_mutant
from harness.texts.build.objects import differences
from harness.values import Counters, GuestImage, KernelBuild, KernelSource, PatchedTree

logger = logging.getLogger("mutants")

# The judge of what must not be in the object with the option off: a gate of `review`.
IDENTITY = "identity"


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
    runner: Runner | None = None,
    tell: Callable[[Trial], None] = lambda _: None,
) -> tuple[Trial, ...]:
    """Try the series as it is and then every mutant; others are built while one runs.

    Each is built here, and runs on this machine, one at a time, or where `runner` runs it; they
    are told in their order. Each runs on as many CPUs as it says, or on `cpus`; the series as it
    is on all numbers that occur. What says more than one is left out, with a warning, where the
    emulator does not repeat those. Raises StageError for a mutant that does not fit the series
    before the first is built.
    """
    runner = runner or LocalRunner(1)
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
    places = {trial_name(*job): place for place, job in enumerate(jobs)}
    trials = InOrder(tell)
    with progress("mutants", total=len(jobs), unit="mutants") as advance:

        def came(trial: Trial) -> None:
            advance(trials.came(places[trial.name], trial), trial.name)

        def tasks() -> Iterator[Task]:
            for mutant, on in jobs:
                built = _built(tree, mutant, counters, cache)
                if isinstance(built, Caught):
                    came(trial_of(mutant, on, built))
                else:
                    yield _task(mutant, built, on)

        def take(_task: Task, trial: Trial) -> bool:
            came(trial)
            return True

        problems = runner.run(tasks(), cache, take)
    found = trials.end()
    for error in problems:
        raise error
    return found


def _of_one_cpu(chosen: list[Mutant]) -> list[Mutant]:
    left_out = [mutant.edit.name for mutant in chosen if mutant.cpus > 1]
    if left_out:
        logger.warning("left out: %s; %s", ", ".join(left_out), newer_emulator())
    return [mutant for mutant in chosen if mutant.cpus == 1]


_Bootable = tuple[KernelBuild, GuestImage]


def _built(
    series: PatchedTree, mutant: Mutant | None, counters: Counters, cache: Cache
) -> _Bootable | Caught:
    """Return a kernel to run, or what was found without running."""
    source = series.source
    tree = patch(source, cache, edit=None if mutant is None else mutant.edit)
    if mutant is not None and mutant.caught_by == IDENTITY:
        bare = page_alloc_object(patch(source, cache, upto="0"), cache)
        differs = differences(bare, page_alloc_object(tree, cache))
        return Caught(by=(IDENTITY,) if differs else (), digest="")
    kernel = build(tree, cache, counters=counters)
    return kernel, guest(kernel, cache)


def _task(mutant: Mutant | None, built: _Bootable, cpus: int) -> Task:
    return Task(
        title=trial_name(mutant, cpus),
        what=boot_files(*built),
        memory_mib=MEMORY_MIB,
        work=TrialWork(mutant=mutant, known=made(*built), cpus=cpus),
    )

# SPDX-License-Identifier: GPL-2.0-only
"""mutants: run wrong versions of the series; each must be caught."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.cluster import add_runner_options, runner_of
from harness.cli.options import (
    add_counters_option,
    add_cpus_option,
    add_emulator_option,
    add_kernel_options,
    names,
    path,
)
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.jobs.trial import Trial

GROUP = Group.PROVE
RANK = 53
HELP = "run wrong versions of the series; a check must catch each"
EXAMPLES = ("buddylab mutants --only 01-,02-",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantsAnswer:
    """How many were caught as they must be, and what became of each."""

    mutants: int
    caught: int
    trials: tuple["Trial", ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    add_emulator_option(parser)
    add_counters_option(parser)
    add_cpus_option(parser, "each mutant's own")
    parser.add_argument(
        "directory",
        type=path,
        nargs="?",
        default=Path("tests/mutants"),
        metavar="DIR",
        help="folder of *.toml files (default: tests/mutants)",
    )
    parser.add_argument(
        "--only",
        type=names,
        metavar="NAME,...",
        default=(),
        help="only mutants whose names start with one of these",
    )
    add_runner_options(parser)


def act(arguments: argparse.Namespace) -> int:
    """Print which check caught each."""
    from harness import pipeline
    from harness.cli.answer import say, teller
    from harness.host import emulator
    from harness.jobs.mutants import mutants, require_mutants
    from harness.jobs.trial import MEMORY_MIB
    from harness.stages.fetch import fetch

    require_mutants(arguments.directory, arguments.only)
    runner = runner_of(arguments, 1)
    runner.require_room(MEMORY_MIB)
    cache = pipeline.open_cache()
    used = emulator.find(cache)
    emulator.require_cpus(used, arguments.cpus or 1)
    request = kernel_request(arguments)
    trials = mutants(
        fetch(request.kernel, cache),
        cache,
        directory=arguments.directory,
        counters=request.counters,
        only=arguments.only,
        cpus=arguments.cpus,
        repeats_several=emulator.repeats_several_cpus(used.version),
        runner=runner,
        tell=teller(arguments),
    )
    wrong = [trial for trial in trials if trial.expected]
    caught = sum(trial.held for trial in wrong)
    answer = MutantsAnswer(mutants=len(wrong), caught=caught, trials=trials)
    text = f"{caught} of {len(wrong)} mutants caught by the check that names the cause"
    say(arguments, answer, text)
    return Exit.OK if all(trial.held for trial in trials) else Exit.CHECK_FAILED

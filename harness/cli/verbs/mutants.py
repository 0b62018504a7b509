# SPDX-License-Identifier: GPL-2.0-only
"""mutants: run wrong versions of the series; each must be caught."""

import argparse
from pathlib import Path

from harness.cli.options import (
    add_counters_option,
    add_emulator_option,
    add_kernel_options,
    names,
    path,
)
from harness.cli.requests import kernel_request
from harness.errors import Exit

RANK = 71
HELP = "run wrong versions of the series; a check must catch each"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    add_emulator_option(parser)
    add_counters_option(parser)
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


def act(arguments: argparse.Namespace) -> int:
    """Print which check caught each."""
    from harness import pipeline
    from harness.host import emulator
    from harness.jobs.mutants import mutants, require_mutants
    from harness.stages.fetch import fetch

    require_mutants(arguments.directory, arguments.only)
    cache = pipeline.open_cache()
    emulator.find(cache)
    request = kernel_request(arguments)
    trials = []
    for trial in mutants(
        fetch(request.kernel, cache),
        cache,
        directory=arguments.directory,
        counters=request.counters,
        only=arguments.only,
    ):
        print(trial, flush=True)
        trials.append(trial)
    wrong = [trial for trial in trials if trial.expected]
    caught = sum(trial.held for trial in wrong)
    print(f"{caught} of {len(wrong)} mutants caught by the check that names the cause")
    return Exit.OK if all(trial.held for trial in trials) else Exit.CHECK_FAILED

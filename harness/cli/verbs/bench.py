# SPDX-License-Identifier: GPL-2.0-only
"""bench: the promised times and rates, as this machine has them."""

import argparse

from harness.cli.options import add_emulator_option, add_kernel_options, positive
from harness.cli.requests import kernel_request
from harness.errors import Exit

RANK = 81
HELP = "measure this machine against the README's times"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    add_emulator_option(parser)
    parser.add_argument(
        "--boots", type=positive, default=200, help="number of live boots (default 200)"
    )


def act(arguments: argparse.Namespace) -> int:
    """Print the figures, a line each."""
    from harness import pipeline
    from harness.host import emulator
    from harness.jobs.bench import bench

    cache = pipeline.open_cache()
    emulator.find(cache)
    missed = 0
    for figure in bench(kernel_request(arguments).kernel, cache, boots=arguments.boots):
        print(figure, flush=True)
        missed += not figure.met
    return Exit.CHECK_FAILED if missed else Exit.OK

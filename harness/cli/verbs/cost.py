# SPDX-License-Identifier: GPL-2.0-only
"""cost: what the counters cost, by variant."""

import argparse

from harness.cli.options import add_emulator_option, add_kernel_options
from harness.cli.requests import kernel_request
from harness.errors import Exit

RANK = 80
HELP = "measure the cost of counting, by variant"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    add_emulator_option(parser)


def act(arguments: argparse.Namespace) -> int:
    """Print the costs, a line each."""
    from harness import pipeline
    from harness.host import emulator
    from harness.jobs.cost import Cost, cost

    cache = pipeline.open_cache()
    emulator.find(cache)
    missed = 0
    for line in cost(kernel_request(arguments).kernel, cache):
        print(line, flush=True)
        missed += isinstance(line, Cost) and not line.met
    return Exit.CHECK_FAILED if missed else Exit.OK

# SPDX-License-Identifier: GPL-2.0-only
"""bench: the promised times and rates, as this machine has them."""

import argparse

from harness.cli.options import add_emulator_option, add_kernel_options, positive
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.PROVE
RANK = 56
HELP = "measure this machine against the README's times"
EXAMPLES = ("buddylab bench --boots 20",)
ANSWERS = True


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
    from harness.cli.answer import say, told
    from harness.host import emulator
    from harness.jobs.bench import bench

    cache = pipeline.open_cache()
    emulator.find(cache)
    chosen = kernel_request(arguments).kernel
    figures = told(arguments, bench(chosen, cache, boots=arguments.boots))
    say(arguments, figures, None)
    return Exit.OK if all(figure.met for figure in figures) else Exit.CHECK_FAILED

# SPDX-License-Identifier: GPL-2.0-only
"""review: look at the series as a kernel reviewer would."""

import argparse

from harness.cli.options import Switch, add_emulator_option, add_kernel_options, names
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit, UserError

GROUP = Group.PROVE
RANK = 52
HELP = "check the series as a kernel reviewer would"
EXAMPLES = ("buddylab review --only checkpatch,apply",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    add_emulator_option(parser)
    parser.add_argument(
        "--only",
        type=names,
        metavar="GATE,...",
        default=(),
        help="only these of checkpatch, apply, identity, sparse, warnings and prefixes",
    )
    parser.add_argument(
        "--boot", action=Switch, help="for prefixes: also build and boot each kernel"
    )


def act(arguments: argparse.Namespace) -> int:
    """Put the series through the gates and print what they found."""
    from harness import pipeline
    from harness.cli.answer import say
    from harness.host import emulator
    from harness.jobs.review import require_gates, review, table
    from harness.stages.fetch import fetch

    if arguments.boot and "prefixes" not in (arguments.only or ("prefixes",)):
        raise UserError("--boot boots what the gate prefixes builds; add prefixes to --only")
    require_gates(arguments.only)
    cache = pipeline.open_cache()
    if arguments.boot:
        emulator.find(cache)
    outcomes = review(
        fetch(kernel_request(arguments).kernel, cache),
        cache,
        only=arguments.only,
        boots=arguments.boot,
    )
    say(arguments, outcomes, table(outcomes).rstrip("\n"))
    return Exit.OK if all(outcome.held for outcome in outcomes) else Exit.CHECK_FAILED

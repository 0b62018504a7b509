# SPDX-License-Identifier: GPL-2.0-only
"""replay: execute a saved arm, run or bundle again; the same bytes or an error."""

import argparse

from harness.cli.options import add_emulator_option, positive
from harness.cli.replayable import add_replayable_options, opened
from harness.errors import Exit

RANK = 61
HELP = "execute an arm, a run or a bundle again: the same bytes or an error"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_emulator_option(parser)
    add_replayable_options(parser, "KEY|RUN|FILE")
    parser.add_argument(
        "--times", type=positive, default=1, metavar="N", help="how often (default 1)"
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="also where something else would execute, such as another QEMU",
    )
    parser.add_argument(
        "--kernel",
        metavar="NAME|PATH",
        help="of an arm that is to be built again (default: what its comparison names)",
    )


def act(arguments: argparse.Namespace) -> int:
    """Execute it and tell whether its bytes are the same."""
    from harness import pipeline
    from harness.host import emulator
    from harness.jobs.replay import replays

    cache = pipeline.open_cache()
    emulator.find(cache)
    same = 0
    with opened(arguments, cache, builds=True) as (it, what):
        for replayed in replays(it, what, cache, times=arguments.times, anyway=arguments.anyway):
            print(replayed, flush=True)
            same += not replayed.difference
    print(f"{same} of {arguments.times} identical")
    return Exit.OK if same == arguments.times else Exit.CHECK_FAILED

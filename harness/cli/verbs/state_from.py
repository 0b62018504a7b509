# SPDX-License-Identifier: GPL-2.0-only
"""state-from: the state of a plan that comes nearest to a real machine's memory."""

import argparse
from pathlib import Path

from harness.errors import Exit, UserError

RANK = 65
HELP = "find the state that comes nearest to a machine's memory"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "pagetypeinfo",
        type=Path,
        nargs="?",
        metavar="PAGETYPEINFO",
        help="a machine's /proc/pagetypeinfo, saved",
    )
    parser.add_argument(
        "--buddyinfo", type=Path, metavar="FILE", help="its /proc/buddyinfo, where lists are long"
    )
    parser.add_argument(
        "--zoneinfo", type=Path, metavar="FILE", help="its /proc/zoneinfo, to tell page cache"
    )
    parser.add_argument(
        "--measure",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="write vm/states/measured.json anew, from the states of finished comparisons",
    )


def act(arguments: argparse.Namespace) -> int:
    """Print the nearest states, their distances and the text for a plan."""
    from harness.compare.nearest_state import (
        as_good,
        blocks_table,
        distance_table,
        nearest,
        state_text,
    )
    from harness.jobs.state_from import measure, measured_states, shape_from
    from harness.writers.text import text_table

    if (arguments.measure is None) == (arguments.pagetypeinfo is None):
        raise UserError("give a machine's PAGETYPEINFO, or --measure DIR")
    if arguments.measure:
        print(measure(arguments.measure))
        return Exit.OK
    shape = shape_from(arguments.pagetypeinfo, arguments.buddyinfo, arguments.zoneinfo)
    found = nearest(shape, measured_states())
    print(text_table(distance_table(shape, found)))
    print(text_table(blocks_table(shape, found[0].state)))
    if others := as_good(found):
        names = ", ".join(near.state.make for near in others)
        print(f"# These texts do not tell it from {names}.")
    print(state_text(found[0]), end="")
    return Exit.OK

# SPDX-License-Identifier: GPL-2.0-only
"""state-from: the state of a plan that comes nearest to a real machine's memory."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.verbs import Group
from harness.errors import Exit, UserError

if TYPE_CHECKING:
    from harness.compare.shape import Distance

GROUP = Group.CHANGE
RANK = 42
HELP = "find the state that comes nearest to a machine's memory"
EXAMPLES = ("buddylab state-from /proc/pagetypeinfo --zoneinfo /proc/zoneinfo",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NearState:
    """A measured state: 0 is as far as the same shares are, 1 is nothing in common."""

    make: str  # as plans have it
    kernel: str
    distance: float
    parts: "Distance"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAnswer:
    """The states, the nearest first, or the file that was written."""

    nearest: tuple[NearState, ...] = ()
    as_good: tuple[str, ...] = ()  # that the texts do not tell from the nearest
    plan: str = ""  # the nearest, as a plan names it
    written: Path | None = None


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
    from harness.cli.answer import say
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
        written = measure(arguments.measure)
        say(arguments, StateAnswer(written=written), str(written))
        return Exit.OK
    shape = shape_from(arguments.pagetypeinfo, arguments.buddyinfo, arguments.zoneinfo)
    found = nearest(shape, measured_states())
    others = tuple(near.state.make for near in as_good(found))
    blocks = [
        text_table(distance_table(shape, found)),
        text_table(blocks_table(shape, found[0].state)),
        *([f"# These texts do not tell it from {', '.join(others)}."] if others else []),
        state_text(found[0]).rstrip("\n"),
    ]
    near = tuple(
        NearState(
            make=one.state.make,
            kernel=one.state.kernel,
            distance=one.distance.total,
            parts=one.distance,
        )
        for one in found
    )
    answer = StateAnswer(nearest=near, as_good=others, plan=state_text(found[0]))
    say(arguments, answer, "\n".join(blocks))
    return Exit.OK

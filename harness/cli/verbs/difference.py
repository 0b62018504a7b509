# SPDX-License-Identifier: GPL-2.0-only
"""difference: by how much the counters of two saved runs differ."""

import argparse
from pathlib import Path

from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.RUN
RANK = 34
HELP = "tell by how much the counters of two saved runs differ"
EXAMPLES = ("buddylab difference runs/first runs/second",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("one", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("other", type=Path, metavar="RUN", help="another")


def act(arguments: argparse.Namespace) -> int:
    """Print the differences, a line each."""
    from harness.cli.answer import say
    from harness.report.difference import differences
    from harness.stages.check import read

    found = tuple(differences(read(arguments.one), read(arguments.other)))
    say(arguments, found, "\n".join(map(str, found)))
    return Exit.OK

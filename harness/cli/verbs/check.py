# SPDX-License-Identifier: GPL-2.0-only
"""check: judge a saved run folder again."""

import argparse
from pathlib import Path

from harness.cli.verbs import Group

GROUP = Group.RUN
RANK = 31
HELP = "judge a saved run again and print the verdict"
EXAMPLES = ("buddylab check runs/first",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run folder")


def act(arguments: argparse.Namespace) -> int:
    """Judge it and print the verdict; nothing is written."""
    from harness.cli.answer import say_verdict
    from harness.stages.check import check

    return say_verdict(arguments, check(arguments.folder), arguments.folder)

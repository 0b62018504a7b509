# SPDX-License-Identifier: GPL-2.0-only
"""report: judge a saved run folder and write its reports."""

import argparse
from pathlib import Path

from harness.cli.verbs import Group

GROUP = Group.RUN
RANK = 32
HELP = "judge a saved run again and write its reports"
EXAMPLES = ("buddylab report runs/first",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run folder")


def act(arguments: argparse.Namespace) -> int:
    """Judge it, write the reports into it and print the verdict."""
    from harness import pipeline
    from harness.cli.answer import say_verdict

    return say_verdict(arguments, pipeline.report_of(arguments.folder), arguments.folder)

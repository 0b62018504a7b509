# SPDX-License-Identifier: GPL-2.0-only
"""check: judge a saved run folder again."""

import argparse
from pathlib import Path

RANK = 40
HELP = "judge a saved run again and print the verdict"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run folder")


def act(arguments: argparse.Namespace) -> int:
    """Judge it and print the verdict; nothing is written."""
    from harness.cli.answer import print_verdict
    from harness.stages.check import check

    return print_verdict(check(arguments.folder))

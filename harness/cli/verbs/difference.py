# SPDX-License-Identifier: GPL-2.0-only
"""difference: by how much the counters of two saved runs differ."""

import argparse
from pathlib import Path

from harness.errors import Exit

RANK = 42
HELP = "print by how much the counters of two saved runs differ"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("one", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("other", type=Path, metavar="RUN", help="another")


def act(arguments: argparse.Namespace) -> int:
    """Print the differences, a line each."""
    from harness.report.difference import differences
    from harness.stages.check import read

    for line in differences(read(arguments.one), read(arguments.other)):
        print(line)
    return Exit.OK

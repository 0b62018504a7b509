# SPDX-License-Identifier: GPL-2.0-only
"""schema: the JSON Schema of what programs read."""

import argparse
from importlib import resources

from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.RUN
RANK = 39
HELP = "print the JSON Schema of what programs read"
EXAMPLES = ("buddylab schema run",)
ANSWERS = False
# The files of harness/schemas, made from the code (harness.cli.schemas).
NAMES = ("compare", "judge", "key", "results", "run")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument(
        "name",
        choices=NAMES,
        metavar="NAME",
        help="run or key: run.json, key.json of a run; results: results.json.gz of a comparison; "
        "compare or judge: what they print with --json",
    )


def act(arguments: argparse.Namespace) -> int:
    """Print it."""
    file = resources.files("harness") / "schemas" / f"{arguments.name}.json"
    print(file.read_text(encoding="utf-8"), end="")
    return Exit.OK

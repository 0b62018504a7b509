# SPDX-License-Identifier: GPL-2.0-only
"""open: show the report of a run, a comparison or a judgement."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.RUN
RANK = 33
HELP = "open the report of a run or comparison in the browser"
EXAMPLES = ("buddylab open runs/first",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAnswer:
    """Where the report is, and whether there was a browser to show it."""

    report: Path
    shown: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run's or comparison's folder")


def act(arguments: argparse.Namespace) -> int:
    """Open it, written first if it is not there, and print where it is."""
    from harness.cli.answer import say
    from harness.host.browser import show
    from harness.jobs.saved_report import shown

    path = shown(arguments.folder).resolve()
    say(arguments, OpenAnswer(report=path, shown=show(path)), str(path))
    return Exit.OK

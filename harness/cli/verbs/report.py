# SPDX-License-Identifier: GPL-2.0-only
"""report: judge what was saved, and write its reports."""

import argparse
from pathlib import Path

from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.RUN
RANK = 32
HELP = "judge a saved run or comparison again, write reports"
EXAMPLES = ("buddylab report runs/first",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run's or comparison's folder")


def act(arguments: argparse.Namespace) -> int:
    """Judge it, write the reports into it and print the verdict."""
    from harness import pipeline
    from harness.cli.answer import say_verdict
    from harness.cli.compared import say_results
    from harness.jobs.saved_report import is_comparison, results_of, write_reports

    folder = arguments.folder
    if not is_comparison(folder):
        return say_verdict(arguments, pipeline.report_of(folder), folder)
    results = results_of(folder)
    write_reports(folder, results)
    say_results(arguments, folder, results)
    return Exit.OK

# SPDX-License-Identifier: GPL-2.0-only
"""review: look at the series as a kernel reviewer would, on each kernel line."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.cli.options import Switch, add_emulator_option, names, path
from harness.cli.verbs import Group
from harness.errors import Exit, UserError
from harness.report.checklist import Judged, LineReview

GROUP = Group.PROVE
RANK = 52
HELP = "check the series by the kernel's own checklist"
EXAMPLES = ("buddylab review --only checkpatch,apply --kernel debian:6.1,debian:6.12",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAnswer:
    """What each gate found on each kernel, and the checklist's rows that come of it."""

    holds: bool
    lines: tuple[LineReview, ...]
    rows: tuple[Judged, ...]
    ktap: Path | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--kernel",
        type=names,
        metavar="NAME|PATH,...",
        default=(),
        help="as for `fetch`, commas between several (default: one of each kernel line)",
    )
    add_emulator_option(parser)
    parser.add_argument(
        "--only",
        type=names,
        metavar="GATE,...",
        default=(),
        help="only these gates, e.g. checkpatch, apply, identity, sparse, warnings, prefixes "
        "(a wrong name lists all)",
    )
    parser.add_argument(
        "--boot", action=Switch, help="for selftests and prefixes: also build and boot each kernel"
    )
    parser.add_argument(
        "--fresh", action=Switch, help="judge again what the cache has an answer for"
    )
    parser.add_argument(
        "--ktap", type=path, metavar="FILE", help="write the table as KTAP, for kernel CI"
    )


def act(arguments: argparse.Namespace) -> int:
    """Put the series through the gates and print the checklist."""
    from harness import pipeline
    from harness.cli.answer import say
    from harness.host import emulator
    from harness.host.files import atomic_write
    from harness.host.folder import require_writable
    from harness.jobs.review import require_gates, review_lines
    from harness.jobs.review_gates import BOOTING
    from harness.report.checklist import holds, judged
    from harness.report.checklist_text import ktap, table

    if arguments.boot and arguments.only and not {*BOOTING} & {*arguments.only}:
        raise UserError(
            f"--boot boots what the gates {' and '.join(BOOTING)} build; add one to --only"
        )
    require_gates(arguments.only)
    if arguments.ktap is not None:
        require_writable(arguments.ktap.parent)
    cache = pipeline.open_cache()
    if arguments.boot:
        emulator.find(cache)
    lines = review_lines(
        arguments.kernel,
        cache,
        only=arguments.only,
        boots=arguments.boot,
        fresh=arguments.fresh,
    )
    rows = judged(lines, arguments.only)
    if arguments.ktap is not None:
        arguments.ktap.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(arguments.ktap, ktap(lines, rows))
    answer = ReviewAnswer(holds=holds(rows), lines=lines, rows=rows, ktap=arguments.ktap)
    say(arguments, answer, table(lines, rows, whole=arguments.verbose).rstrip("\n"))
    return Exit.OK if answer.holds else Exit.CHECK_FAILED

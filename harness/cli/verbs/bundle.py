# SPDX-License-Identifier: GPL-2.0-only
"""bundle: write one file with all that an arm or a run executes, to replay elsewhere."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.cli.options import add_emulator_option, path
from harness.cli.replayable import add_replayable_options, opened
from harness.cli.verbs import Group
from harness.errors import Exit, UserError

GROUP = Group.CHANGE
RANK = 44
HELP = "write one file with all that an arm or run executes"
EXAMPLES = ("buddylab bundle runs/first --output first.tar",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleAnswer:
    """The file, and the key of what it executes."""

    file: Path
    key: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_emulator_option(parser)
    add_replayable_options(parser, "KEY|RUN")
    parser.add_argument(
        "--output", type=path, metavar="FILE", help="default: buddylab-KEY.tar, here"
    )


def act(arguments: argparse.Namespace) -> int:
    """Write it and say where it is."""
    from harness import pipeline
    from harness.cli.answer import say
    from harness.compare.results import short
    from harness.host.folder import require_writable
    from harness.jobs.replayable import bundle

    if arguments.output is not None:
        _require_new(arguments.output)
    require_writable((arguments.output or Path("here")).parent)
    cache = pipeline.open_cache()
    with opened(arguments, cache, builds=False) as (it, what):
        file = arguments.output or Path(f"buddylab-{short(it.identity.digest)}.tar")
        _require_new(file)
        bundle(it, what, file)
    say(arguments, BundleAnswer(file=file, key=it.identity.digest), str(file))
    return Exit.OK


def _require_new(file: Path) -> None:
    if file.exists():
        raise UserError(f"{file} is there already; name a new file with --output")

# SPDX-License-Identifier: GPL-2.0-only
"""replay: run one arm of a saved comparison again; the same bytes or an error."""

import argparse
from pathlib import Path

from harness.cli.options import add_emulator_option
from harness.errors import Exit

RANK = 61
HELP = "run one arm again: the same bytes or an error"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_emulator_option(parser)
    parser.add_argument("key", metavar="KEY", help="of a comparison's table, or its beginning")
    parser.add_argument(
        "--kernel", metavar="NAME|PATH", help="default: what the comparison names as its origin"
    )
    parser.add_argument(
        "--results",
        type=Path,
        action="append",
        metavar="DIR",
        help="where to look for it (default: docs/results and runs)",
    )


def act(arguments: argparse.Namespace) -> int:
    """Run it and tell whether its bytes are the same."""
    from harness import pipeline
    from harness.host import emulator
    from harness.jobs.lab import lab_of
    from harness.jobs.replay import PLACES, find, replay, require_comparable
    from harness.stages.boot_files import boot_files
    from harness.stages.fetch import name_of

    arm = find(arguments.key, tuple(arguments.results or ()) or PLACES)
    require_comparable(arm)
    cache = pipeline.open_cache()
    emulator.find(cache)
    # A kernel from a directory has no name: the default may be the same, and is compared.
    origin = arm.kernel.provenance
    request = pipeline.KernelRequest(
        kernel=arguments.kernel or name_of(origin.kernel_origin), counters=origin.counters
    ).varied(arm.run.arm.kernel)
    what = boot_files(*pipeline.bootable(request, cache))
    answer = replay(arm, lab_of(what, arm.plan, cache), cache)
    print(answer)
    return Exit.CHECK_FAILED if answer.difference else Exit.OK

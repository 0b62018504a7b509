# SPDX-License-Identifier: GPL-2.0-only
"""doctor: say what this machine lacks, and get it."""

import argparse
import logging

from harness.cli.options import add_emulator_option
from harness.cli.verbs import Group
from harness.errors import Exit

logger = logging.getLogger("doctor")

GROUP = Group.MACHINE
RANK = 10
HELP = "tell what this machine can do and what it lacks"
EXAMPLES = ("buddylab doctor",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_emulator_option(parser)
    parser.add_argument(
        "--install", action="store_true", help="install what is missing, as root or with sudo"
    )
    parser.add_argument("--review", action="store_true", help="include what `review` needs")


def act(arguments: argparse.Namespace) -> int:
    """Check the machine, then name the QEMU that guests will have."""
    from harness.host import emulator, prerequisites
    from harness.host.cache import Cache

    status = prerequisites.doctor(install=arguments.install, review=arguments.review)
    if status == Exit.OK:
        used = emulator.find(Cache.default())
        logger.info("QEMU %s: %s, repeatable guests have %s", used.version, used.program, used.cpu)
    return status

# SPDX-License-Identifier: GPL-2.0-only
"""patch: apply the series to a copy of the source."""

import argparse

from harness.cli.options import add_kernel_options
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.BUILD
RANK = 21
HELP = "apply the patch series to a copy of it"
EXAMPLES = ("buddylab patch --kernel debian:6.1 --upto 0003",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)


def act(arguments: argparse.Namespace) -> int:
    """Run the stages up to this one and print where its result lies."""
    from harness import pipeline
    from harness.cli.answer import say

    cache = pipeline.open_cache()
    patched = pipeline.patched(kernel_request(arguments), cache)
    say(arguments, patched, str(patched.tree))
    return Exit.OK

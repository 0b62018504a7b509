# SPDX-License-Identifier: GPL-2.0-only
"""fetch: bring the kernel source."""

import argparse

from harness.cli.options import add_kernel_options
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.BUILD
RANK = 20
HELP = "get the kernel source"
EXAMPLES = ("buddylab fetch --kernel debian:6.1",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)


def act(arguments: argparse.Namespace) -> int:
    """Run the stages up to this one and print where its result lies."""
    from harness import pipeline
    from harness.cli.answer import say
    from harness.stages.fetch import fetch

    cache = pipeline.open_cache()
    source = fetch(kernel_request(arguments).kernel, cache)
    say(arguments, source, str(source.tree))
    return Exit.OK

# SPDX-License-Identifier: GPL-2.0-only
"""build: configure and build the kernel and the modules."""

import argparse

from harness.cli.dry_run import add_dry_run_option, build_script
from harness.cli.options import add_flavour_option, add_kernel_options
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.BUILD
RANK = 22
HELP = "configure and build the kernel and the modules"
EXAMPLES = ("buddylab build --kernel debian:6.1",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)
    add_flavour_option(parser, measured=False)
    add_dry_run_option(parser)


def act(arguments: argparse.Namespace) -> int:
    """Run the stages up to this one and print where its result lies."""
    from harness import pipeline
    from harness.cli.answer import say

    cache = pipeline.open_cache()
    if arguments.dry_run:
        print(build_script(kernel_request(arguments), cache), end="")
        return Exit.OK
    build = pipeline.built(kernel_request(arguments), cache)
    say(arguments, build, str(build.directory))
    return Exit.OK

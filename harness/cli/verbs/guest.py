# SPDX-License-Identifier: GPL-2.0-only
"""guest: make the guest's initramfs."""

import argparse

from harness.cli.options import add_flavour_option, add_kernel_options
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.BUILD
RANK = 23
HELP = "build the guest's initramfs"
EXAMPLES = ("buddylab guest --kernel debian:6.1",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)
    add_flavour_option(parser, measured=False)


def act(arguments: argparse.Namespace) -> int:
    """Run the stages up to this one and print where its result lies."""
    from harness import pipeline
    from harness.cli.answer import say

    cache = pipeline.open_cache()
    _, image = pipeline.bootable(kernel_request(arguments), cache)
    say(arguments, image, str(image.path))
    return Exit.OK

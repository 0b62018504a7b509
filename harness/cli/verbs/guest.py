# SPDX-License-Identifier: GPL-2.0-only
"""guest: make the guest's initramfs."""

import argparse

from harness.cli.options import add_kernel_options
from harness.cli.requests import kernel_request
from harness.errors import Exit

RANK = 23
HELP = "build the guest's initramfs"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)


def act(arguments: argparse.Namespace) -> int:
    """Run the stages up to this one and print where its result lies."""
    from harness import pipeline

    cache = pipeline.open_cache()
    print(pipeline.bootable(kernel_request(arguments), cache)[1].path)
    return Exit.OK

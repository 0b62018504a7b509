# SPDX-License-Identifier: GPL-2.0-only
"""build: configure and build the kernel and the modules."""

import argparse

from harness.cli.options import add_kernel_options
from harness.cli.requests import kernel_request
from harness.errors import Exit

RANK = 22
HELP = "configure and build the kernel and the modules"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)


def act(arguments: argparse.Namespace) -> int:
    """Run the stages up to this one and print where its result lies."""
    from harness import pipeline

    cache = pipeline.open_cache()
    print(pipeline.built(kernel_request(arguments), cache).directory)
    return Exit.OK

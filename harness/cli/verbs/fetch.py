# SPDX-License-Identifier: GPL-2.0-only
"""fetch: bring the kernel source."""

import argparse

from harness.cli.options import add_kernel_options
from harness.cli.requests import kernel_request
from harness.errors import Exit

RANK = 20
HELP = "get the kernel source"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)


def act(arguments: argparse.Namespace) -> int:
    """Run the stages up to this one and print where its result lies."""
    from harness import pipeline
    from harness.stages.fetch import fetch

    cache = pipeline.open_cache()
    print(fetch(kernel_request(arguments).kernel, cache).tree)
    return Exit.OK

# SPDX-License-Identifier: GPL-2.0-only
"""patch: apply the series to a copy of the source."""

import argparse

from harness.cli.options import add_kernel_options
from harness.cli.requests import kernel_request
from harness.errors import Exit

RANK = 21
HELP = "apply the patch series to a copy of the source"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)


def act(arguments: argparse.Namespace) -> int:
    """Run the stages up to this one and print where its result lies."""
    from harness import pipeline

    cache = pipeline.open_cache()
    print(pipeline.patched(kernel_request(arguments), cache).tree)
    return Exit.OK

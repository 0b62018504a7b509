# SPDX-License-Identifier: GPL-2.0-only
"""shell: open a live guest for a person."""

import argparse

from harness.cli.options import add_flavour_option, add_guest_options, add_kernel_options
from harness.cli.requests import guest_request, kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit
from harness.values import RunMode

GROUP = Group.BUILD
RANK = 24
HELP = "open a live guest"
EXAMPLES = ("buddylab shell --kernel debian:6.1 --cpus 2",)
ANSWERS = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)
    add_flavour_option(parser, measured=False)
    add_guest_options(parser)


def act(arguments: argparse.Namespace) -> int:
    """Boot it and join its console to this terminal until the person leaves."""
    from harness import pipeline
    from harness.host import emulator
    from harness.host.console import require_terminal
    from harness.jobs.shell import shell
    from harness.workloads.paper import Scale

    require_terminal()
    request = pipeline.RunRequest(
        kernel=kernel_request(arguments),
        guest=guest_request(arguments),
        scale=Scale.SMALL,
        mode=RunMode.LIVE,
    )
    request.require_possible()
    cache = pipeline.open_cache()
    emulator.find(cache)
    kernel, image = pipeline.bootable(request.kernel, cache)
    shell(kernel, image, request.settings, cache)
    return Exit.OK

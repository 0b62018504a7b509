# SPDX-License-Identifier: GPL-2.0-only
"""completion: what a shell evaluates to complete the command's words."""

import argparse

from harness.cli.completion import SHELLS, code
from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.MACHINE
RANK = 11
HELP = "let a shell complete the words of this command"
EXAMPLES = ("buddylab completion bash",)
ANSWERS = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument(
        "shell",
        choices=SHELLS,
        metavar="SHELL",
        help='bash or zsh: eval "$(buddylab completion SHELL)" in its start-up file; fish: '
        "buddylab completion fish | source",
    )


def act(arguments: argparse.Namespace) -> int:
    """Print it."""
    print(code(arguments.shell), end="")
    return Exit.OK

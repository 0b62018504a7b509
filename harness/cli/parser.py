# SPDX-License-Identifier: GPL-2.0-only
"""The command's parser and its help: verbs in the order of the work, each help on one screen."""

import argparse
import itertools
import shutil
from collections.abc import Iterable, Mapping
from typing import NoReturn

from harness import __version__
from harness.cli.verbs import Verb
from harness.errors import Exit

PROGRAM = "buddylab"
_WIDTH_MAX = 100
_HELP_COLUMN = 24
_VERB_COLUMN = 13
_EPILOG = (
    "exit codes: 0 it holds, 1 a check failed, 2 usage, 3 the host lacks something,\n"
    "4 a stage failed, 5 guest lost, 70 a bug, 130 interrupted; judge: 125, 129"
)


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with a usage of one line: options are listed once, below it."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns, _WIDTH_MAX) - 2
        super().__init__(prog, max_help_position=_HELP_COLUMN, width=width)

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """Show what must be given, and that there are options."""
        positionals = [action for action in actions if not action.option_strings]
        super().add_usage(usage or "%(prog)s [OPTION...]" + _words(positionals), [], groups, prefix)


def _words(positionals: Iterable[argparse.Action]) -> str:
    found = ""
    for action in positionals:
        word = str(action.metavar or action.dest)
        found += f" [{word}]" if action.nargs == "?" else f" {word}"
    return found


class Parser(argparse.ArgumentParser):
    """A parser whose errors name the help that tells more, not all options again."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        self.exit(Exit.USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser(known: Mapping[str, Verb]) -> Parser:
    """Return the command's parser; it leaves the verb's word in `verb`."""
    command = Parser(
        prog=PROGRAM,
        usage="%(prog)s [OPTION...] VERB ...; %(prog)s VERB --help for one of them",
        description=_verbs_told(known),
        epilog=_EPILOG,
        formatter_class=Formatter,
        add_help=False,
    )
    # The usage says it.
    command.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)
    command.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    _add_loudness(command)
    command.set_defaults(verbose=False, quiet=False, json=False)
    words = command.add_subparsers(
        required=True, metavar="VERB", dest="verb", help=argparse.SUPPRESS, prog=PROGRAM
    )
    for name, verb in known.items():
        one = words.add_parser(
            name,
            help=verb.HELP,  # to a shell that completes it
            description=verb.HELP,
            epilog="\n".join(("example:", *(f"  {line}" for line in verb.EXAMPLES))) + "\n",
            formatter_class=Formatter,
        )
        verb.add_options(one)
        if verb.ANSWERS:
            one.add_argument(
                "--json",
                action="store_true",
                default=argparse.SUPPRESS,
                help="print the answer as JSON",
            )
        _add_loudness(one)
    return command


def _add_loudness(one: argparse.ArgumentParser) -> None:
    """Declare what may stand before and after the verb: not given, it keeps the other's value."""
    how = one.add_mutually_exclusive_group()
    how.add_argument(
        "--verbose",
        action="store_true",
        default=argparse.SUPPRESS,
        help="tell every command that is run, and every check",
    )
    how.add_argument(
        "--quiet",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print the answer and errors, no progress",
    )


def _verbs_told(known: Mapping[str, Verb]) -> str:
    lines = []
    for group, names in itertools.groupby(known, key=lambda name: known[name].GROUP):
        lines.append(f"{group}:")
        lines += [f"  {name:<{_VERB_COLUMN}}{known[name].HELP}" for name in names]
    return "\n".join(lines)

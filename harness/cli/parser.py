# SPDX-License-Identifier: GPL-2.0-only
"""The command's parser and its help: verbs in the order of the work, each help on one screen."""

import argparse
import itertools
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from harness import __version__
from harness.cli.options import Switch
from harness.cli.settings import Settings
from harness.cli.verbs import Verb
from harness.errors import Exit

PROGRAM = "buddylab"
_WIDTH_MAX = 100
_HELP_COLUMN = 24
_VERB_COLUMN = 13
_EPILOG = "exit codes: 0 holds, 1 does not, 2 usage, 3 host, 4 a stage, 5 guest, 70 a bug"


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

    def _format_action_invocation(self, action: argparse.Action) -> str:
        told = super()._format_action_invocation(action)
        return f"--[no-]{action.option_strings[0][2:]}" if isinstance(action, Switch) else told


def _words(positionals: Iterable[argparse.Action]) -> str:
    found = ""
    for action in positionals:
        word = str(action.metavar or action.dest)
        found += f" [{word}]" if action.nargs == "?" else f" {word}"
    return found


class Parser(argparse.ArgumentParser):
    """A parser that knows its options, and whose errors name the help and not all of them again."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self.options: dict[str, argparse.Action] = {}  # by name, without dashes
        super().__init__(*arguments, **more)

    def add_argument(self, *names: Any, **more: Any) -> argparse.Action:
        """Declare an argument."""
        action = super().add_argument(*names, **more)
        long = (name[2:] for name in action.option_strings if name.startswith("--"))
        self.options |= dict.fromkeys(long, action)
        return action

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        self.exit(Exit.USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


@dataclass(frozen=True, slots=True)
class Command:
    """The command's parser, which leaves the verb's word in `verb`, and those of its verbs."""

    whole: Parser
    verbs: Mapping[str, Parser]

    @property
    def options(self) -> dict[str, dict[str, argparse.Action]]:
        """The options of each verb, by name."""
        return {name: one.options for name, one in self.verbs.items()}

    def set_defaults(self, settings: Settings) -> None:
        """Let a user's settings stand where the command line says nothing."""
        for name, one in self.verbs.items():
            for each in settings.of_verb[name]:
                one.set_defaults(**{each.option.dest: each.value})


def parser(known: Mapping[str, Verb]) -> Command:
    """Return the command's parser."""
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
    command.add_argument(
        "--version",
        action="version",
        version=f"{PROGRAM} {__version__}",
        help=argparse.SUPPRESS,  # as everywhere, and the verbs need the screen
    )
    _add_loudness(command)
    command.set_defaults(verbose=False, quiet=False, json=False)
    words = command.add_subparsers(
        required=True, metavar="VERB", dest="verb", help=argparse.SUPPRESS, prog=PROGRAM
    )
    found = {}
    for name, verb in known.items():
        one = found[name] = words.add_parser(
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
    return Command(command, found)


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

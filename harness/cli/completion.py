# SPDX-License-Identifier: GPL-2.0-only
"""What a shell is told while its user types: words of this very command, by argcomplete.

A shell starts the command for each, with $_ARGCOMPLETE set, and reads the answer from a
descriptor of its own; standard output and error are led to nowhere.
"""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from harness.cli.options import mebibytes, positive, rounds, seed, several_mebibytes

SHELLS = ("bash", "zsh", "fish")
_ASKED = "_ARGCOMPLETE"
_NUMBERS = (positive, rounds, seed, mebibytes, several_mebibytes)


def is_asked() -> bool:
    """Whether a shell, and no user, started the command."""
    return _ASKED in os.environ


def answer(command: argparse.ArgumentParser) -> None:
    """Tell the shell, and end the process."""
    import argcomplete
    from argcomplete.completers import BaseCompleter

    class Values(BaseCompleter):
        def __call__(
            self,
            *,
            prefix: str,
            action: argparse.Action,
            parser: argparse.ArgumentParser,
            parsed_args: argparse.Namespace,
        ) -> Iterable[str]:
            del parser, parsed_args
            return _values(prefix, action)

    argcomplete.autocomplete(command, default_completer=Values())


def code(shell: str) -> str:
    """Return what a shell evaluates to complete the command's words."""
    from argcomplete.shell_integration import shellcode

    return shellcode(["buddylab"], shell=shell).lstrip("\n")


def _values(prefix: str, action: argparse.Action) -> Iterable[str]:
    """Return what may begin with `prefix` where `action` wants a value."""
    if action.type in _NUMBERS:
        return ()
    return (*_names(action), *_files(prefix))


def _names(action: argparse.Action) -> Iterable[str]:
    if action.dest == "kernel":
        from harness.host.series import lines

        known = [line.name for line in lines()]
        return (*known, *(f"debian:{name}" for name in known))
    if action.dest == "upto":
        from harness.host.assets import asset
        from harness.texts.build.series import parse_series

        return ("0", *parse_series((asset("patches") / "series/series").read_bytes()))
    return ()


def _files(prefix: str) -> Iterable[str]:
    folder, _, begun = prefix.rpartition("/")
    place = Path(folder + "/" if folder or prefix.startswith("/") else ".")
    try:
        there = sorted(place.iterdir())
    except OSError:
        return
    for path in there:
        if path.name.startswith(begun) and (begun or not path.name.startswith(".")):
            start = f"{prefix[: len(prefix) - len(begun)]}{path.name}"
            yield f"{start}/" if path.is_dir() else start

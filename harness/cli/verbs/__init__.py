# SPDX-License-Identifier: GPL-2.0-only
"""The command's verbs, one module each: its options, what it does, and what it answers.

A module here is found by itself: its name is the verb, with - for _, GROUP and RANK its place in
--help, HELP its line there, EXAMPLES below its own; ANSWERS tells whether it has --json. What is
heavy is imported where it is used, so that --help loads none of it.
"""

import argparse
import pkgutil
from enum import StrEnum
from importlib import import_module
from typing import Protocol, cast


class Group(StrEnum):
    """The parts of the work, in their order."""

    MACHINE = "this machine"
    BUILD = "a kernel and its guest"
    RUN = "the experiments"
    CHANGE = "a change, judged"
    PROVE = "the series, proved and measured"


class Verb(Protocol):
    """What such a module has."""

    GROUP: Group
    RANK: int
    HELP: str
    EXAMPLES: tuple[str, ...]
    ANSWERS: bool  # something, as text or with --json as one value

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's own options and arguments."""

    def act(self, arguments: argparse.Namespace) -> int:
        """Do it, print its answer and return the exit code; HarnessError if it cannot be done."""


def verbs() -> dict[str, Verb]:
    """Return all verbs by name, in the order of --help."""
    found = {
        each.name.replace("_", "-"): cast("Verb", import_module(f"{__name__}.{each.name}"))
        for each in pkgutil.iter_modules(__path__)
    }
    groups = list(Group)
    return dict(
        sorted(
            found.items(),
            key=lambda item: (groups.index(item[1].GROUP), item[1].RANK, item[0]),
        )
    )

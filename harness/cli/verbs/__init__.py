# SPDX-License-Identifier: GPL-2.0-only
"""The command's verbs, one module each: its options, what it does, and what it answers.

A module here is found by itself: its name is the verb, with - for _, RANK its place in --help, HELP
its line there. What is heavy is imported where it is used, so that --help loads none of it.
"""

import argparse
import pkgutil
from importlib import import_module
from typing import Protocol, cast


class Verb(Protocol):
    """What such a module has."""

    RANK: int
    HELP: str

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
    return dict(sorted(found.items(), key=lambda item: (item[1].RANK, item[0])))

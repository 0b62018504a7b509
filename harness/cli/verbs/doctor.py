# SPDX-License-Identifier: GPL-2.0-only
"""doctor: say what this machine lacks, and get it."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import Switch, add_emulator_option
from harness.cli.verbs import Group
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.host.cache import Cache

GROUP = Group.MACHINE
RANK = 10
HELP = "tell what this machine can do and what it lacks"
EXAMPLES = ("buddylab doctor",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallAnswer:
    """What was got, and the QEMU that guests will have."""

    installed: tuple[str, ...]
    qemu: str
    program: Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_emulator_option(parser)
    parser.add_argument(
        "--install", action="store_true", help="install missing packages, as root or with sudo"
    )
    parser.add_argument("--review", action=Switch, help="include what `review` needs")


def act(arguments: argparse.Namespace) -> int:
    """Look at the machine; with --install, get packages alone and name the QEMU."""
    from harness.host.cache import Cache

    cache = Cache.default()
    if arguments.install:
        return _install(arguments, cache)
    from harness.cli.answer import say, told
    from harness.jobs.machine import Machine, examine

    findings = tuple(told(arguments, examine(cache, review=arguments.review)))
    machine = Machine(ready=not any(one.lacks for one in findings), findings=findings)
    text = "ready" if machine.ready else "NOT READY: see what is MISSING above"
    say(arguments, machine, text)
    return Exit.OK if machine.ready else Exit.HOST


def _install(arguments: argparse.Namespace, cache: "Cache") -> int:
    from harness.cli.answer import say
    from harness.host import emulator, prerequisites

    got = prerequisites.install(review=arguments.review)
    used = emulator.find(cache)
    names = tuple(need.package for need in got)
    answer = InstallAnswer(installed=names, qemu=used.version, program=used.program)
    text = f"installed: {', '.join(names) or 'nothing was missing'}"
    say(arguments, answer, f"{text}\nQEMU {used.version}: {used.program}")
    return Exit.OK

# SPDX-License-Identifier: GPL-2.0-only
"""doctor: say what this machine lacks, and get it."""

import argparse
from dataclasses import dataclass
from importlib import resources
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowAnswer:
    """A workflow file for a forge."""

    forge: str
    place: str  # in the kernel's repository
    text: str


# Where each forge looks for it.
WORKFLOWS = {"github": ".github/workflows/buddylab.yml"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_emulator_option(parser)
    parser.add_argument(
        "--install", action="store_true", help="install missing packages, as root or with sudo"
    )
    parser.add_argument("--review", action=Switch, help="include what `review` needs")
    parser.add_argument(
        "--ci",
        choices=tuple(WORKFLOWS),
        metavar="FORGE",
        help="print a workflow that judges each push of your kernel: github",
    )


def act(arguments: argparse.Namespace) -> int:
    """Look at the machine; with --install, get packages alone and name the QEMU."""
    from harness.host.cache import Cache

    if arguments.ci:
        return _workflow(arguments)
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


def _workflow(arguments: argparse.Namespace) -> int:
    from harness.cli.answer import say

    file = resources.files("harness.cli") / "workflows" / f"{arguments.ci}.yml"
    text = file.read_text(encoding="utf-8")
    answer = WorkflowAnswer(forge=arguments.ci, place=WORKFLOWS[arguments.ci], text=text)
    say(arguments, answer, text.rstrip("\n"))
    return Exit.OK


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

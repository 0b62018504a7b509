# SPDX-License-Identifier: GPL-2.0-only
"""reallocate: LLFree's fragmentation experiment on this kernel, foretold and counted."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.options import add_emulator_option, add_kernel_options, mebibytes, rounds, seed
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.texts.guest.reallocate import Reallocation, Row

GROUP = Group.PROVE
RANK = 51
HELP = "churn single pages; count the huge frames that stay free"
EXAMPLES = ("buddylab reallocate --rounds 50",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReallocateAnswer:
    """Free huge frames after each round, and in which they are not as foretold."""

    foretold: tuple["Row", ...]
    counted: "Reallocation"
    missed_rounds: tuple[int, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)
    add_emulator_option(parser)
    parser.add_argument("--rounds", type=rounds, default=100, help="rounds (default 100)")
    parser.add_argument("--seed", type=seed, default=42, help="of the choice (default 42)")
    parser.add_argument(
        "--memory", type=mebibytes, metavar="MIB", default=1024, help="the guest's (default 1024)"
    )


def act(arguments: argparse.Namespace) -> int:
    """Print the table of what was foretold and what was counted."""
    from harness import pipeline
    from harness.cli.answer import say
    from harness.host import emulator
    from harness.jobs.reallocate import reallocate
    from harness.model.reallocate import Churn
    from harness.stages.boot import require_memory
    from harness.stages.boot_files import boot_files
    from harness.texts.build.rules import rules_in

    require_memory(arguments.memory)
    cache = pipeline.open_cache()
    emulator.find(cache)
    kernel, image = pipeline.bootable(kernel_request(arguments), cache)
    churned = reallocate(
        boot_files(kernel, image),
        Churn(rounds=arguments.rounds, seed=arguments.seed),
        cache,
        memory_mib=arguments.memory,
        rules=rules_in(kernel.provides),
    )
    answer = ReallocateAnswer(
        foretold=churned.foretold, counted=churned.counted, missed_rounds=churned.misses
    )
    say(arguments, answer, str(churned))
    return Exit.CHECK_FAILED if churned.misses else Exit.OK

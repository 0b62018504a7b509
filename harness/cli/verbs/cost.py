# SPDX-License-Identifier: GPL-2.0-only
"""cost: what the counters cost, by variant."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.options import add_emulator_option, add_kernel_options
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.jobs.cost import Cost

GROUP = Group.PROVE
RANK = 55
HELP = "measure the cost of counting, by variant"
EXAMPLES = ("buddylab cost --kernel debian:6.1",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAnswer:
    """What each variant costs, and what was measured beside."""

    costs: tuple["Cost", ...]
    notes: tuple[str, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    add_emulator_option(parser)


def act(arguments: argparse.Namespace) -> int:
    """Print the costs, a line each."""
    from harness import pipeline
    from harness.cli.answer import say, told
    from harness.host import emulator
    from harness.jobs.cost import Cost, cost

    cache = pipeline.open_cache()
    emulator.find(cache)
    lines = told(arguments, cost(kernel_request(arguments).kernel, cache))
    costs = tuple(line for line in lines if isinstance(line, Cost))
    notes = tuple(line for line in lines if isinstance(line, str))
    say(arguments, CostAnswer(costs=costs, notes=notes), None)
    return Exit.OK if all(each.met for each in costs) else Exit.CHECK_FAILED

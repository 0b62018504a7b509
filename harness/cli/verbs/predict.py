# SPDX-License-Identifier: GPL-2.0-only
"""predict: predict each burst's counters, then run it and compare."""

import argparse
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.cluster import add_runner_options, runner_of
from harness.cli.options import (
    add_cpus_option,
    add_emulator_option,
    add_flavour_option,
    add_kernel_options,
    positive,
    several_mebibytes,
)
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.jobs.predict import Forecasts

logger = logging.getLogger("predict")

GROUP = Group.PROVE
RANK = 50
HELP = "predict each burst's counters, then run it"
EXAMPLES = ("buddylab predict --seeds 3 --memory 1024,4096",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictAnswer:
    """How many counters came as they were predicted, together and in each run."""

    folder: Path
    exact: int
    ranged: int
    missed: int
    runs: tuple["Forecasts", ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)
    add_flavour_option(parser, measured=True)
    add_emulator_option(parser)
    add_cpus_option(parser, "1")
    parser.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="run seeds 1 to N (default 1)"
    )
    parser.add_argument(
        "--memory",
        type=several_mebibytes,
        default=(1024,),
        metavar="MIB,...",
        help="the guest's memory (default 1024; above 3072 it has several large zones)",
    )
    add_runner_options(parser)


def act(arguments: argparse.Namespace) -> int:
    """Print how the predictions of each seed and size of memory fared."""
    from harness import pipeline
    from harness.cli.answer import say, teller
    from harness.host import emulator
    from harness.host.folder import RUNS, claimed, new_folder, require_writable
    from harness.jobs.predict import predictions, require_rules

    require_writable(RUNS)
    runs_asked = arguments.seeds * len(arguments.memory)
    runner = runner_of(arguments, min(runs_asked, os.cpu_count() or 1))
    runner.require_room(max(arguments.memory))
    cache = pipeline.open_cache()
    cpus = arguments.cpus or 1
    emulator.require_cpus(emulator.find(cache), cpus)
    request = kernel_request(arguments)
    require_rules(pipeline.patched(request, cache))
    kernel, image = pipeline.bootable(request, cache)
    with claimed(new_folder("predict")) as folder:
        logger.info("run folders: %s", folder)
        runs = predictions(
            kernel,
            image,
            cache,
            seeds=arguments.seeds,
            memories_mib=arguments.memory,
            cpus=cpus,
            folder=folder,
            runner=runner,
            tell=teller(arguments),
        )
    answer = PredictAnswer(
        folder=folder,
        exact=sum(one.exact for one in runs),
        ranged=sum(one.ranged for one in runs),
        missed=sum(len(one.misses) for one in runs),
        runs=runs,
    )
    text = f"{answer.exact} exact, {answer.ranged} in range, {answer.missed} missed"
    say(arguments, answer, text)
    return Exit.CHECK_FAILED if answer.missed else Exit.OK

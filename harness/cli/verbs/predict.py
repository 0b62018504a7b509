# SPDX-License-Identifier: GPL-2.0-only
"""predict: predict each burst's counters, then run it and compare."""

import argparse
import logging

from harness.cli.options import add_emulator_option, add_kernel_options, positive, several_mebibytes
from harness.cli.requests import kernel_request
from harness.errors import Exit

logger = logging.getLogger("predict")

RANK = 70
HELP = "predict each burst's counters, then run it"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)
    add_emulator_option(parser)
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


def act(arguments: argparse.Namespace) -> int:
    """Print how the predictions of each seed and size of memory fared."""
    from harness import pipeline
    from harness.host import emulator
    from harness.host.folder import RUNS, claimed, new_folder, require_writable
    from harness.jobs.predict import predictions, require_rules
    from harness.stages.boot import require_memory

    require_writable(RUNS)
    require_memory(max(arguments.memory))
    cache = pipeline.open_cache()
    emulator.find(cache)
    request = kernel_request(arguments)
    require_rules(pipeline.patched(request, cache))
    kernel, image = pipeline.bootable(request, cache)
    missed = exact = ranged = 0
    with claimed(new_folder("predict")) as folder:
        logger.info("run folders: %s", folder)
        for forecasts in predictions(
            kernel,
            image,
            cache,
            seeds=arguments.seeds,
            memories_mib=arguments.memory,
            folder=folder,
        ):
            print(forecasts, flush=True)
            missed += len(forecasts.misses)
            exact += forecasts.exact
            ranged += forecasts.ranged
    print(f"{exact} exact, {ranged} in range, {missed} missed")
    return Exit.CHECK_FAILED if missed else Exit.OK

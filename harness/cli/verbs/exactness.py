# SPDX-License-Identifier: GPL-2.0-only
"""exactness: prove that equal guests give equal bytes here."""

import argparse
from dataclasses import replace

from harness.cli.cluster import add_runner_options, runner_of
from harness.cli.options import (
    add_cpus_option,
    add_emulator_option,
    add_flavour_option,
    add_kernel_options,
    add_nodes_option,
    path,
    positive,
)
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit, UserError

GROUP = Group.PROVE
RANK = 54
HELP = "run one arm again and again: are all equal?"
EXAMPLES = ("buddylab exactness --cpus 4 --times 100 --kernel debian:6.1",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)
    add_flavour_option(parser, measured=True)
    add_emulator_option(parser)
    add_cpus_option(parser, "the plan's")
    add_nodes_option(parser, "the plan's")
    parser.add_argument(
        "--plan",
        type=path,
        metavar="PLAN",
        help="its baseline arm in its first state (default: vm/plans/smoke.toml; "
        "with --schedules turns.toml)",
    )
    parser.add_argument(
        "--times", type=positive, default=20, metavar="N", help="arms in all (default 20)"
    )
    parser.add_argument(
        "--schedules",
        type=positive,
        metavar="N",
        help="so often with turns as they are, and by each schedule of 1..N",
    )
    parser.add_argument(
        "--boots", type=positive, default=2, metavar="N", help="guests that prepare (default 2)"
    )
    # All of it is repeated: a share of it once more would say nothing new.
    add_runner_options(parser, repeats=False)


def act(arguments: argparse.Namespace) -> int:
    """Print how many different outcomes there were; CHECK_FAILED if more than one."""
    from harness import pipeline
    from harness.cli.answer import say
    from harness.host import emulator
    from harness.host.assets import asset
    from harness.jobs.exactness import AT_A_TIME, exactness
    from harness.jobs.plan_file import read_plan
    from harness.stages.boot_files import boot_files

    name = "plans/smoke.toml" if arguments.schedules is None else "plans/turns.toml"
    file = arguments.plan or asset("vm") / name
    plan = read_plan(file, arguments.cpus, arguments.nodes)
    if arguments.schedules is not None and plan.cpus == 1:
        raise UserError("the CPU of a guest with one takes no turns; say --cpus 2 with --schedules")
    runner = runner_of(arguments, min(arguments.boots, AT_A_TIME))
    runner.require_room(plan.most_mib)
    cache = pipeline.open_cache()
    emulator.require_cpus(emulator.find(cache), plan.cpus)
    turns = plan.asks_for_turns or arguments.schedules is not None
    request = replace(kernel_request(arguments), turns=turns).laid_out(plan.layout)
    kernel, image = pipeline.bootable(request, cache)
    found = exactness(
        boot_files(kernel, image),
        plan,
        cache,
        times=arguments.times,
        boots=arguments.boots,
        schedules=arguments.schedules,
        runner=runner,
    )
    say(arguments, found, str(found))
    return Exit.OK if found.is_exact else Exit.CHECK_FAILED

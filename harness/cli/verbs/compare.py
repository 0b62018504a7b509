# SPDX-License-Identifier: GPL-2.0-only
"""compare: run a plan's arms from the same memory, or report on those that have run."""

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.cluster import add_runner_options, runner_of
from harness.cli.dry_run import add_dry_run_option, arms_script
from harness.cli.opinion import add_opinion_options, require_possible, second_opinion_of
from harness.cli.options import (
    add_counters_option,
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

if TYPE_CHECKING:
    from harness.compare.plan import Plan

logger = logging.getLogger("compare")

GROUP = Group.CHANGE
RANK = 41
HELP = "run a plan's arms, all from the same memory"
EXAMPLES = ("buddylab compare vm/plans/smoke.toml --kernel debian:6.1",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    add_flavour_option(parser, measured=True)
    add_emulator_option(parser)
    add_counters_option(parser)
    add_cpus_option(parser, "the plan's")
    add_nodes_option(parser, "the plan's")
    parser.add_argument(
        "plan", type=path, metavar="PLAN", help="a TOML file, see vm/plans and docs/comparisons.md"
    )
    parser.add_argument(
        "--output",
        type=path,
        metavar="DIR",
        help="results folder (default: runs/compare-NAME); finished arms in it are kept",
    )
    parser.add_argument(
        "--jobs", type=positive, help="guests at a time (default: the number of CPUs)"
    )
    parser.add_argument(
        "--report-only",
        action="store_true",
        help="run nothing; write the report of the arms in DIR, with PLAN's claims",
    )
    add_runner_options(parser)
    add_opinion_options(parser)
    add_dry_run_option(parser)


def act(arguments: argparse.Namespace) -> int:
    """Run what is missing of the plan's arms, unless told not to, and print the report."""
    from harness.host.folder import RUNS, require_writable
    from harness.jobs.plan_file import read_plan

    if arguments.report_only and arguments.dry_run:
        raise UserError("--report-only runs nothing that --dry-run could print; give one of them")
    if arguments.report_only and arguments.second_opinion:
        raise UserError("--report-only boots nothing, and --second-opinion does; give one of them")
    if arguments.report_only and arguments.flavour:
        raise UserError(
            "--report-only builds nothing that --flavour could change; drop one of them"
        )
    plan = read_plan(arguments.plan, arguments.cpus, arguments.nodes)
    folder = arguments.output or RUNS / f"compare-{plan.name}"
    require_writable(folder)
    return (
        _report(plan, folder, arguments) if arguments.report_only else _run(plan, folder, arguments)
    )


def _run(plan: "Plan", folder: Path, arguments: argparse.Namespace) -> int:
    from harness import pipeline
    from harness.cli.compared import say_results
    from harness.compare.deciding import of_comparison
    from harness.compare.sweep_cost import cost_told
    from harness.host import emulator
    from harness.jobs.compare import Job, compare
    from harness.jobs.plan_file import plan_text

    jobs = arguments.jobs or os.cpu_count() or 1
    runner = runner_of(arguments, jobs)
    runner.require_room(plan.most_mib)
    require_possible(arguments, plan)
    cache = pipeline.open_cache()
    emulator.require_cpus(emulator.find(cache), plan.cpus)
    request = kernel_request(arguments)
    job = Job(
        plan=plan,
        text=plan_text(arguments.plan, arguments.cpus, arguments.nodes),
        folder=folder,
        jobs=jobs,
    )
    variants = dict.fromkeys(arm.kernel for arm in plan.arms)
    requests = {variant: request.of_arm(plan, variant) for variant in variants}
    trees = {  # of all, before the first is built
        variant: pipeline.prepared(each, cache, modes=plan.modes_of(variant), needs=plan.needs)
        for variant, each in requests.items()
    }
    if arguments.dry_run or arguments.on:
        logger.info("%s", cost_told(plan))
    if arguments.dry_run:
        print(arms_script(f"buddylab compare {plan.name}", plan, requests, trees, cache), end="")
        return Exit.OK
    kernels = {
        variant: pipeline.completed(trees[variant], each, cache)
        for variant, each in requests.items()
    }
    logger.info("results folder: %s", folder)
    results = compare(job, kernels, cache, runner=runner)
    opinion = second_opinion_of(
        arguments,
        plan,
        folder,
        of_comparison(results),
        kernels,
        subject=plan.name,
        cache=cache,
    )
    say_results(arguments, folder, results, opinion)
    return Exit.OK


def _report(plan: "Plan", folder: Path, arguments: argparse.Namespace) -> int:
    from harness.cli.compared import say_results
    from harness.compare.arm_invariants import arms_beyond_bound
    from harness.compare.state_lines import broken_invariants
    from harness.jobs.comparison import saved
    from harness.jobs.saved_report import write_reports

    results = saved(folder, plan)
    write_reports(folder, results)
    say_results(arguments, folder, results)
    broken = (*broken_invariants(results), *arms_beyond_bound(results))
    for error in broken:
        logger.error("%s", error)
    return Exit.STAGE if broken else Exit.OK

# SPDX-License-Identifier: GPL-2.0-only
"""judge: say whether a kernel is better, worse or the same with a change."""

import argparse
import logging
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.cli.cluster import add_runner_options, runner_of
from harness.cli.dry_run import add_dry_run_option, arms_script
from harness.cli.opinion import (
    add_opinion_options,
    opinion_told,
    require_possible,
    second_opinion_of,
)
from harness.cli.options import (
    Several,
    Switch,
    add_cpus_option,
    add_emulator_option,
    add_flavour_option,
    add_kernel_options,
    path,
    positive,
    word,
)
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.compare.plan import Plan, Variant
    from harness.compare.verdict_page import Asked
    from harness.host.cache import Cache
    from harness.jobs.compare import Kernels
    from harness.jobs.judge import Judged
    from harness.jobs.runner import Runner
    from harness.pipeline import KernelRequest
    from harness.values import PatchedTree

logger = logging.getLogger("judge")

GROUP = Group.CHANGE
RANK = 40
HELP = "say whether a kernel is better, worse or the same with a change"
EXAMPLES = ("buddylab judge patches/series --kernel debian:6.1 --plan vm/plans/judge_small.toml",)
ANSWERS = True
DEFAULT_CPUS = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "change",
        metavar="CHANGE",
        help="a patch, mbox, quilt series, or A..B of --kernel DIR",
    )
    add_kernel_options(parser, patched=False)
    add_flavour_option(parser, measured=True)
    add_emulator_option(parser)
    add_cpus_option(parser, "the plan's, or 2 if QEMU can")
    parser.add_argument(
        "--plan",
        type=path,
        metavar="PLAN",
        help="arms to judge by (default: vm/plans/judge.toml)",
    )
    parser.add_argument(
        "--config",
        type=path,
        metavar="FILE",
        help="more kernel options, or a whole .config",
    )
    parser.add_argument(
        "--with",
        type=word,
        dest="before",
        action=Several,
        default=[],
        metavar="CHANGE",
        help="what both kernels have, e.g. patches/series",
    )
    parser.add_argument("--each-patch", action=Switch, help="judge every prefix of CHANGE")
    parser.add_argument(
        "--expect",
        metavar="SENTENCE",
        help='e.g. "huge_pages not_less base", for `git bisect run`: exit 0 if it holds, 1 if not, '
        "125 if the changed tree does not build or boot, 129 if nothing can be judged",
    )
    parser.add_argument("--mail", action=Switch, help="print tables as mails to a list have them")
    parser.add_argument(
        "--output",
        type=path,
        metavar="DIR",
        help="results folder (default: below runs/, by content)",
    )
    parser.add_argument(
        "--jobs", type=positive, help="guests at a time (default: the number of CPUs)"
    )
    add_runner_options(parser)
    add_opinion_options(parser)
    add_dry_run_option(parser)


def act(arguments: argparse.Namespace) -> int:
    """Build, run what was not run before, and print the verdict of each kernel in one line.

    With --expect the exit code is what `git bisect run` wants: whatever keeps this tree from being
    judged skips it, and whatever keeps all trees from it ends the bisection.
    """
    if arguments.expect is None:
        return _judge(arguments)
    from harness.cli import net
    from harness.jobs.judge import UntestableError

    try:
        return _judge(arguments)
    except UntestableError as error:
        net.status_of(error, _words(arguments))
        return Exit.UNTESTABLE
    except Exception as error:  # noqa: BLE001 - any code from 1 to 127 would mean a bad tree
        net.status_of(error, _words(arguments))
        return Exit.UNKNOWN


def _judge(arguments: argparse.Namespace) -> int:
    from harness import pipeline
    from harness.cli.answer import say
    from harness.cli.judged import JudgeAnswer, JudgedKernel
    from harness.compare.deciding import of_verdicts
    from harness.compare.expectation import expected, parse_expectation
    from harness.compare.mail import mail_text
    from harness.compare.sweep_cost import cost_told
    from harness.compare.verdict_page import verdict_line
    from harness.host import emulator
    from harness.host.files import atomic_write
    from harness.host.pages import REPORT_HTML
    from harness.jobs.judge import MAIL, judge

    jobs = arguments.jobs or os.cpu_count() or 1
    plan = _plan(arguments)
    runner = runner_of(arguments, jobs)
    _require_possible(arguments, plan, runner)
    cache = pipeline.open_cache()
    used = emulator.find(cache)
    plan = _with_cpus(plan, arguments, used.version)
    emulator.require_cpus(used, plan.cpus)
    it, asked = _asked(arguments, plan, cache)
    sentence = arguments.expect
    wanted = None if sentence is None else parse_expectation(sentence, it.plan)
    logger.info("results folder: %s", it.folder)
    requests, trees = _trees(it, arguments, cache)
    if arguments.dry_run or arguments.on:
        logger.info("%s", cost_told(it.plan))
    if arguments.dry_run:
        print(arms_script(_command(arguments), it.plan, requests, trees, cache), end="")
        return Exit.OK
    kernels = _kernels(requests, trees, cache)
    results, found = judge(it, asked, kernels, cache, jobs=jobs, runner=runner)
    mails = "\n".join(mail_text(results, one, asked) for one in found)
    atomic_write(it.folder / MAIL, mails)
    fared = None if wanted is None else expected(wanted, results)
    opinion = second_opinion_of(
        arguments,
        it.plan,
        it.folder,
        of_verdicts(found),
        kernels,
        subject=f"{asked.change} on {asked.kernel}",
        cache=cache,
    )
    page, mail = it.folder / REPORT_HTML, it.folder / MAIL
    # Who asked here can give it again as it was; what is sent on names no folders of theirs.
    here = replace(asked, command=_command(arguments))
    kernels_told = tuple(
        JudgedKernel(
            variant=one.variant,
            answer=one.answer,
            seeds=one.seeds,
            told=verdict_line(one, results, here),
            questions={each.question.name: each.answer for each in one.answered},
        )
        for one in found
    )
    answer = JudgeAnswer(
        change=asked.change,
        kernel=asked.kernel,
        again=here.command,
        folder=it.folder,
        report=page,
        mail=mail,
        kernels=kernels_told,
        expected=None if fared is None else fared.holds,
        missed=() if fared is None else fared.missed,
        second_opinion=opinion,
    )
    lines = [
        *([mails] if arguments.mail else []),
        *(one.told for one in kernels_told),
        f"all differences: {page}; as a mail: {mail}",
        *([str(fared)] if fared else []),
        *opinion_told(opinion),
    ]
    say(arguments, answer, "\n".join(lines))
    return Exit.OK if fared is None or fared.holds else Exit.CHECK_FAILED


def _with_cpus(plan: "Plan", arguments: argparse.Namespace, qemu_version: str) -> "Plan":
    """Where neither is said, give the default plan's guests as many CPUs as this QEMU repeats.

    The answer's command names them: whoever gives it again on another machine asks the same.
    """
    from msgspec import structs

    from harness.host.emulator import newer_emulator, repeats_several_cpus

    if arguments.cpus is not None or arguments.plan is not None:
        return plan
    if not repeats_several_cpus(qemu_version):
        logger.info("guests of one CPU, for QEMU is %s: %s", qemu_version, newer_emulator())
        return plan
    arguments.cpus = DEFAULT_CPUS
    return structs.replace(plan, cpus=DEFAULT_CPUS)


def _plan(arguments: argparse.Namespace) -> "Plan":
    from harness.host.assets import asset
    from harness.jobs.plan_file import read_plan

    file = arguments.plan or asset("vm") / "plans/judge.toml"
    return read_plan(file, arguments.cpus)


def _require_possible(arguments: argparse.Namespace, plan: "Plan", runner: "Runner") -> None:
    """Refuse what can be known without a kernel's source, which may have to be downloaded."""
    from harness.compare.expectation import parse_expectation
    from harness.host.folder import RUNS, require_writable
    from harness.jobs.judge import base_name
    from harness.stages.change import require_there
    from harness.stages.configure import read_config, require_flavours

    require_flavours(arguments.flavour or ())
    base_name(arguments.kernel or "", arguments.change)
    for change in (arguments.change, *arguments.before):
        require_there(change)
    if arguments.config is not None:
        read_config(arguments.config)
    if arguments.expect is not None:
        parse_expectation(arguments.expect, plan)
    require_writable(arguments.output or RUNS)
    runner.require_room(plan.most_mib)
    require_possible(arguments, plan)


def _asked(arguments: argparse.Namespace, plan: "Plan", cache: "Cache") -> tuple["Judged", "Asked"]:
    from harness.compare.verdict_page import Asked
    from harness.jobs.judge import base_name, change_told, judged
    from harness.stages.fetch import fetch
    from harness.values import origin_told

    name, repository = base_name(arguments.kernel or "", arguments.change)
    source = fetch(name or None, cache)
    it = judged(
        arguments.change,
        source,
        cache,
        plan=plan,
        name=name,
        repository=repository,
        before=arguments.before,
        config=arguments.config,
        flavours=arguments.flavour or (),
        each=arguments.each_patch,
        folder=arguments.output,
    )
    flavour = kernel_request(arguments).laid_out(plan.layout).flavour
    asked = Asked(
        change=change_told(arguments.change),
        kernel=f"{source.release} ({origin_told(source.origin, source.digest, flavour)})",
        command=_command(arguments, change_told),
    )
    return it, asked


def _trees(
    it: "Judged", arguments: argparse.Namespace, cache: "Cache"
) -> tuple[dict["Variant", "KernelRequest"], dict["Variant", "PatchedTree"]]:
    """Patch all that is asked for: a change that has no place is told before the base is built."""
    from harness import pipeline
    from harness.jobs.judge import untestable, variants

    asked = kernel_request(arguments)
    requests = {each: asked.of_arm(it.plan, each) for each in variants(it.plan)}
    trees = {}
    for variant, request in requests.items():
        with untestable(variant):
            modes, needs = it.plan.modes_of(variant), it.plan.needs
            trees[variant] = pipeline.prepared(request, cache, modes=modes, needs=needs)
    return requests, trees


def _kernels(
    requests: Mapping["Variant", "KernelRequest"],
    trees: Mapping["Variant", "PatchedTree"],
    cache: "Cache",
) -> "Kernels":
    from harness import pipeline
    from harness.jobs.judge import untestable

    found = {}
    for variant, request in requests.items():
        with untestable(variant):
            found[variant] = pipeline.completed(trees[variant], request, cache)
    return found


def _command(arguments: argparse.Namespace, named: Callable[[str], str] = str) -> str:
    """Return the command that asks the same again; `named` says how a file is called."""
    return shlex.join(["buddylab", *_words(arguments, named)])


def _words(arguments: argparse.Namespace, named: Callable[[str], str] = str) -> list[str]:
    words = ["judge", named(arguments.change)]
    for option in ("kernel", "plan", "cpus", "config", "qemu"):
        if (value := getattr(arguments, option)) is not None:
            words += [f"--{option}", named(str(value))]
    words += ["--flavour", ",".join(arguments.flavour)] if arguments.flavour else []
    for each in arguments.before:
        words += ["--with", named(each)]
    words += ["--each-patch"] if arguments.each_patch else []
    words += ["--second-opinion"] if arguments.second_opinion else []
    words += ["--boots", str(arguments.boots)] if arguments.boots else []
    return [*words, *(("--expect", arguments.expect) if arguments.expect else ())]

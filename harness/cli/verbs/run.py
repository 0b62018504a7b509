# SPDX-License-Identifier: GPL-2.0-only
"""run: the main job, from source to verdict."""

import argparse

from harness.cli.dry_run import add_dry_run_option, run_script
from harness.cli.options import (
    Switch,
    add_flavour_option,
    add_guest_options,
    add_kernel_options,
    path,
    seed,
)
from harness.cli.requests import guest_request, kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit, UserError
from harness.texts.proc.sysctl import MODE_WORDS, mode_of
from harness.values import RunMode

GROUP = Group.RUN
RANK = 30
HELP = "the main job, from source to verdict"
EXAMPLES = ("buddylab run --kernel debian:6.1 --scale small --output runs/first",)
ANSWERS = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=True)
    add_flavour_option(parser, measured=True)
    parser.add_argument(
        "--scale",
        choices=("paper", "small"),
        metavar="SCALE",
        default="paper",
        help="paper: 4 GiB (default); small: 1 GiB, about a minute",
    )
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in RunMode],
        metavar="MODE",
        default="repeatable",
        help="repeatable: equal to the byte each time (default); live: several CPUs, ssh",
    )
    parser.add_argument(
        "--seed", type=seed, metavar="N", default=1, help="of guest and workloads (default 1)"
    )
    parser.add_argument(
        "--policy",
        choices=MODE_WORDS,
        metavar="MODE",
        help=f"of adaptive compaction: {', '.join(MODE_WORDS)} (default early)",
    )
    parser.add_argument(
        "--cross-checks",
        choices=("on", "off"),
        metavar="on|off",
        default="on",
        help="count by the trace events, too (default on)",
    )
    parser.add_argument(
        "--page-owner",
        action=Switch,
        help="boot with page_owner=on",
    )
    parser.add_argument("--output", type=path, metavar="DIR", help="run folder (default: runs/...)")
    add_guest_options(parser)
    add_dry_run_option(parser)


def act(arguments: argparse.Namespace) -> int:
    """Run all stages and print the verdict."""
    from harness import pipeline
    from harness.cli.answer import say_verdict
    from harness.host import emulator
    from harness.host.folder import RUNS, claimed, new_folder, require_free, require_writable

    request = pipeline.RunRequest(
        kernel=kernel_request(arguments),
        guest=guest_request(arguments),
        scale=arguments.scale,
        mode=RunMode(arguments.mode),
        seed=arguments.seed,
        policy=None if arguments.policy is None else mode_of(arguments.policy),
        cross_checks=arguments.cross_checks == "on",
        page_owner=arguments.page_owner,
    )
    if arguments.dry_run and request.mode is RunMode.LIVE:
        raise UserError(
            "--dry-run tells how a repeatable run is made; `buddylab shell` opens a live guest, "
            "in which everything is given by hand"
        )
    # Minutes of building are not spent on a run that cannot begin.
    if arguments.output is not None:
        require_free(arguments.output)
    require_writable(arguments.output or RUNS)
    request.require_possible()
    cache = pipeline.open_cache()
    used = emulator.find(cache)
    if request.mode is RunMode.REPEATABLE:
        emulator.require_cpus(used, request.cpus)
    modes = () if arguments.policy is None else (arguments.policy,)
    if arguments.dry_run:
        tree = pipeline.prepared(request.kernel, cache, modes=modes)
        print(run_script(request, tree, cache), end="")
        return Exit.OK
    kernel, image = pipeline.bootable(request.kernel, cache, modes=modes)
    folder = arguments.output or new_folder(f"{request.scale}-{request.mode}")
    with claimed(folder):
        judged = pipeline.run_to_verdict(request, kernel, image, folder, cache)
        return say_verdict(arguments, judged, folder)

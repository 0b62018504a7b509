# SPDX-License-Identifier: GPL-2.0-only
"""--on: the workers that do a verb's tasks, where this machine's own CPUs are not to."""

import argparse
import logging
from typing import TYPE_CHECKING

from harness.cli.options import word
from harness.errors import HostError, UserError

if TYPE_CHECKING:
    from harness.engines.ledger import Ledger
    from harness.jobs.runner import Runner

logger = logging.getLogger("cluster")


def add_runner_options(parser: argparse.ArgumentParser, *, repeats: bool = True) -> None:
    """Declare where guests run; `repeats`: whether a share of the units may be run twice."""
    parser.add_argument(
        "--on",
        type=word,
        metavar="TARGET",
        help="workers: tcp://HOST:PORT, scheduler-file=PATH, local:N",
    )
    parser.add_argument(
        "--artefacts",
        type=word,
        metavar="URL",
        help="with --on: what all hosts see; s3://... too",
    )
    if repeats:
        parser.add_argument(
            "--recheck",
            type=percent,
            metavar="PERCENT",
            help="with --on: of all, run twice (default: 1)",
        )


def percent(text: str) -> float:
    """Read a share in per cent; return it as a part of one."""
    try:
        share = float(text) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100")
    return share


def runner_of(arguments: argparse.Namespace, jobs: int) -> "Runner":
    """Return who runs guests: this machine, `jobs` at a time, or the workers asked for."""
    from harness.jobs.runner import LocalRunner

    repeats = "recheck" in arguments
    share = arguments.recheck if repeats else 0.0
    if arguments.on is None:
        if arguments.artefacts is not None or (repeats and share is not None):
            raise UserError("--artefacts and --recheck are for workers; say --on which, too")
        fewer = {} if "jobs" in arguments else {"fewer": "let them have less"}
        return LocalRunner(jobs, **fewer)
    if getattr(arguments, "jobs", None) is not None:
        raise UserError(
            "--jobs is for guests on this machine; with --on, each worker has as many as it has "
            "threads (dask worker --nthreads)"
        )
    try:
        import distributed  # noqa: F401, TID251 - whether the extra is installed
    except ImportError as error:
        raise HostError(f"--on needs {error.name}: pip install 'buddylab[cluster]'") from error
    from harness.engines.dask_runner import SHARE, DaskRunner
    from harness.engines.target import parse_target

    return DaskRunner(
        target=parse_target(arguments.on),
        share=SHARE if share is None else share,
        url=arguments.artefacts or "",
        finished=_tell_shares,
    )


def _tell_shares(ledger: "Ledger") -> None:
    for worker, units in sorted(ledger.done.items()):
        logger.info("%s: %d done", worker, units)
    if ledger.repeated:
        logger.info("%d run again on another worker, the same to the byte", ledger.repeated)

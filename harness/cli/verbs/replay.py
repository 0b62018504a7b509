# SPDX-License-Identifier: GPL-2.0-only
"""replay: execute a saved arm, run or bundle again; the same bytes or an error."""

import argparse
from dataclasses import dataclass

from harness.cli.options import Switch, add_emulator_option, positive
from harness.cli.replayable import add_replayable_options, opened
from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.CHANGE
RANK = 43
HELP = "execute an arm, run or bundle again: the same bytes or an error"
EXAMPLES = ("buddylab replay runs/first --times 2",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What one execution gave; `difference` is empty where all is the same."""

    digest: str
    difference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayAnswer:
    """What was executed again, and how often its bytes were the saved ones."""

    title: str
    key: str
    saved: str  # the digest of what its guest said
    times: int
    identical: int
    replays: tuple[Replay, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_emulator_option(parser)
    add_replayable_options(parser, "KEY|RUN|FILE")
    parser.add_argument(
        "--times", type=positive, default=1, metavar="N", help="how often (default 1)"
    )
    parser.add_argument(
        "--anyway",
        action=Switch,
        help="also where something else would execute, such as another QEMU",
    )
    parser.add_argument(
        "--kernel",
        metavar="NAME|PATH",
        help="of an arm that is to be built again (default: what its comparison names)",
    )


def act(arguments: argparse.Namespace) -> int:
    """Execute it and tell whether its bytes are the same."""
    from harness import pipeline
    from harness.cli.answer import say, told
    from harness.host import emulator
    from harness.jobs.replay import replays

    cache = pipeline.open_cache()
    emulator.find(cache)
    with opened(arguments, cache, builds=True) as (it, what):
        done = told(
            arguments,
            replays(it, what, cache, times=arguments.times, anyway=arguments.anyway),
        )
    same = sum(not one.difference for one in done)
    answer = ReplayAnswer(
        title=it.title,
        key=it.identity.digest,
        saved=it.expected.digest,
        times=arguments.times,
        identical=same,
        replays=tuple(Replay(digest=one.digest, difference=one.difference) for one in done),
    )
    say(arguments, answer, f"{same} of {arguments.times} identical")
    return Exit.OK if same == arguments.times else Exit.CHECK_FAILED

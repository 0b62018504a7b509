# SPDX-License-Identifier: GPL-2.0-only
"""Commands that are killed at random points: of a build, a comparison and a live run."""

import itertools
import random
import signal
import time
from collections.abc import Iterator

from faults_bench import BUILD, Bench, Done, build
from faults_guest import compare, guest, words
from faults_rows import Row

from harness.errors import Exit

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
_VERBS = ("build", "build", "compare", "build", "live")
# The points are the same each time; a machine that is slower reaches less by them.
_SEED = 1


def rows(count: int) -> list[Row]:
    """Return `count` rows: verbs and signals take turns, the points are drawn."""
    drawn = random.Random(_SEED)  # noqa: S311 - the same each time
    turns = zip(range(count), itertools.cycle(_VERBS), itertools.cycle(_SIGNALS), strict=False)
    return [_row(verb, number, drawn.random()) for _, verb, number in turns]


def _row(verb: str, number: signal.Signals, share: float) -> Row:
    def run(bench: Bench) -> Iterator[Done]:
        if verb == "build":
            began = time.monotonic()
            build(bench)  # what it takes from nothing
            whole_s = time.monotonic() - began
            bench.forget_cache()
            process, again = bench.start(*BUILD), build
        elif verb == "compare":
            whole_s = bench.lab.compare_s
            process, again = bench.start(*words(bench)), compare
        else:
            whole_s = bench.lab.compare_s
            live = ("run", "--mode", "live", "--scale", "small", *bench.lab.kernel)
            process, again = bench.start(*live, "--output", "live"), guest
        time.sleep(share * whole_s)
        yield bench.killed(process, number)
        yield again(bench)

    is_kill = number is signal.SIGKILL
    # One that was through before is fine, too; Python starts with its own answers to signals.
    ends = (-number, Exit.OK) if is_kill else (Exit.INTERRUPTED, Exit.OK, -number)
    how = f"{number.name} at {share:.0%} of its time"
    return Row(f"{verb} killed", how, ends, "", run, is_kill, verb != "build")

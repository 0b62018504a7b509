# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark counts what it times."""

import itertools

from harness.model.speed import measure


def test_operations_and_seconds_are_those_of_the_clock() -> None:
    ticks = itertools.count()
    speed = measure(lambda: float(next(ticks)), operations=5000)
    assert speed.operations >= 5000
    rounds = next(ticks) // 2
    assert speed.seconds == rounds
    assert speed.per_second == speed.operations // rounds

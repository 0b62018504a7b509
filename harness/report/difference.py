# SPDX-License-Identifier: GPL-2.0-only
"""By how much the counters of two runs differ, stage by stage: what tracing disturbs. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.checks.counters import EXACT_FROM_ORDER
from harness.errors import UserError
from harness.items import COUNTERS
from harness.record.run import RunRecord
from harness.texts.pages import Order
from harness.texts.proc.buddy_monitor import MonitorDelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterDifference:
    """What a counter rose by in a stage, in each of two runs."""

    order: Order
    counter: str
    one: int
    other: int

    def __str__(self) -> str:
        return f"order {self.order} {self.counter} {self.one} and {self.other}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDifference:
    """In which counters a stage of two runs differs."""

    stage: str
    counters: tuple[CounterDifference, ...]

    def __str__(self) -> str:
        """Print as a line of a table."""
        return f"{self.stage:<22} {'; '.join(map(str, self.counters)) or 'the same'}"


def differences(one: RunRecord, other: RunRecord) -> Iterator[StageDifference]:
    """Compare, for each stage, what its counters of orders from 4 up rose by in each run.

    Below order 4 a guest's own tasks ask all the time, and two runs that differ at all differ
    there. UserError if the runs have no stage in common.
    """
    theirs = {stage.name: stage for stage in other.stages}
    common = [stage for stage in one.stages if stage.name in theirs]
    if not common:
        raise UserError("the two runs have no stage in common; compare runs of one plan")
    for stage in common:
        pairs = list(zip(stage.deltas, theirs[stage.name].deltas, strict=True))
        found = tuple(
            CounterDifference(
                order=mine.order, counter=name, one=_risen(mine, name), other=_risen(yours, name)
            )
            for mine, yours in pairs[EXACT_FROM_ORDER:]
            for name in COUNTERS
            if _risen(mine, name) != _risen(yours, name)
        )
        yield StageDifference(stage=stage.name, counters=found)


def _risen(delta: MonitorDelta, counter: str) -> int:
    return int(getattr(delta, counter))

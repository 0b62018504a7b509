# SPDX-License-Identifier: GPL-2.0-only
"""By how much the counters of two runs differ, stage by stage: what tracing disturbs. Pure."""

from collections.abc import Iterator

from harness.checks.counters import EXACT_FROM_ORDER
from harness.errors import UserError
from harness.items import COUNTERS
from harness.record.run import RunRecord
from harness.texts.proc.buddy_monitor import MonitorDelta


def differences(one: RunRecord, other: RunRecord) -> Iterator[str]:
    """Yield a line for each stage: what its counters of orders from 4 up rose by, in each run.

    Below order 4 a guest's own tasks ask all the time, and two runs that differ at all differ
    there. UserError if the runs have no stage in common.
    """
    theirs = {stage.name: stage for stage in other.stages}
    common = [stage for stage in one.stages if stage.name in theirs]
    if not common:
        raise UserError("the two runs have no stage in common; compare runs of one plan")
    for stage in common:
        pairs = list(zip(stage.deltas, theirs[stage.name].deltas, strict=True))
        found = [
            f"order {mine.order} {name} {_risen(mine, name)} and {_risen(yours, name)}"
            for mine, yours in pairs[EXACT_FROM_ORDER:]
            for name in COUNTERS
            if _risen(mine, name) != _risen(yours, name)
        ]
        yield f"{stage.name:<22} {'; '.join(found) or 'the same'}"


def _risen(delta: MonitorDelta, counter: str) -> int:
    return int(getattr(delta, counter))

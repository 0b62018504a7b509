# SPDX-License-Identifier: GPL-2.0-only
"""Whether an arm's outcome can be: no burst gets more than the stopped guest's upper bound."""

from collections.abc import Iterator

from harness.compare.plan import ArmRun
from harness.compare.results import ArmResult, Results, placed
from harness.errors import RecordError
from harness.model.state import GfpClass

_SHOWN_ARMS = 5
# They may go below the min watermark, which the bound keeps (gfp_to_alloc_flags).
_BELOW_MIN = frozenset({GfpClass.ATOMIC, GfpClass.NOWAIT})


def arms_beyond_bound(results: Results) -> tuple[RecordError, ...]:
    """Return an error for each arm that got more blocks than there could be.

    Either its memory was not what the bound was computed of, or blocks were counted that were
    given back. Ranges whose pinned pages the kernel freed meanwhile, as it does where a CPU comes
    back, are told by what the burst held at its end. Not judged: requests that may use reserves,
    and bursts during which the OOM killer gave memory back.
    """
    return tuple(_told(run, arm) for run, arm in _beyond(results))


def beyond_bound_line(results: Results) -> tuple[str, ...]:
    """Say in a line which arms got more than there could be; nothing where none did."""
    found = [f"{run.path} {_counted(arm)}" for run, arm in _beyond(results)]
    if not found:
        return ()
    said = "; ".join(found[:_SHOWN_ARMS])
    more = f"; and {len(found) - _SHOWN_ARMS} more" if len(found) > _SHOWN_ARMS else ""
    return (
        f"BEYOND THE UPPER BOUND in {len(found)} of {len(results.arms)} arms (!): {said}{more}",
    )


def _beyond(results: Results) -> Iterator[tuple[ArmRun, ArmResult]]:
    for run, arm in placed(results):
        one = arm.outcome
        if run.arm.gfp in _BELOW_MIN or one.work.oom_kills:
            continue
        if one.blocks > one.bound.with_ranges(one.opened):
            yield run, arm


def _told(run: ArmRun, arm: ArmResult) -> RecordError:
    return RecordError(
        f"{run.path}: {_counted(arm)}: no way of compacting can get more; the arm is kept and "
        "named in the report. Unless its commands free memory, its blocks were given back while "
        "they were counted, or its memory is not what was stopped: do not use it, "
        f"see harness/compare/upper_bound.py and `buddylab replay {arm.key[:12]}`"
    )


def _counted(arm: ArmResult) -> str:
    return f"{arm.outcome.blocks:,} blocks of at most {arm.outcome.bound.blocks:,}"

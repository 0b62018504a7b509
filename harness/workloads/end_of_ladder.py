# SPDX-License-Identifier: GPL-2.0-only
"""Stages in which requests come to the end of the allocator's ladder, in modes that act there.

For `buddylab mutants`: the paper's own stages and the torture get no block at that place.
"""

from dataclasses import replace

from harness.texts.pages import COSTLY_ORDER
from harness.texts.proc.sysctl import Knob, PolicyMode
from harness.values import BurstPlan, StagePlan
from harness.workloads.paper import KNOBS_RESTORE, edge_stage, hopeless_stage, knobs_set

_LARGEST = 10
# Of memory in which one page in so many stays: about as large a part of it can be made whole.
_KEEP_ONE_IN = 4
_STATE = f"bash scripts/make_state.sh deferred_{_KEEP_ONE_IN}"
_STATE_DEADLINE_S = 300
# What stock puts off at most, 1 << COMPACT_MAX_DEFER_SHIFT, at two attempts a request: the
# compaction after these may serve all others, so that nobody comes to the end of the ladder.
_PUT_OFF = 32


def end_of_ladder_stages(memory_mib: int) -> tuple[StagePlan, ...]:
    """Return a stage for each way that the last resort can end in each mode that has one."""
    return (
        # At once one after the other: what is served resets what puts compaction off.
        _deferred(PolicyMode.LAST),
        _deferred(PolicyMode.CLEAR),
        _in_mode(_unpredicted(hopeless_stage(_LARGEST), "retry_mayfail"), PolicyMode.LAST),
        _in_mode(
            _unpredicted(edge_stage(COSTLY_ORDER, memory_mib), "retry_mayfail"), PolicyMode.LAST
        ),
        # In the end there is not even the memory for a block; what follows must be tried anew.
        _in_mode(
            _unpredicted(edge_stage(_LARGEST, memory_mib), "kernel_nokswapd"), PolicyMode.CLEAR
        ),
        _in_mode(hopeless_stage(_LARGEST), PolicyMode.CLEAR),
    )


def _deferred(mode: PolicyMode) -> StagePlan:
    burst = BurstPlan(
        order=_LARGEST,
        requests=_PUT_OFF,
        most_held=_PUT_OFF,
        hold_until_fail=False,
        gfp="kernel_nokswapd",
    )
    stage = StagePlan(
        name=f"deferred_{_LARGEST}",
        command=burst.command,
        prepare=f"{_STATE} start",
        cleanup=f"{_STATE} stop && {KNOBS_RESTORE}",
        deadline_s=_STATE_DEADLINE_S,
        note=f"{_PUT_OFF} blocks of order {_LARGEST} that could be made, but the allocator's own "
        "compaction is deferred.",
    )
    return _in_mode(stage, mode)


def _unpredicted(stage: StagePlan, gfp: str) -> StagePlan:
    """Return the stage with requests of another class, of which nothing is predicted."""
    if stage.burst is None:
        return stage
    return replace(stage, command=replace(stage.burst, gfp=gfp).command, burst=None)


def _in_mode(stage: StagePlan, mode: PolicyMode) -> StagePlan:
    return replace(
        stage,
        name=f"{mode.word}_{stage.name.removeprefix('predict_')}",
        prepare=f"{stage.prepare} && {knobs_set({Knob.MODE: mode.value})}",
        cleanup=stage.cleanup,
    )

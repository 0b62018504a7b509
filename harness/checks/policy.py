# SPDX-License-Identifier: GPL-2.0-only
"""The policy acts when its knobs allow it, and not otherwise."""

from collections.abc import Iterable, Iterator

from harness.checks.base import Check, Comparison, NotApplicable, unmonitored
from harness.checks.torture import STAGE as TORTURE_STAGE
from harness.errors import RecordError
from harness.record.run import RunRecord, StageRecord
from harness.texts.proc.sysctl import Policy, PolicyMode


def stage_policy(stage: StageRecord) -> tuple[Policy, Policy] | None:
    """Return the policy before and after a stage; None on a kernel without its knobs."""
    before, after = stage.before.sysctls.policy, stage.after.sysctls.policy
    if before is None and after is None:
        return None
    if before is None or after is None:
        raise RecordError(f"{stage.name}: the policy's sysctls are in one snapshot only; repeat it")
    return before, after


def steady_mode(stage: StageRecord) -> PolicyMode | None:
    """Return the mode of a stage; None where there is no policy, or it changed meanwhile."""
    policies = stage_policy(stage)
    if stage.name == TORTURE_STAGE or policies is None or policies[0].mode is not policies[1].mode:
        return None
    return policies[0].mode


def _without_policy(run: RunRecord) -> NotApplicable | None:
    absent = unmonitored(run)
    if absent:
        return absent
    if all(stage_policy(stage) is None for stage in run.stages):
        return NotApplicable("this kernel has no policy: no vm.adaptive_compaction_* sysctls")
    return None


def _off_means_off(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    absent = _without_policy(run)
    if absent:
        return absent
    # The torture turns the knobs itself, and leaves them as it found them.
    idle = [stage for stage in run.stages if _is_off(stage) and stage.name != TORTURE_STAGE]
    if not idle:
        return NotApplicable("the policy was on in every stage")
    return (
        Comparison(
            holds=all(delta.adaptive == 0 for delta in stage.deltas),
            text=f"{stage.name}: mode off, adaptive of all orders rose by "
            f"{sum(delta.adaptive for delta in stage.deltas)}",
        )
        for stage in idle
    )


def _is_off(stage: StageRecord) -> bool:
    policies = stage_policy(stage)
    return policies is not None and all(policy.mode is PolicyMode.OFF for policy in policies)


def _only_eligible_orders(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    return _without_policy(run) or _orders(run)


def _orders(run: RunRecord) -> Iterator[Comparison]:
    for stage in run.stages:
        policies = stage_policy(stage)
        if policies is None:
            raise RecordError(f"{stage.name}: the policy's sysctls are absent; repeat the run")
        least = min(policy.min_order for policy in policies)
        raised = [delta for delta in stage.deltas if delta.adaptive != 0]
        said = ", ".join(f"{delta.adaptive} at order {delta.order}" for delta in raised)
        yield Comparison(
            holds=all(delta.order >= least for delta in raised),
            text=f"{stage.name}: adaptive rose by {said or '0'}, min_order {least}",
        )


RANK = 70
CHECKS = (
    Check(
        name="policy-off-changes-nothing",
        why="with mode 0 no request may have its compaction priority raised",
        judge=_off_means_off,
    ),
    Check(
        name="policy-keeps-to-its-least-order",
        why="the policy never acts on a request below min_order",
        judge=_only_eligible_orders,
    ),
)

# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with what a plan says of its CPUs: their turns, and who has which for itself."""

from collections.abc import Iterator

from harness.compare.plan import Burst, Plan
from harness.limits import SCHEDULE_MAX


def faults(plan: Plan) -> Iterator[str]:
    """Find what cannot be, or would change nothing."""
    for arm in plan.arms:
        if arm.schedule is None:
            continue
        if not 0 <= arm.schedule <= SCHEDULE_MAX:
            yield f"arm {arm.name}: schedule = {arm.schedule} is outside 0..{SCHEDULE_MAX}"
        if plan.cpus == 1:
            yield (
                f"arm {arm.name}: schedule = {arm.schedule} says nothing to guests of one CPU, "
                "which take no turns; say cpus = 2 or more"
            )
    for burst in plan.bursts:
        yield from _burst_faults(plan, burst)


def _burst_faults(plan: Plan, burst: Burst) -> Iterator[str]:
    for what, cpu in (("cpu", burst.cpu), ("background_cpu", burst.background_cpu)):
        if cpu is not None and not 0 <= cpu < plan.cpus:
            there = "CPU 0 alone" if plan.cpus == 1 else f"CPUs 0..{plan.cpus - 1}"
            yield f"burst {burst.name}: {what} = {cpu} is not there: the plan's guests have {there}"
    if burst.background_cpu is not None and burst.background is None:
        yield (
            f"burst {burst.name}: background_cpu = {burst.background_cpu} is of no background; "
            'say one, such as background = "requests"'
        )
    if burst.background is not None and burst.background_load:
        yield f"burst {burst.name}: background and background_load are both said; say one of them"

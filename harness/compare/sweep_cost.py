# SPDX-License-Identifier: GPL-2.0-only
"""What a plan will cost before any of it has run."""

from harness.compare.plan import Plan, groups, runs

# One core of the machine that runs the 3,000 arms an hour of `buddylab bench` on two, boots and
# preparations included.
CORE_S_OF_AN_ARM = 2.4
_S_PER_HOUR = 3600


def cost_told(plan: Plan) -> str:
    """Say how many core hours all its arms take, where none has run yet."""
    boots = groups(plan)
    arms = sum(len(runs(plan, group)) for group in boots)
    hours = arms * CORE_S_OF_AN_ARM / _S_PER_HOUR
    told = f"{hours:,.0f}" if hours >= 10 else f"{hours:.3f}"  # noqa: PLR2004 - digits
    return (
        f"{arms:,} arms from {len(boots):,} boots: about {told} core hours, at "
        f"{CORE_S_OF_AN_ARM} s an arm"
    )

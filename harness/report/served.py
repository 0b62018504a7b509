# SPDX-License-Identifier: GPL-2.0-only
"""Requests by the step of the allocator's ladder that served them, stage by stage. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping

from harness.items import REASONS, STEPS
from harness.record.run import StageRecord
from harness.report.document import Run, RunStage, Served
from harness.texts.pages import ORDERS, Order
from harness.texts.proc.monitor_details import OrderTable
from harness.writers.page import Section
from harness.writers.table import table

TITLE = "Requests by the step that served them"
_SHOWS = (
    "The steps are those of the page allocator, in the order in which a request goes through them. "
    "A stage with a burst: the burst's order, all that asked for it; else all orders together."
)


def served(stage: StageRecord) -> tuple[Served, ...]:
    """Return what the steps and the reasons rose by, for each order that was asked for.

    Empty on a kernel that has no steps in debugfs. Whether a count may fall is the checks' matter.
    """
    before, after = stage.before.details, stage.after.details
    if before is None or after is None:
        return ()
    found = (
        Served(
            order=order,
            steps=_rises(before.success_by_step, after.success_by_step, order),
            reasons=_rises(before.fail_by_reason, after.fail_by_reason, order),
        )
        for order in ORDERS
    )
    return tuple(one for one in found if one.steps or one.reasons)


def _rises(before: OrderTable, after: OrderTable, order: Order) -> dict[str, int]:
    risen = {
        column: after.value(column, order) - before.value(column, order) for column in after.columns
    }
    return {column: rise for column, rise in risen.items() if rise}


def served_section(run: Run) -> Section:
    """Return the section; without a table where the kernel has no steps in debugfs."""
    rows = [row for stage in run.stages if (row := _row_of(stage))]
    if not rows:
        return Section(
            title=TITLE,
            shows=_SHOWS,
            notes=("This run's kernel does not tell its steps in debugfs.",),
        )
    used = tuple(step for step in STEPS if any(step in steps for _, _, steps, _ in rows))
    return Section(
        title=TITLE,
        shows=_SHOWS,
        tables=(
            table(
                ("stage", "order", *(step.replace("_", " ") for step in used), "failed"),
                (
                    (name, order, *(steps[step] for step in used), sum(reasons.values()))
                    for name, order, steps, reasons in rows
                ),
            ),
        ),
        notes=tuple(
            f"{name}, why requests failed: {', '.join(_because(reasons))}."
            for name, _, _, reasons in rows
            if reasons
        ),
    )


def _row_of(stage: RunStage) -> tuple[str, str, Counter[str], Counter[str]] | None:
    wanted = stage.burst.order if stage.burst else None
    told = [one for one in stage.served if wanted is None or one.order == wanted]
    if not told:
        return None
    steps: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for one in told:
        steps.update(one.steps)
        reasons.update(one.reasons)
    return stage.name, "all" if wanted is None else str(wanted), steps, reasons


def _because(reasons: Mapping[str, int]) -> Iterator[str]:
    for reason in REASONS:
        if count := reasons.get(reason):
            yield f"{reason} {count:,}"

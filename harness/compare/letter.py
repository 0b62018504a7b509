# SPDX-License-Identifier: GPL-2.0-only
"""What a cover letter says of saved comparisons: plain text, for people who read mails."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill

from harness.compare.cells import Cell, cells, values
from harness.compare.measures import Measure
from harness.compare.plan import PATCHED, Action, Arm
from harness.compare.results import Results, short
from harness.compare.statistics import number, spread
from harness.record import schema
from harness.texts.proc.sysctl import PolicyMode

_WIDTH = 75
_CLEAR = PolicyMode.CLEAR.name.lower()


def results_text(found: Mapping[str, Results], line: str) -> str:
    """Say what was measured on a kernel line, by the folders of its results; ends with a newline.

    A comparison that has the policy's mode clear beside compact_memory gets a table, of medians;
    of the others it says what they ask.
    """
    if not found:
        return f"There are no results for Linux {line} yet.\n"
    tables = [_tables(folder, one) for folder, one in found.items() if _compared_arms(one)]
    others = [
        fill(f"- {_place(folder)}: {one.plan.why}", _WIDTH, subsequent_indent="  ")
        for folder, one in found.items()
        if not _compared_arms(one)
    ]
    heading = ["Also compared, with the report in each folder:"] if others else []
    return "\n\n".join((*tables, *heading, *others)) + "\n"


def _place(folder: str) -> str:
    return f"docs/results/{folder}"


def _compared_arms(results: Results) -> tuple[Arm, ...]:
    """Return baseline, clear and compact_memory, if the plan compares them on the series."""
    plan = results.plan
    ours = [arm for arm in plan.arms if arm.kernel == PATCHED]
    chosen = [
        next((arm for arm in ours if test(arm)), None)
        for test in (
            lambda arm: arm.name == plan.baseline,
            lambda arm: arm.knobs is not None and arm.knobs.mode == _CLEAR,
            lambda arm: arm.before is Action.COMPACT_MEMORY,
        )
    ]
    arms = tuple(arm for arm in chosen if arm is not None)
    return arms if len(arms) == len(chosen) else ()


def _tables(folder: str, results: Results) -> str:
    plan = results.plan
    arms = _compared_arms(results)
    told = [fill(plan.why, _WIDTH), "\n".join(_made_by(folder, results))]
    for burst in plan.bursts:
        title = (
            f"Order {burst.order}: blocks got, and pages scanned for migration; medians of "
            f"{len(plan.seeds)} seeds, {plan.guests}"
        )
        rows = [_row(cell, arms) for cell in cells(results) if cell.burst == burst.name]
        if rows:
            head = ("", "bound", *(part for arm in arms for part in (arm.name, "scanned")))
            told.append(f"{fill(title, _WIDTH)}\n\n{_aligned([head, *rows])}")
    return "\n\n".join(told)


def _made_by(folder: str, results: Results) -> Iterator[str]:
    yield f"From {_place(folder)}, made with"
    for kernel in results.kernels.kernels:
        made = kernel.provenance
        yield (
            f"  Linux {made.kernel_release} ({made.origin_told}) and {len(made.patches)} "
            f"patches, vmlinux {short(kernel.key.vmlinux_digest)}"
        )
        yield f"  by buddylab {made.project_version}, commit {made.project_commit}"
    if results.kernels.key_schema != schema.KEY.number:
        yield "  (an earlier state of the series: the present one did not make them)"


def _row(cell: Cell, arms: Sequence[Arm]) -> tuple[str, ...]:
    bounds = [one.outcome.bound.blocks for one in cell.arms]
    return (
        cell.marked_state,
        number(spread(bounds).median),
        *(
            _median(cell, arm, measure)
            for arm in arms
            for measure in (Measure.BLOCKS, Measure.SCANNED)
        ),
    )


def _median(cell: Cell, arm: Arm, measure: Measure) -> str:
    found = values(measure, cell.of(arm.name))
    return number(spread(found).median) if found else "-"


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  "
        + "  ".join(
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )

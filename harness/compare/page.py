# SPDX-License-Identifier: GPL-2.0-only
"""A whole comparison: as text for the terminal, and as the page of its report."""

from harness.compare.arm_invariants import beyond_bound_line
from harness.compare.finding_tables import claim_table, indicator_table, map_table
from harness.compare.huge_page_tables import huge_page_tables
from harness.compare.results import Results, short
from harness.compare.screen import comparison_screen
from harness.compare.screen_facts import command_of
from harness.compare.side_tables import side_tables
from harness.compare.state_lines import state_lines
from harness.compare.tables import tables
from harness.compare.turn_tables import turn_tables
from harness.compare.zone_tables import zone_tables
from harness.record import schema
from harness.writers.page import Page, Section, Table
from harness.writers.text import text_table

_NOT_OURS = (
    "an earlier version of this project made these results ({who}). The kernels, modules and "
    "guests of the present version differ. Replay an arm with the commit that made it; for results "
    "in docs/results, the README.md there names that commit."
)
_HOW_TO_READ = (
    "Figures with brackets are median [minimum, maximum] over the seeds; single figures are "
    "medians. Latencies are of single requests, in guest instructions. Differences are paired by "
    "seed: mean with its 95 % interval (BCa bootstrap), seeds better:worse, exact sign test, "
    "effect = mean / standard deviation of the differences. Scanned: pages that compaction's "
    "migration scanner visited; inspected: pages whose state mode 5 read. Per block made: scanned "
    "pages for each block that was not free at the start. Per block gained: scanned pages beyond "
    "the baseline's for each block beyond the baseline's, only where the interval lies above 0. "
    "`buddylab replay KEY` runs an arm again."
)


def report_text(results: Results) -> str:
    """Print all of it for a terminal, but for the side tables."""
    shown = (
        *tables(results),
        *zone_tables(results),
        *huge_page_tables(results),
        *_findings(results),
    )
    lines = (*state_lines(results), *beyond_bound_line(results))
    blocks = ["\n".join(lines) + "\n", *(text_table(table) for table in shown)]
    return "\n".join(blocks)


def comparison_page(results: Results) -> Page:
    """Return a whole report: what ran, how to read it, all tables."""
    plan = results.plan
    qemu_version = results.kernels.kernels[0].key.qemu_version
    ran = (*_kernels(results), *state_lines(results), *beyond_bound_line(results))
    return Page(
        title=f"Comparison: {plan.name}",
        lead=(
            plan.why,
            (
                f"{plan.guests[0].upper()}{plan.guests[1:]}, {len(plan.seeds)} seeds; baseline "
                f"`{plan.baseline}`. QEMU {qemu_version}. One instruction is "
                f"{1 << plan.icount_shift} ns of the guest's clock."
            ),
        ),
        warnings=_age(results),
        sections=(
            Section(title="What ran", points=ran),
            Section(
                title="Results",
                shows=_HOW_TO_READ,
                tables=(
                    *_findings(results),
                    *tables(results),
                    *zone_tables(results),
                    *huge_page_tables(results),
                    *side_tables(results),
                    *turn_tables(results),
                ),
            ),
        ),
        screen=comparison_screen(
            results, ran=ran, how_to_read=_HOW_TO_READ, command=command_of(results)
        ),
    )


def _age(results: Results) -> tuple[str, ...]:
    """Say of results whose keys are of another form that the present tree did not make them."""
    if results.kernels.key_schema == schema.KEY.number:
        return ()
    made = results.kernels.kernels[0].provenance
    who = f"{made.project_version}, commit {made.project_commit}"
    return (_NOT_OURS.format(who=who),)


def _kernels(results: Results) -> tuple[str, ...]:
    return tuple(
        f"kernel `{kernel.variant}`: {kernel.provenance.kernel_release} "
        f"({kernel.provenance.kernel_origin}), {len(kernel.provenance.patches)} patches, "
        f"counters {kernel.provenance.counters}, vmlinux `{short(kernel.key.vmlinux_digest)}`"
        for kernel in results.kernels.kernels
    )


def _findings(results: Results) -> tuple[Table, ...]:
    made = (map_table(results), claim_table(results), indicator_table(results))
    return tuple(table for table in made if table)

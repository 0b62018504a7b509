"""Tables of a comparison, for the terminal and as markdown; every mean with its interval."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.compare.outcome import Outcome
from harness.compare.plan import Plan
from harness.compare.results import ArmResult, Results, short
from harness.compare.statistics import Paired, number, paired, spread

Measure = Callable[[Outcome], float]

_HEAD = (
    "arm",
    "blocks",
    "of ideal",
    "blocks - {baseline}",
    "better:worse",
    "sign p",
    "effect",
    "scanned",
    "per block made",
    "per block gained",
    "latency p50",
    "p99",
    "max",
    "stalls",
    "oom",
    "unmovable +",
    "key of seed {seed}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One state and burst: a row for each arm."""

    title: str
    notes: tuple[str, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One arm against the baseline, by what was measured, over the seeds both have."""

    arm: str
    blocks: Paired
    scanned: Paired
    latency_total: Paired
    oom_kills: Paired
    unmovable: Paired


def tables(results: Results) -> tuple[Table, ...]:
    """Make a table of every state and burst that has an arm."""
    return _each_cell(results, _table)


def work_tables(results: Results) -> tuple[Table, ...]:
    """Make a further table for each: what the kernel did, and what became of others."""
    return _each_cell(results, _work_table)


def _each_cell(
    results: Results, make: Callable[[Plan, str, str, Sequence[ArmResult]], Table]
) -> tuple[Table, ...]:
    plan = results.plan
    found = []
    for state in plan.states:
        for burst in plan.bursts:
            cell = [
                one for one in results.arms if (one.state, one.burst) == (state.name, burst.name)
            ]
            if cell:
                found.append(make(plan, state.name, burst.name, cell))
    return tuple(found)


def comparison(
    arm: str, ours: Sequence[ArmResult], baseline: Sequence[ArmResult]
) -> Comparison | None:
    """Compare by pairs of one seed; None where no seed has both."""
    theirs = {one.seed: one.outcome for one in baseline}
    pairs = [(one.outcome, theirs[one.seed]) for one in ours if one.seed in theirs]
    if not pairs:
        return None

    def by(measure: Measure) -> Paired:
        return paired([measure(one) for one, _ in pairs], [measure(one) for _, one in pairs])

    return Comparison(
        arm=arm,
        blocks=by(lambda one: one.blocks),
        scanned=by(lambda one: one.work.migrate_scanned),
        latency_total=by(lambda one: one.latency.total),
        oom_kills=by(lambda one: one.work.oom_kills),
        unmovable=by(lambda one: one.unmovable_after - one.unmovable_before),
    )


def _table(plan: Plan, state: str, burst: str, cell: Sequence[ArmResult]) -> Table:
    baseline = [one for one in cell if one.arm == plan.baseline]
    rows = []
    for arm in plan.arms:
        ours = [one for one in cell if one.arm == arm.name]
        if ours:
            rows.append(_row(arm.name, ours, comparison(arm.name, ours, baseline)))
    first = min(one.seed for one in cell)
    head = tuple(name.format(baseline=plan.baseline, seed=first) for name in _HEAD)
    return Table(
        title=f"{state}, {burst}", notes=tuple(_notes(plan, cell)), head=head, rows=tuple(rows)
    )


_WORK: tuple[tuple[str, Measure], ...] = (
    ("migrated", lambda one: one.work.migrated),
    ("free scanned", lambda one: one.work.free_scanned),
    ("reclaim scanned", lambda one: one.work.reclaim_scanned),
    ("reclaimed", lambda one: one.work.reclaimed),
    ("reclaim stalls", lambda one: one.work.reclaim_stalls),
    ("deferred", lambda one: (one.monitored and one.monitored.deferred) or 0),
    ("kcompactd scanned", lambda one: one.work.kcompactd_scanned),
    ("kswapd scanned", lambda one: one.work.kswapd_scanned),
    ("extfrag events", lambda one: one.extfrag_events),
    ("instructions in requests", lambda one: one.latency.total),
    ("bystander failures", lambda one: one.bystander.failures if one.bystander else 0),
)


def _work_table(plan: Plan, state: str, burst: str, cell: Sequence[ArmResult]) -> Table:
    rows = []
    for arm in plan.arms:
        ours = [one.outcome for one in cell if one.arm == arm.name]
        if ours:
            values = (str(spread([measure(one) for one in ours])) for _, measure in _WORK)
            rows.append((arm.name, *values))
    head = ("arm", *(name for name, _ in _WORK))
    return Table(title=f"{state}, {burst}: work", notes=(), head=head, rows=tuple(rows))


def _notes(plan: Plan, cell: Sequence[ArmResult]) -> Iterator[str]:
    seeds = len({one.seed for one in cell})
    ideals = spread([one.outcome.ideal.blocks for one in cell])
    withheld = spread([one.outcome.ideal.withheld for one in cell])
    yield f"{seeds} of {len(plan.seeds)} seeds"
    yield f"ideal {ideals} blocks; the watermark withholds {withheld} more"
    other = [arm.name for arm in plan.arms if arm.kernel is not plan.arms[0].kernel]
    if other:
        yield (
            f"other kernels from the same seed, never the same memory: {', '.join(other)}; "
            "for them the paired interval counts, not single bytes"
        )


def _row(name: str, ours: Sequence[ArmResult], against: Comparison | None) -> tuple[str, ...]:
    def middle(measure: Measure) -> str:
        return number(spread([measure(one.outcome) for one in ours]).median)

    shares = [
        100 * one.outcome.blocks / one.outcome.ideal.blocks
        for one in ours
        if one.outcome.ideal.blocks
    ]
    first = min(ours, key=lambda one: one.seed)
    blocks = against.blocks if against else None
    return (
        name,
        str(spread([one.outcome.blocks for one in ours])),
        f"{spread(shares).median:.1f} %" if shares else "-",
        str(blocks) if blocks else "-",
        f"{blocks.above}:{blocks.below}" if blocks else "-",
        f"{blocks.sign_p:.2g}" if blocks else "-",
        f"{blocks.effect:+.2f}" if blocks and blocks.effect is not None else "-",
        str(spread([one.outcome.work.migrate_scanned for one in ours])),
        _made(ours),
        _price(against),
        middle(lambda one: one.latency.median),
        middle(lambda one: one.latency.p99),
        middle(lambda one: one.latency.most),
        middle(lambda one: one.work.compact_stalls),
        number(sum(one.outcome.work.oom_kills for one in ours)),
        middle(lambda one: one.unmovable_after - one.unmovable_before),
        short(first.key),
    )


def _price(against: Comparison | None) -> str:
    """Pages scanned more, for each block got more than the baseline; - where none was gained."""
    if against is None or against.blocks.low <= 0:
        return "-"
    if against.scanned.mean <= 0:
        return "none more"
    return number(round(against.scanned.mean / against.blocks.mean))


def _made(ours: Sequence[ArmResult]) -> str:
    """Pages scanned for each block that was not there before; - where none was made."""
    prices = [
        one.outcome.work.migrate_scanned / made
        for one in ours
        if (made := one.outcome.blocks - one.outcome.whole_before) > 0
    ]
    return number(round(spread(prices).median)) if prices else "-"


def text_table(table: Table) -> str:
    """Print a table for a terminal, columns aligned."""
    cells = (table.head, *table.rows)
    widths = [max(len(row[at]) for row in cells) for at in range(len(table.head))]
    lines = [table.title, *(f"  {note}" for note in table.notes)]
    for row in cells:
        first, *rest = (word.ljust(width) for word, width in zip(row, widths, strict=True))
        lines.append("  ".join([first, *(word.strip().rjust(len(word)) for word in rest)]).rstrip())
    return "\n".join(lines) + "\n"


def markdown_table(table: Table) -> str:
    """Print a table as markdown."""
    lines = [f"### {table.title}", "", *(f"- {note}" for note in table.notes), ""]
    lines.append(f"| {' | '.join(table.head)} |")
    lines.append(f"|{'---|' + '---:|' * (len(table.head) - 1)}")
    lines += [f"| {' | '.join(row)} |" for row in table.rows]
    return "\n".join(lines) + "\n"


def report_text(results: Results) -> str:
    """Print all tables for a terminal."""
    return "\n".join(text_table(table) for table in tables(results))


def report_markdown(results: Results) -> str:
    """Print a whole report: what ran, how to read it, the tables."""
    plan, found = results.plan, results.identities
    lines = [
        f"# Comparison: {plan.name}",
        "",
        plan.why,
        "",
        (
            f"Guests of {plan.memory_mib} MiB and one CPU, {len(plan.seeds)} seeds; baseline "
            f"`{plan.baseline}`. QEMU {found.qemu_version}. One instruction is "
            f"{1 << plan.icount_shift} ns of the guest's clock."
        ),
        "",
    ]
    lines += [
        f"- kernel `{kernel.variant}`: {kernel.release} ({kernel.origin}), "
        f"{len(kernel.patches)} patches, counters {kernel.counters}, vmlinux "
        f"`{short(kernel.vmlinux_digest)}`"
        for kernel in found.kernels
    ]
    lines += [
        "",
        (
            "Blocks and pages scanned: median [least, most] over the seeds; latencies in guest "
            "instructions, medians over the seeds. Differences are paired by seed: mean with its "
            "95 % interval (BCa bootstrap), seeds better:worse, exact sign test, effect = mean / "
            "standard deviation of the differences. Scanned: pages compaction looked at for "
            "something to move. Per block made: of those beyond what was whole at the start; per "
            "block gained: pages scanned beyond the baseline's for each block beyond its, only "
            "where the interval lies above 0. Any arm is run again with `buddylab replay KEY`."
        ),
        "",
    ]
    cells = (*tables(results), *work_tables(results))
    return "\n".join(lines) + "\n" + "\n".join(markdown_table(table) for table in cells)

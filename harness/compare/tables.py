# SPDX-License-Identifier: GPL-2.0-only
"""What each arm got, by state and burst; every mean with its interval."""

from collections.abc import Callable, Iterator, Sequence

from harness.compare.cells import Cell, cells, spread_of, values
from harness.compare.effects import Compared, compared
from harness.compare.measures import Measure
from harness.compare.outcome import Outcome
from harness.compare.results import ArmResult, Results, short
from harness.compare.statistics import number, spread
from harness.writers.page import Table

_Reader = Callable[[Outcome], float]

# Left out where no guest tells: results of before schema 10.
_MIXED = "mixed +"
_HEAD = (
    "arm",
    "blocks",
    "of bound",
    "blocks - {baseline}",
    "better:worse",
    "sign p",
    "effect",
    "scanned",
    "inspected",
    "per block made",
    "per block gained",
    "stalls",
    "oom",
    "unmovable +",
    _MIXED,
    "key of seed {seed}",
)


def tables(results: Results) -> tuple[Table, ...]:
    """Make a table of every state and burst that has an arm."""
    return tuple(map(cell_table, cells(results)))


def cell_table(cell: Cell) -> Table:
    """Make a row of what each arm of a cell got, and at what price."""
    plan = cell.plan
    rows = [
        _row(arm.name, ours, compared(cell, arm.name))
        for arm in plan.arms
        if (ours := cell.of(arm.name))
    ]
    first = min(one.seed for one in cell.arms)
    head = tuple(name.format(baseline=plan.baseline, seed=first) for name in _HEAD)
    is_mixed_told = bool(values(Measure.MIXED_MADE, cell.arms))
    told = [at for at, name in enumerate(head) if name != _MIXED or is_mixed_told]
    return Table(
        title=cell.title,
        notes=tuple(_notes(cell)),
        head=tuple(head[at] for at in told),
        rows=tuple(tuple(row[at] for at in told) for row in rows),
        figures=True,
    )


def _notes(cell: Cell) -> Iterator[str]:
    plan = cell.plan
    seeds = len({one.seed for one in cell.arms})
    bounds = spread([one.outcome.bound.blocks for one in cell.arms])
    withheld = spread([one.outcome.bound.withheld for one in cell.arms])
    if cell.broken:
        yield f"memory not as expected, but included in all figures: {', '.join(cell.broken)}"
    yield f"{seeds} of {len(plan.seeds)} seeds"
    yield f"upper bound {bounds} blocks; the watermark withholds {withheld} more"
    other = [arm.name for arm in plan.arms if arm.kernel != plan.arms[0].kernel]
    if other:
        yield (
            f"other kernels with the same seed but not the same memory: {', '.join(other)}; "
            "compare them by the paired interval only"
        )


def _row(name: str, ours: Sequence[ArmResult], against: Compared | None) -> tuple[str, ...]:
    def middle(read: _Reader) -> str:
        return number(spread([read(one.outcome) for one in ours]).median)

    shares = values(Measure.BOUND_SHARE, ours)
    first = min(ours, key=lambda one: one.seed)
    blocks = against.blocks if against else None
    return (
        name,
        spread_of(Measure.BLOCKS, ours),
        f"{100 * spread(shares).median:.1f} %" if shares else "-",
        str(blocks) if blocks else "-",
        f"{blocks.above}:{blocks.below}" if blocks else "-",
        f"{blocks.sign_p:.2g}" if blocks else "-",
        f"{blocks.effect:+.2f}" if blocks and blocks.effect is not None else "-",
        spread_of(Measure.SCANNED, ours),
        spread_of(Measure.INSPECTED, ours),  # beside those scanned, in mode 5
        _made(ours),
        _price(against),
        middle(lambda one: one.work.compact_stalls),
        _total(Measure.OOM_KILLS, ours),
        middle(lambda one: one.unmovable_after - one.unmovable_before),
        _median(Measure.MIXED_MADE, ours),
        short(first.key),
    )


def _median(measure: Measure, ours: Sequence[ArmResult]) -> str:
    """Print an arm's median; - where no guest of it tells."""
    found = values(measure, ours)
    return number(spread(found).median) if found else "-"


def _total(measure: Measure, ours: Sequence[ArmResult]) -> str:
    """Print an arm's sum over its seeds; - where no guest of it tells."""
    found = values(measure, ours)
    return number(sum(found)) if found else "-"


def _price(against: Compared | None) -> str:
    """Pages scanned more, for each block got more than the baseline; - where none was gained."""
    if against is None or against.blocks.low <= 0:
        return "-"
    more = against.scanned - against.baseline_scanned
    return number(round(more / against.blocks.mean)) if more > 0 else "none more"


def _made(ours: Sequence[ArmResult]) -> str:
    """Pages scanned for each block that was not there before; - where none was made."""
    prices = values(Measure.SCANNED_PER_BLOCK_MADE, ours)
    return number(round(spread(prices).median)) if prices else "-"

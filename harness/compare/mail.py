# SPDX-License-Identifier: GPL-2.0-only
"""A verdict as a mail to a list says it: plain text, 72 columns, in vmstat's and the list's words.

Pure. Gains stand beside costs. Both values have their spread (standard deviation over the seeds),
differences their 95 % interval; what is no more than the A/A control shows has no mark.
"""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from harness.compare.cells import Cell, cells, values
from harness.compare.judging import AGAIN, BASE, arm_of, settings
from harness.compare.measures import Measure
from harness.compare.plan import Burst, Plan
from harness.compare.results import Results, short
from harness.compare.state_differences import promises
from harness.compare.statistics import deviation
from harness.compare.verdict import Answer, Difference, Question, Verdict, differences
from harness.compare.verdict_page import Asked

WIDTH = 72
_LABEL, _VALUE, _DIFFERENCE = 24, 14, 19
_SIDE = 34  # of two columns, with four blanks between
_THOUSAND = 1000.0
_WHOLE_DIGITS = 10_000
_UNITS = "kMG"
# What a row is, in the list's words, and whether more of it is better; None: neither.
ROWS: tuple[tuple[str, Measure, bool | None], ...] = (
    ("allocated", Measure.BLOCKS, True),
    ("fallback", Measure.FALLBACKS, False),
    ("thp_fault_alloc", Measure.THP_FAULT_ALLOC, True),
    ("thp_fault_fallback", Measure.THP_FAULT_FALLBACK, False),
    ("anon_fault_alloc (mTHP)", Measure.ANON_FAULT_ALLOC, True),
    ("anon_fault_fallback", Measure.ANON_FAULT_FALLBACK, False),
    ("htlb_buddy_alloc_success", Measure.HTLB_BUDDY_ALLOC_SUCCESS, True),
    ("htlb_buddy_alloc_fail", Measure.HTLB_BUDDY_ALLOC_FAIL, False),
    ("latency median (insns)", Measure.LATENCY_MEDIAN, False),
    ("latency p95", Measure.LATENCY_P95, False),
    ("latency p99", Measure.LATENCY_P99, False),
    ("latency max", Measure.LATENCY_MOST, False),
    ("compact_stall", Measure.STALLS, None),
    ("compact_fail", Measure.COMPACT_FAILURES, False),
    ("compact_success", Measure.COMPACT_SUCCESSES, None),
    ("compact_migrate_scanned", Measure.SCANNED, False),
    ("compact_free_scanned", Measure.FREE_SCANNED, False),
    ("pgmigrate_success", Measure.MIGRATED, False),
    ("allocstall", Measure.RECLAIM_STALLS, False),
    ("pgscan", Measure.RECLAIM_SCANNED, False),
    ("pgsteal", Measure.RECLAIMED, False),
    ("pgscan_kswapd", Measure.KSWAPD_SCANNED, False),
    ("compact_daemon scanned", Measure.KCOMPACTD_SCANNED, False),
    ("extfrag events", Measure.EXTFRAG_EVENTS, False),
    ("unmovable blocks made", Measure.UNMOVABLE_MADE, False),
    ("mixed pageblocks", Measure.MIXED_AFTER, False),
    ("mixed pageblocks made", Measure.MIXED_MADE, False),
    ("others' failures", Measure.BACKGROUND_FAILURES, False),
    ("later failures", Measure.LATER_FAILURES, False),
    ("oom_kill", Measure.OOM_KILLS, False),
)
_NOTES = (
    "Values are means over the seeds with their standard deviation in % of the mean; differences "
    "are paired by seed, in % of the base's mean (n: as a number), with their 95 % interval (BCa "
    "bootstrap). + better, - worse, * neither: beyond the interval, beyond the A/A control (the "
    "same source in another layout) and beyond chance (paired t-test, Holm) - and at least 1 %. "
    "Rows that are 0 for all kernels are left out. Latencies are guest instructions of one "
    "request. "
)
_MIXED = (
    "mixed pageblocks: by what their pages are, pinned or movable, where page_owner goes by the "
    "gfp mask of their requests."
)
_NO_MIXED = "mixed pageblocks: n/a, the arms were run before they were counted."


def mail_text(results: Results, verdict: Verdict, asked: Asked) -> str:
    """Return the whole text, which ends with a newline."""
    parts = [
        _title(verdict, asked),
        "\n".join(_head(results, verdict, asked)),
        "\n".join(_sides(verdict)),
        *_tables(results, verdict),
        "\n".join(wrap(_NOTES + (_MIXED if _is_mixed_told(results) else _NO_MIXED), WIDTH)),
    ]
    return "\n\n".join(parts) + "\n"


def _is_mixed_told(results: Results) -> bool:
    return bool(values(Measure.MIXED_AFTER, results.arms))


def _title(verdict: Verdict, asked: Asked) -> str:
    return "\n".join(wrap(f"{asked.change}: {verdict.answer} ({verdict.variant})", WIDTH))


def _head(results: Results, verdict: Verdict, asked: Asked) -> Iterator[str]:
    plan = results.plan
    facts = {kernel.variant: kernel for kernel in results.kernels.kernels}
    if BASE in facts and verdict.variant in facts:
        base, changed = facts[BASE], facts[verdict.variant]
        made = base.provenance
        on = f" with {_patches(made.patches)}" if made.patches else ""
        ours = changed.provenance.patches[len(made.patches) :]
        images = " -> ".join(short(one.key.vmlinux_digest) for one in (base, changed))
        yield from _item("Kernel", f"{made.kernel_release} ({made.origin_told}){on}")
        yield from _item("Change", _patches(ours))
        yield from _item(
            "Machine",
            f"QEMU {base.key.qemu_version}, TCG, 1 CPU, {plan.memory_mib} MiB; an instruction is "
            f"{1 << plan.icount_shift} ns; {made.compiler.partition(';')[0]}; vmlinux {images}",
        )
    yield from _item(
        "N", f"{verdict.seeds} seeds; the unit is the seed, not the request; A/A control: {AGAIN}"
    )
    where = "the same memory" if verdict.same_image else "the same seeds, not the same memory"
    yield from _item("Memory", f"from {where}; {promises(results)}")
    yield from _item("Again", asked.command)


def _patches(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) or "nothing"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown  # noqa: PLR2004


def _item(name: str, text: str) -> list[str]:
    return wrap(f"{name:<8} {text}", WIDTH, subsequent_indent=" " * 9, break_on_hyphens=False)


def _sides(verdict: Verdict) -> Iterator[str]:
    """Yield gains beside costs, the largest first."""
    gains, costs = (
        [_side(one) for one in verdict.differences if one.answer is answer]
        for answer in (Answer.BETTER, Answer.WORSE)
    )
    yield _beside("Gains", "Costs")
    for at in range(max(len(gains), len(costs), 1)):
        yield _beside(*(side[at] if at < len(side) else "" for side in (gains, costs)))
    if not gains and not costs:
        yield "  none: no difference in any state and burst"


def _side(one: Difference) -> str:
    return f"{one.measure} {_relative(one)}, {one.place}"[:_SIDE]


def _beside(left: str, right: str) -> str:
    return f"{left:<{_SIDE}}    {right:<{_SIDE}}".rstrip()


def _relative(one: Difference) -> str:
    if one.share is None:
        return f"{_number(one.difference.mean, sign='+')}"
    return f"{_percent(one.difference.mean, one.base_mean)}%"


def _tables(results: Results, verdict: Verdict) -> Iterator[str]:
    found = cells(results)
    rows: dict[tuple[str, str, str], list[str]] = {}
    for label, measure, more_is_better in ROWS:
        question = Question(
            name=label, measures=(measure,), more_is_better=more_is_better is not False
        )
        for one in differences(results, question, found, verdict.variant):
            if one.base.most or one.base.least or one.changed.most or one.changed.least:
                place = (one.cell.state, one.cell.burst, one.setting)
                line = _row(label, one, verdict, is_judged=more_is_better is not None)
                rows.setdefault(place, []).append(line)
    for cell in found:
        for _, setting in settings(results.plan):
            lines = rows.get((cell.state, cell.burst, setting), [])
            yield "\n".join((*_table_head(cell, setting, results.plan), *lines))


def _table_head(cell: Cell, setting: str, plan: Plan) -> Iterator[str]:
    (burst,) = (one for one in plan.bursts if one.name == cell.burst)
    where = f"{cell.marked_state}, {setting}" if setting else cell.marked_state
    yield from wrap(f"{where}: {_requests(burst)}", WIDTH)
    yield (
        f"{'':<{_LABEL}}{BASE:>{_VALUE}}{'changed':>{_VALUE}}{'difference':>{_DIFFERENCE}}".rstrip()
    )


def _requests(burst: Burst) -> str:
    count = f"{burst.requests:,}" if burst.requests else "as many as fit,"
    load = f", beside {burst.background_load:,} of others" if burst.background_load else ""
    return f"{count} requests of order {burst.order} ({burst.kind}){load}"


def _row(label: str, one: Difference, verdict: Verdict, *, is_judged: bool) -> str:
    ours = _valued(values(one.measure, one.cell.of(arm_of(one.setting, verdict.variant))))
    base = _valued(values(one.measure, one.cell.of(arm_of(one.setting, BASE))))
    marks = {Answer.SAME: " ", Answer.BETTER: "+", Answer.WORSE: "-"}
    mark = marks[one.answer] if is_judged else ("*" if one.answer is not Answer.SAME else " ")
    told = _interval(one)
    return (
        f"{label[: _LABEL - 1]:<{_LABEL}}{base:>{_VALUE}}{ours:>{_VALUE}}"
        f"{told:>{_DIFFERENCE - 1}}{mark}"
    ).rstrip()


def _valued(numbers: Sequence[float]) -> str:
    if not numbers:
        return "n/a"
    mean = sum(numbers) / len(numbers)
    spread = f"{100 * deviation(numbers) / abs(mean):.0f}%" if mean else "0%"
    return f"{_number(mean)} ±{spread}"


def _interval(one: Difference) -> str:
    """Print in % of the base's mean; of a base of 0 as numbers."""
    difference = one.difference
    ends = (difference.mean, difference.low, difference.high)
    if not any(ends):
        return "0"
    if not one.base_mean:
        mean, low, high = (_number(value, sign="+") for value in ends)
        return f"{mean} [{low},{high}]n"
    mean, low, high = (_percent(value, one.base_mean) for value in ends)
    return f"{mean}% [{low},{high}]"


def _percent(value: float, base: float) -> str:
    share = 100 * value / abs(base)
    return f"{share:+.1f}" if abs(share) < 10 else f"{share:+.0f}"  # noqa: PLR2004


def _number(value: float, *, sign: str = "") -> str:
    """Print with at most four digits, and k, M, G behind larger ones."""
    if abs(value) < _WHOLE_DIGITS:
        decimals = 0 if value == int(value) or abs(value) >= 100 else 1  # noqa: PLR2004
        return f"{value:{sign}.{decimals}f}"
    power = 0
    while abs(value) >= _THOUSAND and power < len(_UNITS):
        value /= _THOUSAND
        power += 1
    return f"{value:{sign}.3g}{_UNITS[power - 1]}"

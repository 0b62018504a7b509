# SPDX-License-Identifier: GPL-2.0-only
"""A verdict in one line, and the page that it stands on. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.compare.judging import AGAIN, BASE
from harness.compare.results import Results, short
from harness.compare.state_differences import promises, state_table
from harness.compare.statistics import Paired, number
from harness.compare.verdict import Answer, Answered, Difference, Verdict
from harness.compare.verdict_screen import verdict_screen
from harness.writers.page import Page, Section, Table

_NONE = "-"
_HOW_TO_READ = (
    "Base and changed: median [least, most] over the seeds. Differences are of the same seed: "
    "mean with its 95 % interval (BCa bootstrap). Again is the base in another layout (A/A "
    "control); the far end of its interval is the noise floor, and nothing below it is called a "
    "difference. p: paired t-test, corrected for all places and measures of the question (Holm). "
    "A difference below 1 % of the base's mean is called none. Latencies are of single requests, "
    "in guest instructions; work is what compaction and reclaim scanned, in pages."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, as it is told."""

    change: str
    kernel: str
    command: str  # that asks it again


def verdict_line(verdict: Verdict, results: Results, asked: Asked) -> str:
    """Say all in one line."""
    told = "; ".join(_question(one) for one in verdict.answered)
    return (
        f"{verdict.answer.upper()} ({verdict.variant}): {told}; N = {verdict.seeds} seeds, "
        f"{_memory(verdict)}, {promises(results)}; again: {asked.command}"
    )


def _memory(verdict: Verdict) -> str:
    if verdict.same_image:
        return "the same image, so from the same memory"
    return "kernels differ, so from the same seeds and not the same memory"


def _question(one: Answered) -> str:
    places = len(one.differences)
    if not places:
        return f"{one.question.name} not measured"
    parts = []
    for answer in (Answer.BETTER, Answer.WORSE):
        largest = one.largest(answer)
        if largest is not None:
            count = sum(each.answer is answer for each in one.differences)
            parts.append(f"{answer} in {count} of {places}, most {told_difference(largest)}")
    return f"{one.question.name} {' and '.join(parts) if parts else _none(one)}"


def _none(one: Answered) -> str:
    """Say that there is no difference, and how fine one would have been seen."""
    floors = [
        each.floor / abs(each.base_mean)
        for each in one.differences
        if each.floor is not None and each.base_mean
    ]
    if not floors:
        return f"{Answer.SAME}"
    return f"{Answer.SAME} (A/A floors up to {100 * max(floors):.1f} %)"


def told_difference(one: Difference) -> str:
    """Say a difference with its interval, where it is, and what the control shows there."""
    floor = f"A/A {_interval(one.control)}" if one.control else "no A/A"
    share = f" {100 * one.share:+.0f} %" if one.share is not None else ""
    return f"{one.measure}{share} {_interval(one.difference)} ({one.place}; {floor})"


def _interval(one: Paired) -> str:
    return f"{one.mean:+,.4g} [{one.low:+,.4g}, {one.high:+,.4g}]"


def verdict_page(results: Results, verdicts: Sequence[Verdict], asked: Asked) -> Page:
    """Return the whole report of a judgement."""
    plan = results.plan
    kernels = results.kernels.kernels
    qemu = kernels[0].key.qemu_version if kernels else "unknown"
    ran = tuple(_kernels(results))
    tables = tuple(_table(one) for one in verdicts)
    states = state_table(results)
    return Page(
        title=f"Judgement: {asked.change} on {asked.kernel}",
        lead=(
            f"Plan {plan.name}: {plan.why}",
            f"{plan.guests[0].upper()}{plan.guests[1:]}, QEMU {qemu}, {len(plan.seeds)} seeds.",
            f"Again: `{asked.command}`; `buddylab replay KEY` for an arm, its key in report.md.",
        ),
        verdict=" ".join(verdict_line(one, results, asked) for one in verdicts),
        warnings=tuple(_warnings(results, verdicts)),
        sections=(
            Section(title="What ran", points=ran),
            Section(
                title="Differences",
                shows=_HOW_TO_READ,
                tables=tables,
            ),
            Section(title="States", points=(f"{promises(results)}",), tables=(states,)),
        ),
        screen=verdict_screen(
            results,
            verdicts,
            command=asked.command,
            tables=(*tables, states),
            ran=ran,
            how_to_read=_HOW_TO_READ,
        ),
    )


def _kernels(results: Results) -> Iterator[str]:
    for one in results.kernels.kernels:
        made = one.provenance
        changes = ", ".join(made.patches) or "nothing changed"
        yield (
            f"`{one.variant}`: {made.kernel_release} ({made.origin_told}), {changes}; vmlinux "
            f"`{short(one.key.vmlinux_digest)}`, config `{short(made.config_digest)}`, "
            f"{made.compiler.partition(';')[0]}"
        )


def _warnings(results: Results, verdicts: Sequence[Verdict]) -> Iterator[str]:
    found = promises(results)
    if found.kept < found.all:
        yield f"{found}; figures of the others are included and marked (!)"
    wanted = len(results.plan.seeds)
    for one in verdicts:
        if one.seeds < wanted:
            yield f"{one.variant}: {one.seeds} of {wanted} seeds are there, the others failed"


def _table(verdict: Verdict) -> Table:
    shown = [one for one in verdict.differences if one.moved]
    hidden = len(verdict.differences) - len(shown)
    return Table(
        title=f"{verdict.variant} against {BASE}: {verdict.answer}",
        notes=(f"{hidden} places where base, {AGAIN} and {verdict.variant} are all equal",),
        head=("question", "measure", "where", "base", "changed", "difference", f"{AGAIN} (A/A)",
              "floor", "p", "answer"),
        rows=tuple(_row(one) for one in shown),
    )  # fmt: skip


def _row(one: Difference) -> tuple[str, ...]:
    share = f" ({100 * one.share:+.1f} %)" if one.share is not None else ""
    return (
        one.question.name,
        one.measure,
        one.place,
        str(one.base),
        str(one.changed),
        f"{_interval(one.difference)}{share}",
        _interval(one.control) if one.control else _NONE,
        number(one.floor) if one.floor is not None else _NONE,
        f"{one.chance:.2g}",
        one.answer,
    )

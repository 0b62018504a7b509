# SPDX-License-Identifier: GPL-2.0-only
"""Two runs, or two comparisons, set side by side: what differs in what ran, and what came out."""

from collections.abc import Iterator
from pathlib import Path

from harness.compare.results import Results, differing_fields
from harness.errors import HarnessError
from harness.host.inside import require_no_links
from harness.jobs.saved_report import results_of
from harness.record.key import key_differences, provenance_differences
from harness.report.difference import differences
from harness.stages.check import read
from harness.writers.site import Beside, Entry, Kind
from harness.writers.table import ABSENT, Table

_HEAD = ("what", "one", "other")
_FACTS = ("kind", "word", "sentence", "kernel", "plan", "when", "key")


def beside(folder: Path, one: Entry, other: Entry, reports: tuple[str, str]) -> Beside:
    """Compare two entries of `folder`; what cannot be read is told in a note."""
    tables, notes = [_facts(one, other)], []
    kinds = {one.kind, other.kind}
    try:
        for each in (one, other):
            require_no_links(folder / each.name)
        if kinds == {Kind.RUN}:
            tables += _runs(folder / one.name, folder / other.name)
        elif Kind.RUN not in kinds:
            tables += _comparisons(results_of(folder / one.name), results_of(folder / other.name))
        else:
            notes.append("A run and a comparison have no counters to set beside each other.")
    except (HarnessError, OSError) as error:
        notes.append(f"No more than this can be said: {error}")
    return Beside(entries=(one, other), reports=reports, tables=tuple(tables), notes=tuple(notes))


def _facts(one: Entry, other: Entry) -> Table:
    named = ("kind", "verdict", "", "kernel", "plan", "when", "key")
    rows = (
        (name, str(getattr(one, each)) or ABSENT, str(getattr(other, each)) or ABSENT)
        for name, each in zip(named, _FACTS, strict=True)
        if name
    )
    return Table(title="What they are", head=_HEAD, rows=tuple(rows))


def _runs(one: Path, other: Path) -> Iterator[Table]:
    mine, yours = read(one), read(other)
    keys = key_differences(mine.identity.key, yours.identity.key)
    yield Table(
        title="What executed",
        notes=(() if keys else ("The same, to the byte: their keys are equal.",)),
        head=_HEAD,
        rows=tuple((each.what, each.expected, each.found) for each in keys),
    )
    origins = provenance_differences(mine.identity.provenance, yours.identity.provenance)
    yield Table(
        title="Where it came from",
        notes=(() if origins else ("The same.",)),
        head=_HEAD,
        rows=tuple((each.what, each.expected, each.found) for each in origins),
    )
    found = tuple(differences(mine, yours))
    same = [each.stage for each in found if not each.counters]
    rows = tuple(
        (each.stage, f"order {count.order}", count.counter, f"{count.one:,}", f"{count.other:,}")
        for each in found
        for count in each.counters
    )
    note = f"{len(same)} of {len(found)} stages are the same"
    yield Table(
        title="Counters of stages that differ, from order 4 up",
        notes=(f"{note}: {', '.join(same)}." if same else f"{note}.",),
        head=("stage", "order", "counter", "one", "other"),
        rows=rows,
    )


def _comparisons(one: Results, other: Results) -> Iterator[Table]:
    fields = differing_fields(one.plan, other.plan)
    yield Table(
        title="Their plans",
        notes=(f"They differ in {', '.join(fields)}." if fields else "The same.",),
        head=_HEAD,
        rows=tuple(
            (each, _told(getattr(one.plan, each)), _told(getattr(other.plan, each)))
            for each in fields
        ),
    )
    theirs = {each.variant: each for each in other.kernels.kernels}
    rows = [
        (f"{each.variant}: {found.what}", found.expected, found.found)
        for each in one.kernels.kernels
        if each.variant in theirs
        for found in (
            *key_differences(each.key, theirs[each.variant].key),
            *provenance_differences(each.provenance, theirs[each.variant].provenance),
        )
    ]
    yield Table(
        title="Kernels that both name",
        notes=(() if rows else ("None, or the same.",)),
        head=_HEAD,
        rows=tuple(rows),
    )
    yield _arms(one, other)


def _arms(one: Results, other: Results) -> Table:
    """Set arms of one state, request, seed and name beside each other, by their raw texts."""
    mine, yours = (
        {(arm.state, arm.burst, arm.seed, arm.arm): arm.digest for arm in each.arms}
        for each in (one, other)
    )
    both = mine.keys() & yours.keys()
    same = sum(mine[each] == yours[each] for each in both)
    told = (
        f"{len(both):,} arms are in both, of {len(mine):,} and {len(yours):,}; "
        f"{same:,} of these gave the same bytes."
    )
    return Table(
        title="Arms",
        notes=(told,),
        head=_HEAD,
        rows=(),
    )


def _told(value: object) -> str:
    if isinstance(value, tuple):
        names = [str(getattr(each, "name", each)) for each in value]
        return ", ".join(names) or ABSENT
    return str(value) or ABSENT

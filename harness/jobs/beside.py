# SPDX-License-Identifier: GPL-2.0-only
"""Two runs, or two comparisons, set side by side: what differs in what ran, and what came out."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.compare.results import Results, differing_fields
from harness.errors import HarnessError
from harness.host.inside import require_no_links
from harness.jobs.saved_report import results_of
from harness.record.key import key_differences, provenance_differences
from harness.report.difference import differences
from harness.stages.check import read
from harness.writers.site import Beside, Entry, Kind
from harness.writers.table import ABSENT, Table

_FACTS = {
    "kind": "kind",
    "verdict": "word",
    "kernel": "kernel",
    "plan": "plan",
    "when": "when",
    "key": "key",
}


def beside(folder: Path, one: Entry, other: Entry, reports: tuple[str, str]) -> Beside:
    """Compare two entries of `folder`; what cannot be read is told in a note."""
    names = (one.name, other.name)
    tables, notes = [_facts(one, other)], []
    kinds = {one.kind, other.kind}
    try:
        for each in (one, other):
            require_no_links(folder / each.name)
        if kinds == {Kind.RUN}:
            tables += _runs(folder, names)
        elif Kind.RUN not in kinds:
            tables += _comparisons(folder, names)
        else:
            notes.append("A run and a comparison have no counters to set beside each other.")
    except (HarnessError, OSError) as error:
        notes.append(f"No more than this can be said: {error}")
    return Beside(entries=(one, other), reports=reports, tables=tuple(tables), notes=tuple(notes))


def _facts(one: Entry, other: Entry) -> Table:
    told = ((name, getattr(one, each), getattr(other, each)) for name, each in _FACTS.items())
    rows = ((name, mine or ABSENT, yours or ABSENT) for name, mine, yours in told if mine or yours)
    return Table(title="What they are", head=("what", one.name, other.name), rows=tuple(rows))


def _runs(folder: Path, names: tuple[str, str]) -> Iterator[Table]:
    mine, yours = (read(folder / name) for name in names)
    head = ("what", *names)
    keys = key_differences(mine.identity.key, yours.identity.key)
    yield Table(
        title="What executed",
        notes=(() if keys else ("The same, to the byte: their keys are equal.",)),
        head=head,
        rows=tuple((each.what, each.expected, each.found) for each in keys),
    )
    origins = provenance_differences(mine.identity.provenance, yours.identity.provenance)
    yield Table(
        title="Where it came from",
        notes=(() if origins else ("The same.",)),
        head=head,
        rows=tuple((each.what, each.expected, each.found) for each in origins),
    )
    found = tuple(differences(mine, yours))
    same = [each.stage for each in found if not each.counters]
    rows = tuple(
        (each.stage, str(count.order), count.counter, f"{count.one:,}", f"{count.other:,}")
        for each in found
        for count in each.counters
    )
    note = f"{len(same)} of {len(found)} stages are the same"
    yield Table(
        title="Counters of stages that differ, from order 4 up",
        notes=(f"{note}: {', '.join(same)}." if same else f"{note}.",),
        head=("stage", "order", "counter", *names),
        rows=rows,
    )


def _comparisons(folder: Path, names: tuple[str, str]) -> Iterator[Table]:
    one, other = (results_of(folder / name) for name in names)
    head = ("what", *names)
    fields = differing_fields(one.plan, other.plan)
    yield Table(
        title="Their plans",
        notes=(f"They differ in {', '.join(fields)}." if fields else "The same.",),
        head=head,
        rows=tuple(
            (each, *_told(getattr(one.plan, each), getattr(other.plan, each))) for each in fields
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
        head=head,
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
        head=("what",),
        rows=(),
    )


def _told(one: object, other: object) -> tuple[str, str]:
    """Say two values that differ: by the names in them or, where these are equal, whole."""
    named = _named(one), _named(other)
    return named if named[0] != named[1] else (_whole(one), _whole(other))


def _named(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(getattr(each, "name", each)) for each in value) or ABSENT
    return str(value) or ABSENT


def _whole(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()

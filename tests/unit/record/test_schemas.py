# SPDX-License-Identifier: GPL-2.0-only
"""A saved form that changes gets another number: no file is read as what it is not.

Run as a program it writes tests/data/saved_forms.json anew, unless a form changed without one.
"""

import dataclasses
import sys
import types
import typing
from enum import Enum
from pathlib import Path

import msgspec
import pytest

from harness.compare.results import ArmResult, KernelsFile, Results
from harness.compare.second_opinion import SecondOpinion
from harness.compare.state_invariants import StateResult
from harness.forecast.stored import StoredPrediction
from harness.host.cache import _Manifest
from harness.jobs.workers_file import WorkersFile
from harness.record import schema
from harness.record.bundle import Bundle
from harness.record.key import ReplayKey, RunIdentity
from harness.record.schema import Schema
from harness.report.document import Run
from harness.values import GuestImage, KernelBuild, KernelSource, PatchedTree

GOLDEN = Path(__file__).parents[2] / "data/saved_forms.json"
SAVED: dict[str, tuple[Schema, type]] = {
    "the digest of a replay key": (schema.KEY, ReplayKey),
    "key.json": (schema.RUN, RunIdentity),
    "run.json": (schema.RUN, Run),
    "predictions/STAGE.json": (schema.RUN, StoredPrediction),
    "kernels.json": (schema.COMPARISON, KernelsFile),
    "results.json.gz": (schema.COMPARISON, Results),
    "arms/ARM.json": (schema.COMPARISON, ArmResult),
    "states/STATE.json": (schema.COMPARISON, StateResult),
    "workers.json": (schema.WORKERS, WorkersFile),
    "second_opinion.json": (schema.SECOND_OPINION, SecondOpinion),
    "bundle.json": (schema.BUNDLE, Bundle),
    "manifest.json": (schema.MANIFEST, _Manifest),
    "manifest.json of a source": (schema.MANIFEST, KernelSource),
    "manifest.json of a tree": (schema.MANIFEST, PatchedTree),
    "manifest.json of a kernel": (schema.MANIFEST, KernelBuild),
    "manifest.json of a guest": (schema.MANIFEST, GuestImage),
}


class Saved(msgspec.Struct, frozen=True):
    """One entry of the golden file: every type's fields, or an enumeration's values."""

    number: int
    form: dict[str, dict[str, str]]


def form_of(top: type) -> dict[str, dict[str, str]]:
    """Spell out a type and all types in it."""
    found: dict[str, dict[str, str]] = {}

    def told(kind: typing.Any) -> str:
        kind = getattr(kind, "__supertype__", kind)
        arguments = typing.get_args(kind)
        if arguments:
            origin = typing.get_origin(kind)
            words = [told(each) for each in arguments]
            if origin in {typing.Union, types.UnionType}:
                return " | ".join(sorted(words))
            return f"{origin.__name__}[{', '.join(words)}]"
        name: str = "..." if kind is Ellipsis else getattr(kind, "__name__", repr(kind))
        is_record = dataclasses.is_dataclass(kind) or hasattr(kind, "__struct_fields__")
        if name not in found and (is_record or (isinstance(kind, type) and issubclass(kind, Enum))):
            found[name] = {}
            found[name] |= fields_of(kind)
        return name

    def fields_of(kind: typing.Any) -> dict[str, str]:
        if issubclass(kind, Enum):
            return {each.name: repr(each.value) for each in kind}
        hints = typing.get_type_hints(kind)
        names = (
            [field.name for field in dataclasses.fields(kind)]
            if dataclasses.is_dataclass(kind)
            else kind.__struct_fields__
        )
        return {name: told(hints[name]) for name in names}

    told(top)
    return found


def now() -> dict[str, Saved]:
    return {
        name: Saved(number=kind.number, form=form_of(top)) for name, (kind, top) in SAVED.items()
    }


def golden() -> dict[str, Saved]:
    return msgspec.json.decode(GOLDEN.read_bytes(), type=dict[str, Saved])


def advice(name: str, before: Saved | None, after: Saved) -> str:
    """Say what to do about a form that is not the golden one; empty if it is."""
    if before == after:
        return ""
    rewrite = f"write {GOLDEN.name} anew with `python {Path(__file__).relative_to(Path.cwd())}`"
    if before is None or before.number < after.number:
        return f"{name} has schema {after.number} now: {rewrite}"
    types = sorted(
        kind
        for kind in before.form.keys() | after.form.keys()
        if before.form.get(kind) != after.form.get(kind)
    )
    return (
        f"{name} changed in {', '.join(types)} and is schema {after.number} as before: raise its "
        "number in harness/record/schema.py, name there the last commit that reads the form of "
        f"before (and read that, if it is worth it: harness/compare/old_results.py), then {rewrite}"
    )


@pytest.mark.parametrize("name", SAVED)
def test_a_form_keeps_its_number(name: str) -> None:
    assert advice(name, golden().get(name), now()[name]) == ""


def test_the_golden_file_holds_nothing_else() -> None:
    assert golden().keys() == SAVED.keys()


def test_a_change_under_the_same_number_is_told_with_what_to_do() -> None:
    before = now()["key.json"]
    number = before.number
    changed = {**before.form, "Provenance": {**before.form["Provenance"], "mood": "str"}}
    said = advice("key.json", before, Saved(number=before.number, form=changed))
    assert said.startswith(
        f"key.json changed in Provenance and is schema {number} as before: raise"
    )
    raised = Saved(number=before.number + 1, form=changed)
    assert advice("key.json", before, raised).startswith(
        f"key.json has schema {number + 1} now: write"
    )


def test_forms_see_what_readers_would_stumble_over() -> None:
    form = form_of(RunIdentity)
    assert form["RunIdentity"]["stages"] == "tuple[StagePlan, ...]"
    assert form["StagePlan"]["burst"] == "BurstPlan | NoneType"
    assert form["RunMode"] == {"REPEATABLE": "'repeatable'", "LIVE": "'live'"}
    assert "Claim" in form_of(Results)


@pytest.mark.parametrize("kind", [schema.RUN, schema.COMPARISON, schema.KEY], ids=repr)
def test_every_earlier_number_has_a_commit_that_reads_it(kind: Schema) -> None:
    assert list(kind.readers) == list(range(1, kind.number))


def main() -> int:
    """Write the golden file, or say why not."""
    old, new = golden() if GOLDEN.exists() else {}, now()
    refused = [
        said
        for name in new
        if name in old and old[name].number == new[name].number
        if (said := advice(name, old[name], new[name]))
    ]
    if refused:
        sys.stderr.write("\n".join(refused) + "\n")
        return 1
    text = msgspec.json.format(msgspec.json.encode(new, order="sorted"), indent=1)
    GOLDEN.write_bytes(text + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

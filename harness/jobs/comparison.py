# SPDX-License-Identifier: GPL-2.0-only
"""A comparison's folder: whose it is, where things are in it, what it holds."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.compare import plan as plans
from harness.compare.burst_seen import opened_pageblocks
from harness.compare.cells import cells
from harness.compare.drawn import typical_seed, without_undrawn
from harness.compare.opinion_page import with_opinion
from harness.compare.page import comparison_page
from harness.compare.plan import ArmRun, Group, Plan
from harness.compare.plan_text import parse_plan
from harness.compare.results import (
    ARMS,
    ASKED,
    CHANGES,
    FAILURES,
    KERNELS,
    PLAN,
    RESULTS,
    STATES,
    ArmResult,
    KernelsFile,
    Results,
    differing_fields,
    first_difference,
    packed,
    parse_kernels,
    parse_results,
    placed,
    unpacked,
    zipped,
)
from harness.compare.second_opinion import OPINION_JSON, SecondOpinion
from harness.compare.state_invariants import StateResult
from harness.digest import sha256_text
from harness.encoding import UNREADABLE, encode
from harness.errors import RecordError, UserError
from harness.host.files import atomic_write, is_partial
from harness.host.pages import write_page
from harness.jobs.arm_columns import Name, kept_arms, with_seen
from harness.jobs.plan_file import read_plan
from harness.record import schema
from harness.record.key import key_differences, provenance_differences
from harness.writers.page import Page

logger = logging.getLogger("compare")

_Kept = TypeVar("_Kept")
# What may be there before there is a comparison: of `buddylab judge`, and of one that was killed
# between its first two files.
_BEFORE = frozenset({ASKED, CHANGES, KERNELS})


def lock_name(folder: Path) -> str:
    """Name the cache's lock that is held while a comparison writes to `folder`."""
    return f"compare-{sha256_text(str(folder.absolute()))[:16]}"


def claim(folder: Path, plan: Plan, plan_text: str, kernels: KernelsFile) -> KernelsFile:
    """Take the folder, or go on in it if the same experiment executed in it; return what ran.

    What a plan predicts, and why it is made, may change: no arm depends on them. So may where
    the kernels came from. Where results.json.gz is all that is left of the arms, they are laid
    out again, without their texts.
    """
    if folder.exists() and any(map(_belongs, folder.iterdir())):
        try:
            text = (folder / PLAN).read_text(encoding="utf-8")
            known = parse_kernels((folder / KERNELS).read_bytes(), plan, str(folder / KERNELS))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{folder} is not empty and holds no comparison ({error}); "
                "name a new folder with --output"
            ) from error
        what = ", ".join(_differing_kernels(known, kernels))
        if not what and text != plan_text:
            what = _differing(plan, parse_plan(text, str(folder / PLAN)))
        if what:
            raise UserError(
                f"{folder} holds a comparison that differs in {what}; "
                "name a new folder with --output"
            )
        _lay_out(folder)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / KERNELS, encode(kernels))
        known = kernels
    atomic_write(folder / PLAN, plan_text)
    return known


def _belongs(path: Path) -> bool:
    """Whether a file is a comparison's, or a user's: one that was cut as it was written is not."""
    return path.name not in _BEFORE and not is_partial(path)


def _differing_kernels(known: KernelsFile, ours: KernelsFile) -> Iterator[str]:
    if known.key_schema != ours.key_schema:
        yield f"the schema of its keys ({known.key_schema}, now {ours.key_schema})"
        return
    theirs = {kernel.variant: kernel for kernel in known.kernels}
    for kernel in ours.kernels:
        if kernel.variant not in theirs:
            yield f"its kernels, which lack {kernel.variant}"
            continue
        before = theirs.pop(kernel.variant)
        for difference in key_differences(before.key, kernel.key):
            yield f"kernel {kernel.variant}'s {difference}"
        for difference in provenance_differences(before.provenance, kernel.provenance):
            logger.info("kernel %s came from elsewhere: %s", kernel.variant, difference)
    if theirs:
        yield f"its kernels, which have {', '.join(theirs)} more"


def _lay_out(folder: Path) -> None:
    # Where there are arms, one that is not there was taken away to be run again.
    path = folder / RESULTS
    if (folder / ARMS).exists() or not path.exists():
        return
    results = parse_results(path.read_bytes(), str(path))
    states = {(one.state, one.seed, one.variant): one for one in results.states}
    for group in plans.groups(results.plan):
        if state := states.get((group.state.name, group.seed, group.variant)):
            atomic_write(_state_path(folder, group, ".json"), encode(state))
    for run, arm in placed(results):
        atomic_write(result_path(folder, run), encode(arm))


def _differing(ours: Plan, theirs: Plan) -> str:
    fields = differing_fields(ours.experiment, theirs.experiment)
    return f"its plan's {', '.join(fields)}" if fields else ""


def result_path(folder: Path, run: ArmRun) -> Path:
    """Name the file that stands for a finished arm."""
    path = folder / ARMS / run.path
    return path.with_name(f"{path.name}.json")


def raw_path(folder: Path, run: ArmRun) -> Path:
    """Name the file of an arm's raw texts."""
    path = folder / ARMS / run.path
    return path.with_name(f"{path.name}.tar.gz")


def failed_path(folder: Path, group: Group, run: ArmRun | None) -> Path:
    """Name the folder of what is left of an arm that failed, or of its boot."""
    if run is not None:
        return folder / FAILURES / run.path
    return folder / FAILURES / group.state.name / f"seed-{group.seed}" / group.variant


def _state_path(folder: Path, group: Group, ending: str) -> Path:
    return folder / STATES / group.state.name / f"seed-{group.seed}" / f"{group.variant}{ending}"


def keep_state(folder: Path, group: Group, result: StateResult, files: Mapping[str, bytes]) -> None:
    """Keep what the preparing guest saved; RecordError if it saved something else before.

    Arms of an earlier run then began with another memory than those that would follow.
    """
    raw = _state_path(folder, group, ".tar.gz")
    if raw.exists():
        difference = first_difference(unpacked(raw.read_bytes(), str(raw)), files)
        if difference:
            raise RecordError(
                f"{group.title}: the state differs from the one that earlier arms began with "
                f"({difference}); name a new folder with --output"
            )
    atomic_write(raw, packed(files))
    atomic_write(_state_path(folder, group, ".json"), encode(result))


def kept_state(folder: Path, group: Group) -> StateResult | None:
    """Read how a group's state fared; None if it was not prepared yet."""
    path = _state_path(folder, group, ".json")
    return decoded(path, StateResult) if path.exists() else None


def _arm(path: Path) -> ArmResult:
    """Read an arm's file; one of before schema 16 tells what the kernel left by what it draws."""
    arm = decoded(path, ArmResult)
    opened = arm.outcome.opened or opened_pageblocks(arm.outcome.seen)
    return replace(arm, outcome=replace(arm.outcome, opened=opened))


def gathered(folder: Path, plan: Plan, kernels: KernelsFile) -> Results:
    """Collect all that was kept, in the plan's order."""
    groups = plans.groups(plan)
    states = (kept_state(folder, group) for group in groups)
    there = _finished(folder)
    by_column = kept_arms(folder)
    results = Results(
        schema=schema.COMPARISON.number,
        kernels=kernels,
        plan=plan,
        states=tuple(state for state in states if state),
        arms=tuple(
            by_column.get(_name(run)) or _arm(result_path(folder, run))
            for group in groups
            for run in plans.runs(plan, group)
            if run.path in there
        ),
    )
    return _with_drawn(folder, results, by_column) if by_column else results


def _finished(folder: Path) -> frozenset[str]:
    """Name the arms that have a file, as ArmRun.path does: asked one by one it takes seconds."""
    root = str(folder / ARMS)
    return frozenset(
        f"{place.removeprefix(root)[1:]}/{name.removesuffix('.json')}"
        for place, _, names in os.walk(root)
        for name in names
        if name.endswith(".json")
    )


def _name(run: ArmRun) -> Name:
    return run.group.state.name, run.burst.name, run.arm.name, run.group.seed


def _with_drawn(folder: Path, results: Results, by_column: Mapping[Name, ArmResult]) -> Results:
    """Add to arms that came by column what a picture may show of them."""
    wanted = {
        (one.state, one.burst, one.arm, one.seed)
        for cell in cells(results)
        if (seed := typical_seed(cell)) is not None
        for one in cell.arms
        if one.seed == seed
    }
    seen = with_seen(folder, by_column, wanted)
    return replace(
        results,
        arms=tuple(
            seen.get((one.state, one.burst, one.arm, one.seed), one) for one in results.arms
        ),
    )


def saved(folder: Path, plan: Plan) -> Results:
    """Read a folder's results without running anything, with what the plan now says of them.

    Single arms are read where they are there, for an interrupted comparison has no more;
    results.json.gz alone suffices. UserError if the folder holds neither, or another experiment.
    """
    path = folder / RESULTS
    if (folder / ARMS).is_dir() and (folder / KERNELS).exists():
        theirs = read_plan(folder / PLAN)
        kernels = parse_kernels((folder / KERNELS).read_bytes(), theirs, str(folder / KERNELS))
        results = gathered(folder, theirs, kernels)
    elif path.exists():
        results = parse_results(path.read_bytes(), str(path))
    else:
        raise UserError(f"{folder} holds neither {ARMS} nor {RESULTS}; name one with --output")
    what = _differing(plan, results.plan)
    if what:
        raise UserError(f"{folder} holds a comparison that differs in {what}; name its own plan")
    return replace(results, plan=plan)


def write(folder: Path, results: Results) -> None:
    """Write the results as one file and as the report.

    A file that says the same is left alone: one of an earlier schema stays what it was.
    """
    path = folder / RESULTS
    kept = without_undrawn(results)
    if not path.exists() or parse_results(path.read_bytes(), str(path)) != kept:
        atomic_write(path, zipped(kept))
    if results.arms:
        write_page(folder, with_kept_opinion(comparison_page(results), folder))


def with_kept_opinion(page: Page, folder: Path) -> Page:
    """Return a page of a comparison's folder, with the second opinion that the folder has if any.

    Whoever writes the file to look at asks this: no opinion is lost when that is written anew.
    """
    path = folder / OPINION_JSON
    return with_opinion(page, decoded(path, SecondOpinion)) if path.is_file() else page


def decoded(path: Path, kind: type[_Kept]) -> _Kept:
    """Read one kept file; RecordError if it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except UNREADABLE as error:
        raise RecordError(f"{path} is damaged ({error}); remove it and run again") from error

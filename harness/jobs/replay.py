# SPDX-License-Identifier: GPL-2.0-only
"""replay: run one arm of a saved comparison again and hold it to the bytes it gave."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.plan import ArmRun, Plan
from harness.compare.results import (
    KERNELS,
    RESULTS,
    ArmResult,
    KernelFacts,
    KernelsFile,
    first_difference,
    parse_results,
    placed,
    short,
    unpacked,
)
from harness.errors import RecordError, UserError
from harness.host.cache import Cache
from harness.jobs.arm import PREPARING, Lab, prepared, run_arm
from harness.jobs.compare import arm_result
from harness.jobs.comparison import raw_path
from harness.jobs.evidence import gather, keep
from harness.jobs.group import FAILED
from harness.jobs.lab import arm_key, base_key, first_group, seeded
from harness.record import schema
from harness.record.key import ReplayKey, key_differences

logger = logging.getLogger("replay")

_SHORTEST_KEY = 6
# Where comparisons are looked for when nothing is named.
PLACES = (Path("docs/results"), Path("runs"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """An arm of a saved comparison."""

    folder: Path
    kernels: KernelsFile
    plan: Plan
    run: ArmRun
    result: ArmResult

    @property
    def kernel(self) -> KernelFacts:
        """What it ran on."""
        variant = self.run.arm.kernel
        return next(one for one in self.kernels.kernels if one.variant == variant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay gave; `difference` is empty where all is the same."""

    saved: Saved
    digest: str
    difference: str

    def __str__(self) -> str:
        """Print as the command's answer."""
        run, old = self.saved.run, self.saved.result
        name = f"{run.group.state.name}, {run.burst.name}, seed {run.group.seed}, {run.arm.name}"
        if not self.difference:
            return f"{name}: the same to the byte, {old.outcome.blocks} blocks, {self.digest}"
        return f"{name}: DIFFERS: {self.difference}\n  saved {old.digest}\n  now   {self.digest}"


def find(key: str, places: tuple[Path, ...]) -> Saved:
    """Find the arm whose key begins with `key` below `places`; UserError unless there is one."""
    if len(key) < _SHORTEST_KEY:
        raise UserError(f"{key!r} is short for a key; give at least {_SHORTEST_KEY} characters")
    found: dict[str, Saved] = {}
    for place in places:
        for path in sorted(place.rglob(RESULTS)):
            try:
                matching = _matching(path, key)
            except RecordError as error:
                # The key may well be in another folder.
                logger.warning("%s", error)
                continue
            for saved in matching:
                found.setdefault(saved.result.key, saved)
    if len(found) == 1:
        return found.popitem()[1]
    where = ", ".join(map(str, places))
    what = "no arm has" if not found else f"{len(found)} arms have"
    raise UserError(
        f"{what} a key that begins with {key} in the {RESULTS} below {where}; "
        "name the folder with --results, or give more of the key"
    )


def _matching(path: Path, key: str) -> list[Saved]:
    results = parse_results(path.read_bytes(), str(path))
    return [
        Saved(
            folder=path.parent,
            kernels=results.kernels,
            plan=results.plan,
            run=run,
            result=one,
        )
        for run, one in placed(results)
        if one.key.startswith(key)
    ]


def require_comparable(saved: Saved) -> None:
    """Refuse an arm whose key no key of today can be compared with; RecordError says who can."""
    if saved.kernels.key_schema != schema.KEY.number:
        raise RecordError(
            f"{saved.folder} was made when keys were digests of more than what executes; "
            f"{_who_replays(saved.folder)}, or run the comparison again"
        )


def _who_replays(folder: Path) -> str:
    """Name the commit that made a folder's results, as the page beside them tells it."""
    page = folder.absolute().parent / "README.md"
    try:
        row = re.search(
            rf"^\| \[{re.escape(folder.absolute().name)}\].* ([0-9a-f]{{7,40}}) \|$",
            page.read_text(),
            re.MULTILINE,
        )
    except OSError:
        row = None
    made = f"commit {row[1]}" if row else "the commit that made it"
    return f"{made} of this project replays it"


def replay(saved: Saved, lab: Lab, cache: Cache) -> Replayed:
    """Run the arm again; RecordError says what of this machine makes that impossible."""
    plan, run = saved.plan, saved.run
    _require_same(saved, base_key(lab, plan, first_group(plan, run.arm.kernel)))
    lab = seeded(lab, run.group.seed)
    key = arm_key(base_key(lab, plan, run.group), plan, run)
    state, stage = plans.state_stage(plan, run.group), plans.arm_stage(plan, run)
    place = Path("runs") / f"replay-{short(key)}"
    with cache.building(f"replay-{short(key)}") as scratch:
        try:
            with prepared(lab, state, scratch) as ready:
                files = run_arm(ready, stage, scratch / "arm")
        except FAILED as error:
            at = scratch / "arm"
            keep(gather(at if at.exists() else scratch / PREPARING), place, error)
            raise
    result = arm_result(plan, run, key, files)
    return Replayed(saved=saved, digest=result.digest, difference=_difference(saved, result, files))


def _difference(saved: Saved, result: ArmResult, files: dict[str, bytes]) -> str:
    if result.digest == saved.result.digest:
        return ""
    raw = raw_path(saved.folder, saved.run)
    if raw.exists():
        return first_difference(unpacked(raw.read_bytes(), str(raw)), files)
    return f"{raw} is not here, so no line can be told; compare anew to have the texts"


def _require_same(saved: Saved, mine: ReplayKey) -> None:
    differences = key_differences(saved.kernel.key, mine)
    if differences:
        raise RecordError(
            f"this would not be the same arm ({short(saved.result.key)}); use the kernel and QEMU "
            f"that {saved.folder / KERNELS} names, or compare anew\n  "
            + "\n  ".join(map(str, differences))
        )

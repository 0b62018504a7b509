# SPDX-License-Identifier: GPL-2.0-only
"""An arm of a saved comparison, found by its key."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from harness.compare.plan import ArmRun, Plan
from harness.compare.results import (
    RESULTS,
    ArmResult,
    KernelFacts,
    KernelsFile,
    parse_results,
    placed,
)
from harness.errors import RecordError, UserError
from harness.record import schema

logger = logging.getLogger("replay")

_SHORTEST_KEY = 6
# Where comparisons are looked for when nothing is named.
PLACES = (Path("docs/results"), Path("runs"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedArm:
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

    @property
    def title(self) -> str:
        """Say which it is."""
        run = self.run
        return f"{run.group.state.name}, {run.burst.name}, seed {run.group.seed}, {run.arm.name}"


def find(key: str, places: tuple[Path, ...]) -> SavedArm:
    """Find the arm whose key begins with `key` below `places`; UserError unless there is one."""
    if len(key) < _SHORTEST_KEY:
        raise UserError(f"{key!r} is short for a key; give at least {_SHORTEST_KEY} characters")
    found: dict[str, SavedArm] = {}
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


def _matching(path: Path, key: str) -> list[SavedArm]:
    results = parse_results(path.read_bytes(), str(path))
    return [
        SavedArm(
            folder=path.parent,
            kernels=results.kernels,
            plan=results.plan,
            run=run,
            result=one,
        )
        for run, one in placed(results)
        if one.key.startswith(key)
    ]


def require_comparable(saved: SavedArm) -> None:
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

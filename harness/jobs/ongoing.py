# SPDX-License-Identifier: GPL-2.0-only
"""How far a run or a comparison is, from what it writes while it runs."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from harness.compare.plan import Plan, groups, runs
from harness.compare.plan_text import parse_plan
from harness.compare.results import ARMS, FAILURES, PLAN
from harness.encoding import UNREADABLE
from harness.errors import HarnessError
from harness.host.inside import directory, head_of, whole
from harness.host.status_channel import Ready, StageBegin, StageEnd, parse_line
from harness.jobs.workers_file import WORKERS, parse_workers, workers_table
from harness.stages.boot import STATUS_LOG
from harness.stages.run import HOST_FACTS
from harness.writers.site import Entry, Kind, Progress, State
from harness.writers.table import Table

_STATUS_BYTES_MAX = 1 << 20
_RECENT_ARMS = 20
_S_PER_MIN = 60


class _Limits(msgspec.Struct):
    stage_limit_s: dict[str, float] = {}


def progress(folder: Path, entry: Entry) -> Progress | None:
    """Return how far `entry` of `folder` is; None if nothing tells it."""
    try:
        tell = _run if entry.kind is Kind.RUN else _comparison
        return tell(folder, entry.name, is_live=entry.state is State.RUNNING)
    except (OSError, UnicodeDecodeError):
        return None


def _run(folder: Path, name: str, *, is_live: bool) -> Progress:
    with directory(folder, (name,)) as handle:
        status = head_of(handle, STATUS_LOG, _STATUS_BYTES_MAX).decode(errors="replace")
        try:
            limits = msgspec.json.decode(whole(handle, HOST_FACTS), type=_Limits)
        except (OSError, *UNREADABLE):
            limits = _Limits()
    # The last line may not be whole yet.
    lines = status.splitlines() if status.endswith("\n") else status.splitlines()[:-1]
    unended = "runs" if is_live else "did not end"
    ends: dict[str, str] = {}
    now = "The guest boots."
    for line in lines:
        try:
            event = parse_line(line)
        except HarnessError:
            now = "Its status log holds what no guest of ours says."
            break
        match event:
            case Ready():
                now = "The guest is ready."
            case StageBegin(stage):
                ends[stage] = unended
                now = f"Now: {stage}." if is_live else f"It stopped in {stage}."
            case StageEnd(stage, status_code):
                ends[stage] = "done" if status_code == 0 else f"exit {status_code}"
                now = f"Last: {stage}."
            case _:
                pass
    done = sum(end != unended for end in ends.values())
    table = Table(head=("stage", "how far"), rows=tuple(ends.items()), title="Stages so far")
    total = len(limits.stage_limit_s) or None
    return Progress(done=done, all=total, unit="stages", now=now, table=table)


def _comparison(folder: Path, name: str, *, is_live: bool) -> Progress:
    with directory(folder, (name,)) as handle:
        try:
            text = whole(handle, PLAN).decode()
        except FileNotFoundError:
            return Progress(
                done=0, all=None, unit="arms", now="Its kernels are built.", table=_table(())
            )
        try:
            workers = parse_workers(whole(handle, WORKERS))
        except OSError:
            workers = ()
    ended = list(_ended(folder / name / ARMS))
    failed = sum(1 for _ in _files(folder / name / FAILURES))
    told = [f"{failed} files of failures are kept in {FAILURES}."] if failed else []
    try:
        plan = parse_plan(text, PLAN)
    except HarnessError as error:
        return Progress(
            done=len(ended), all=None, unit="arms", now=f"Its plan: {error}.", table=_table(())
        )
    total = sum(len(runs(plan, group)) for group in groups(plan))
    left = total - len(ended)
    if is_live and left > 0 and (each_s := _each_s([when for _, when in ended])) is not None:
        told.insert(0, f"{each_s:.1f} s each, about {left * each_s / _S_PER_MIN:.0f} min left.")
    return Progress(
        done=len(ended),
        all=total,
        unit="arms",
        now=" ".join(told),
        table=_table(_places(plan, Counter(place for place, _ in ended))),
        workers=workers_table(workers, is_live=is_live) if workers else None,
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    return Table(
        head=("state and request", "arms done", "of"),
        rows=tuple(rows),
        title="Where it is",
        figures=True,
    )


def _places(plan: Plan, done: Counter[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    each = len(plan.arms) * len(plan.seeds)
    return tuple(
        (f"{state.name} {burst.name}", f"{done[state.name, burst.name]:,}", f"{each:,}")
        for state in plan.states
        for burst in plan.bursts
    )


def _each_s(times: Sequence[float]) -> float | None:
    """Return how long an arm took of late; None if too few have ended."""
    recent = sorted(times)[-_RECENT_ARMS:]
    if len(recent) < 2:  # noqa: PLR2004 - two have one distance
        return None
    return (recent[-1] - recent[0]) / (len(recent) - 1)


def _ended(arms: Path) -> Iterator[tuple[tuple[str, ...], float]]:
    """Yield state and request of each finished arm, and when it ended."""
    for path in _files(arms):
        if path.suffix == ".json" and not path.name.startswith("."):
            parts = path.relative_to(arms).parts
            yield parts[:2], os.lstat(path).st_mtime


def _files(folder: Path) -> Iterator[Path]:
    # Links to folders are not walked into.
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)

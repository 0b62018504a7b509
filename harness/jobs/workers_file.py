# SPDX-License-Identifier: GPL-2.0-only
"""Who does the arms of a comparison that runs on workers, for `serve` and whoever looks later.

DIR/workers.json    WorkersFile; written anew every few seconds, where something has changed
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.encoding import UNREADABLE, encode
from harness.host.files import atomic_write
from harness.jobs.runner import WorkerNow, WorkerState
from harness.record import schema
from harness.writers.table import Table

WORKERS = "workers.json"
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersFile:
    """All workers that there are, or were."""

    schema: int
    workers: tuple[WorkerNow, ...]


def keep_workers(folder: Path, workers: tuple[WorkerNow, ...]) -> None:
    """Write them into a comparison's folder."""
    found = WorkersFile(schema=schema.WORKERS.number, workers=workers)
    atomic_write(folder / WORKERS, encode(found))


def parse_workers(content: bytes) -> tuple[WorkerNow, ...]:
    """Read them; none where the file is damaged or of another version: it is only looked at."""
    try:
        found = msgspec.json.decode(content, type=WorkersFile)
    except UNREADABLE:
        return ()
    return found.workers if found.schema == schema.WORKERS.number else ()


def workers_table(workers: tuple[WorkerNow, ...], *, is_live: bool) -> Table:
    """Return who does what, those first that do nothing; of more than 200 the first."""
    order = tuple(WorkerState)
    found = sorted(workers, key=lambda one: (order.index(one.state), one.name))
    rows = [
        (one.name, one.host, one.state.value if is_live else "-", f"{one.done:,}", one.now)
        for one in found
    ]
    working = sum(one.state is WorkerState.WORKING for one in workers)
    told = f"{working} of {len(workers)} work" if is_live else f"{len(workers)} worked"
    more = f"; {_MOST_SHOWN} are shown" if len(rows) > _MOST_SHOWN else ""
    return Table(
        head=("worker", "host", "state", "done", "now"),
        rows=tuple(rows[:_MOST_SHOWN]),
        title=f"Workers: {told}{more}",
    )

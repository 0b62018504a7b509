# SPDX-License-Identifier: GPL-2.0-only
"""What a worker's process does when its submitter calls: it is asked, sent files, given tasks.

What a task produces waits here until the submitter has fetched it. One that stays away ends its
tasks: nobody would ever want their results.
"""

import asyncio
import contextlib
import pickle
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.engines import facts as the_facts
from harness.engines import shared
from harness.engines.facts import Facts
from harness.engines.qemu_files import QemuFiles, laid_out
from harness.engines.store import Artefact, Store
from harness.errors import HarnessError, HostError
from harness.host import emulator
from harness.host.cache import Cache
from harness.jobs.group import Failure
from harness.jobs.runner import Place, Produced, StoppedError, Task

# Without a word of the submitter for so long, its tasks end.
LEASE_S = 180.0
_BATCH_BYTES = 4 << 20
STORE = "artefacts"
# What a worker's guests may have: `dask worker --resources guest_mib=8192`, else by its host.
RESOURCE = "guest_mib"


class End(StrEnum):
    """How a task ended here."""

    DONE = "done"
    STOPPED = "stopped"  # the submitter said so, or stayed away
    ABSENT = "absent"  # a file is not here, or was altered
    HOST = "host"  # this host lacks something


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A task as it is sent: with its files, and the QEMU that is to run it."""

    task: Task
    kernel: Artefact
    initrd: Artefact
    qemu: QemuFiles | None  # None: the host's own is the same


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """A task that is being done here, or was."""

    parcels: list[bytes] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    heard_s: float = field(default_factory=time.monotonic)


_attempts: dict[str, _Attempt] = {}
_places: dict[str, Place] = {}
_stores: dict[Path, Store] = {}
_declared: set[str] = set()  # workers whose memory was declared here, not by their user


def _store() -> Store:
    root = Cache.default().root / STORE
    return _stores.setdefault(root, Store(root))


async def facts() -> Facts:
    """Look at this host."""
    return await asyncio.to_thread(the_facts.facts, Cache.default())


async def missing(wanted: tuple[Artefact, ...], url: str) -> list[str]:
    """Return the digests of the files that are not here, nor at `url`."""

    def look() -> list[str]:
        store = _store()
        lacking = [each for each in wanted if store.find(each) is None]
        return [each.digest for each in lacking if not (url and shared.fetch(url, each, store))]

    return await asyncio.to_thread(look)


async def receive(wanted: Artefact, sender: str, at: int, chunk: bytes) -> None:
    """Take a part of a file."""
    await asyncio.to_thread(_store().receive, wanted, sender, at, chunk)


async def try_qemu(wanted: QemuFiles) -> str:
    """Return why a QEMU that was sent does not run here; empty if it does."""
    try:
        await asyncio.to_thread(laid_out, wanted, _store(), Cache.default())
    except HarnessError as error:
        return str(error)
    return ""


async def declare(memory_mib: int, dask_worker: Any) -> int:
    """Let a worker's guests have so much memory, if its user has not said how much; return that."""
    known = dask_worker.state.total_resources.get(RESOURCE)
    if known is None or (dask_worker.address in _declared and known < memory_mib):
        await dask_worker.set_resources(**{RESOURCE: memory_mib})
        _declared.add(dask_worker.address)
        return memory_mib
    return int(known)


def collect(attempt: str, taken: int) -> list[bytes]:
    """Return some of what an attempt produced, after the first `taken`, which may be forgotten."""
    mine = _attempts.setdefault(attempt, _Attempt())
    mine.heard_s = time.monotonic()
    mine.parcels[:taken] = [b""] * min(taken, len(mine.parcels))
    batch: list[bytes] = []
    for parcel in mine.parcels[taken:]:
        batch.append(parcel)
        if sum(map(len, batch)) > _BATCH_BYTES:
            break
    return batch


def forget(attempt: str) -> None:
    """End an attempt, if it has not ended, and drop what it produced."""
    mine = _attempts.pop(attempt, None)
    if mine is not None:
        mine.stop.set()


def packed(produced: Produced) -> bytes:
    """Make a parcel of a produced value."""
    return zlib.compress(pickle.dumps(produced), 1)


def unpacked(parcel: bytes) -> Produced:
    """Open a parcel of a worker of ours."""
    return pickle.loads(zlib.decompress(parcel))  # noqa: S301 - it may run what it likes anyway


def do_task(attempt: str, pickled: bytes) -> tuple[End, str]:
    """Do a task; what it produces waits for `collect`. Return how it ended, and why."""
    given = pickle.loads(pickled)  # noqa: S301 - the submitter may run what it likes here
    assert isinstance(given, Given)  # noqa: S101 - what dask was given
    mine = _attempts.setdefault(attempt, _Attempt())
    mine.heard_s = time.monotonic()
    store = _store()
    try:
        with _qemu_used(given.qemu, store):
            for produced in _produced(given, store, mine):
                mine.parcels.append(packed(produced))
    except StoppedError:
        return End.STOPPED, "its submitter has ended it, or stayed away"
    except _AbsentError as error:
        return End.ABSENT, str(error)
    except HostError as error:
        return End.HOST, str(error)
    except HarnessError:
        try:
            _require_whole(given, store)
        except _AbsentError as error:
            return End.ABSENT, str(error)
        raise
    return End.DONE, ""


class _AbsentError(Exception):
    """A file is not here."""


def _produced(given: Given, store: Store, mine: _Attempt) -> Iterator[Produced]:
    def check_stop() -> None:
        if mine.stop.is_set() or time.monotonic() - mine.heard_s > LEASE_S:
            raise StoppedError

    task = given.task
    what = replace(
        task.what, kernel=_found(given.kernel, store), initrd=_found(given.initrd, store)
    )
    cache = Cache.default()
    # How fast a guest boots here is asked once; whether its work is to end, each time.
    known = _places.setdefault(str(given.qemu and given.qemu.qemu), Place(cache=cache))
    place = replace(known, cache=cache, check_stop=check_stop)
    with contextlib.closing(task.work.execute(what, place)) as all_of_them:
        for produced in all_of_them:
            check_stop()
            if isinstance(produced, Failure):
                if isinstance(produced.error, HostError):
                    continue  # it is raised next: another host may do it
                if produced.run is None:
                    _require_whole(given, store)
            yield produced


def _require_whole(given: Given, store: Store) -> None:
    """Tell a boot that failed of an altered file from one that failed of the kernel."""
    store.doubt()
    for each in (given.kernel, given.initrd):
        _found(each, store)


def _found(wanted: Artefact, store: Store) -> Path:
    path = store.find(wanted)
    if path is None:
        raise _AbsentError(f"{wanted.path.name} {wanted.digest[:16]} is not here, or was altered")
    return path


@contextlib.contextmanager
def _qemu_used(wanted: QemuFiles | None, store: Store) -> Iterator[None]:
    program = None if wanted is None else laid_out(wanted, store, Cache.default())
    with emulator.using(program):
        yield

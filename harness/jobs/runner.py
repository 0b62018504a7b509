# SPDX-License-Identifier: GPL-2.0-only
"""Who does the tasks of a job, and where: a task goes in, what it produced comes out.

A task is a value that can be pickled: what boots, how much memory that takes, and work whose parts
have names. So another engine than this machine's threads is a module of harness/engines with a
class of these methods; it need not know what the work is.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from harness.errors import HarnessError
from harness.host.accelerator import Speed
from harness.host.cache import Cache
from harness.jobs.guests import Guests
from harness.stages.boot import RunSettings, require_memory
from harness.stages.boot_files import BootFiles

# A produced value; what it is, its work and its taker know.
Produced = Any


@dataclass(slots=True, kw_only=True)
class Place:
    """Where tasks are done: a host's cache, and what was found out there once for all of them."""

    cache: Cache
    check_stop: Callable[[], None] = lambda: None  # raises when the work is to end
    _speeds: dict[str, Speed] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def speed(self, what: BootFiles, settings: RunSettings, guests: Guests) -> Speed:
        """Return what boots a guest here and how fast, asked once for each pair of files."""
        with self._lock:
            if what.name not in self._speeds:
                self._speeds[what.name] = guests.speed(what, settings, self.cache)
            return self._speeds[what.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a produced value says: of which unit, and a digest that a repetition must have."""

    unit: str  # empty: of what the units begin with
    digest: str  # empty: it failed, and there is nothing to repeat


class Work(Protocol):
    """What a task does, wherever that is: units by name, done one after the other."""

    @property
    def units(self) -> tuple[str, ...]:
        """Name what is to be done."""

    def only(self, units: Collection[str]) -> "Work":
        """Return the part of it with those units."""

    def execute(self, what: BootFiles, place: Place) -> Generator[Produced, None, None]:
        """Do it; HostError says what the host lacks, and is no outcome."""

    def outcome(self, produced: Produced) -> Outcome:
        """Tell what a produced value stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One boot, and all that is done from it, on one host."""

    title: str
    what: BootFiles
    memory_mib: int  # of its guest, at most
    work: Work


# Whether the task is to go on.
Take = Callable[[Task, Produced], bool]


class WorkerState(StrEnum):
    """What a worker does, or why it does nothing; in the order in which that is looked at."""

    SILENT = "does not answer"
    REFUSED = "gets no work"
    INEXACT = "is not exact"
    GONE = "gone"
    WAITING = "waiting"  # for a task
    WORKING = "working"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNow:
    """One worker of an engine, as it is now."""

    name: str
    host: str  # empty: it has not told
    state: WorkerState
    done: int  # units
    now: str  # what it does, or why it does nothing; may be empty


# Told who does the tasks, every few seconds where that changes.
Watch = Callable[[tuple[WorkerNow, ...]], None]


def unwatched(_workers: tuple[WorkerNow, ...]) -> None:
    """Do nothing."""


class Runner(Protocol):
    """Does tasks, as many at a time as it has room for."""

    def require_room(self, memory_mib: int) -> None:
        """Refuse guests of so much memory where they have none; before anything is built."""

    def run(
        self, tasks: Iterable[Task], cache: Cache, take: Take, watch: Watch = unwatched
    ) -> Sequence[HarnessError]:
        """Do all tasks, handing what each produces to `take` as it comes, from any thread.

        What is no sequence is made while others are done: its next is asked for, by any one
        thread, as soon as it has given one. Returns what kept tasks from being done, or makes what
        they gave doubtful.
        """


class StoppedError(Exception):
    """The job ends; raised where its tasks are done."""


@dataclass(frozen=True, slots=True)
class LocalRunner:
    """Does them on this machine, `at_once` at a time."""

    at_once: int
    fewer: str = "use a smaller --jobs"  # what its user does where so many have no room

    def require_room(self, memory_mib: int) -> None:
        """Look at the memory that is available."""
        require_memory(memory_mib, self.at_once, self.fewer)

    def run(
        self, tasks: Iterable[Task], cache: Cache, take: Take, watch: Watch = unwatched
    ) -> Sequence[HarnessError]:
        """Do all tasks; the first exception ends them all and is raised."""
        del watch  # there is nobody but this process
        stop, failed = threading.Event(), threading.Event()

        def check_stop() -> None:
            if stop.is_set():
                raise StoppedError

        place = Place(cache=cache, check_stop=check_stop)

        def one(task: Task) -> None:
            check_stop()
            try:
                with contextlib.closing(task.work.execute(task.what, place)) as produced:
                    for each in produced:
                        if not take(task, each):
                            break
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(max_workers=self.at_once, thread_name_prefix="boot") as pool:
            futures: list[Future[None]] = []
            try:
                for task in tasks:
                    futures.append(pool.submit(one, task))
                    if failed.is_set():
                        break
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            finally:
                # However this ends: no thread begins another guest, and all guests are ended.
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        return ()

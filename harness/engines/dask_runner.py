# SPDX-License-Identifier: GPL-2.0-only
"""Tasks on the workers of a Dask scheduler: what is where, and who does what, is decided here.

Dask brings messages to workers and tells which are there. A task is given to one worker at a time
and to no other, so a death is counted against the task that was there, and against no other.
"""

import asyncio
import contextlib
import logging
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from harness.engines import shared, worker
from harness.engines.connection import (
    SchedulerLostError,
    SilentError,
    call,
    client_of,
    require_scheduler,
    scheduler_of,
    threads_of,
)
from harness.engines.ledger import Item, Ledger
from harness.engines.supply import Hand, RefusedError, Supply
from harness.engines.target import Target
from harness.engines.worker import RESOURCE, End, Given
from harness.errors import HarnessError, HostError
from harness.host.cache import Cache
from harness.jobs.runner import Take, Task, Watch, WorkerNow, WorkerState, unwatched
from harness.stages.boot import require_memory

logger = logging.getLogger("cluster")

SHARE = 0.01
_LOOK_EVERY_S = 1.0
_TELL_EVERY_S = 3.0
_INEXACT = "what it gave differs from what others did; `buddylab exactness` there tells more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is waited for, in seconds."""

    collect_s: float = 5.0  # between two looks at what a task has produced
    answer_s: float = 60.0  # of a worker to a call; then it is taken for lost
    workers_s: float = 300.0  # for the first worker, or another after all have gone
    scheduler_s: float = 600.0  # for a scheduler that went away


@dataclass(slots=True, kw_only=True)
class DaskRunner:
    """Does tasks on the workers of a scheduler."""

    target: Target
    share: float = SHARE  # of the units, repeated on another worker
    url: str = ""  # of a directory or an object store for artefacts; empty: they are sent
    limits: Limits = Limits()
    finished: Callable[[Ledger], None] = lambda _ledger: None
    _room_mib: int = field(default=0, init=False)  # of a guest, as was asked for

    def require_room(self, memory_mib: int) -> None:
        """Refuse where no scheduler answers, another version does, or artefacts have no place.

        Each worker is asked later.
        """
        self._room_mib = memory_mib
        if self.url:
            shared.require_writable(self.url)
        if self.target.workers:
            require_memory(memory_mib, self.target.workers, "use fewer workers")
        else:
            asyncio.run(require_scheduler(self.target))

    def run(
        self, tasks: Iterable[Task], cache: Cache, take: Take, watch: Watch = unwatched
    ) -> Sequence[HarnessError]:
        """Do all tasks; what was set aside, and whoever is not exact, is returned."""
        if isinstance(tasks, Sequence) and not tasks:
            return ()
        sweep = _Sweep(runner=self, cache=cache, take=take, watch=watch, room_mib=self._room_mib)
        try:
            asyncio.run(sweep.run(tasks))
        finally:
            sweep.tell_workers()
            self.finished(sweep.ledger)
        return sweep.ledger.problems


@dataclass(slots=True, kw_only=True)
class _Sweep:
    """One call of `run`."""

    runner: DaskRunner
    cache: Cache
    take: Take
    watch: Watch
    room_mib: int
    ledger: Ledger = field(init=False)
    _supply: Supply = field(init=False)
    _refused: dict[str, str] = field(default_factory=dict)  # address -> why
    _gone: dict[str, str] = field(default_factory=dict)  # address -> what became of it
    _silent: dict[str, str] = field(default_factory=dict)  # address -> since when
    _hosts: dict[str, str] = field(default_factory=dict)  # address -> host
    _told: tuple[WorkerNow, ...] = ()
    _told_s: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _fed_wrong: BaseException | None = None  # what ended the making of tasks

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.runner.share)
        self._supply = Supply(cache=self.cache, url=self.runner.url, memory_mib=self.room_mib)

    async def run(self, tasks: Iterable[Task]) -> None:
        """Go on until all is done, also with a scheduler that was started again."""
        if isinstance(tasks, Sequence):
            self._add(tasks)
            self.ledger.close()
        else:
            self._feed(tasks)
        async with scheduler_of(self.runner.target) as target:
            began_s = time.monotonic()
            while self.ledger.is_open:
                try:
                    async with client_of(target) as client:
                        await self._session(client)
                except SchedulerLostError as error:
                    if time.monotonic() - began_s > self.runner.limits.scheduler_s:
                        raise HostError(
                            f"{error}; start it again and give the same command again"
                        ) from error
                    logger.warning("%s; waiting for it to come back", error)
                    await asyncio.sleep(_LOOK_EVERY_S)
                else:
                    began_s = time.monotonic()
        if self._fed_wrong is not None:
            raise self._fed_wrong

    def tell_workers(self) -> None:
        """Let who watches know who is there, where that has changed."""
        doing = self.ledger.doing()
        there = sorted({*self._hosts, *self._refused, *self._gone})
        found = tuple(self._worker(each, doing.get(each, "")) for each in there)
        if found != self._told:
            self._told = found
            self.watch(found)

    def _worker(self, address: str, doing: str) -> WorkerNow:
        state, now = WorkerState.WORKING if doing else WorkerState.WAITING, doing
        if address in self._gone:
            state, now = WorkerState.GONE, self._gone[address]
        elif address in self._silent:
            state, now = WorkerState.SILENT, self._silent[address]
        elif address in self.ledger.inexact:
            state, now = WorkerState.INEXACT, _INEXACT
        elif address in self._refused:
            state, now = WorkerState.REFUSED, self._refused[address]
        return WorkerNow(
            name=address,
            host=self._hosts.get(address, ""),
            state=state,
            done=self.ledger.done[address],
            now=now,
        )

    def _add(self, tasks: Sequence[Task]) -> None:
        self._supply.add(tasks)
        self.ledger.add(tasks)

    def _feed(self, tasks: Iterable[Task]) -> None:
        """Let a thread make tasks while others are done.

        Nobody waits for it where the job ends before: what it builds ends with this process.
        """
        loop = asyncio.get_running_loop()

        def came(task: Task) -> None:
            self.ledger.add([task])
            self._tell_change()

        def ended(error: BaseException | None) -> None:
            self._fed_wrong = error
            self.ledger.close()
            self._tell_change()

        def feed() -> None:
            error: BaseException | None = None
            try:
                for task in tasks:
                    self._supply.add([task])
                    loop.call_soon_threadsafe(came, task)
            except BaseException as caught:  # noqa: BLE001 - raised where the job is waited for
                error = caught
            # The loop is closed where the job has ended.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(ended, error)

        threading.Thread(target=feed, name="feed", daemon=True).start()

    async def _session(self, client: Any) -> None:
        """Look who is there, and keep a crew for each worker, until all is done."""
        crews: dict[str, asyncio.Task[None]] = {}
        ended: list[asyncio.Task[None]] = []  # of workers that are gone
        alone_s = time.monotonic()
        try:
            while self.ledger.is_open:
                threads = await threads_of(client)
                for address in crews.keys() - threads.keys():
                    logger.warning("worker %s is gone", address)
                    self._gone[address] = f"worker {address} died, or was ended"
                    ended.append(crews.pop(address))
                    ended[-1].cancel()
                for address in threads.keys() - crews.keys():
                    crews[address] = asyncio.create_task(
                        self._crew(client, address, threads[address])
                    )
                self._raise_first(crews.values())
                if self._has_hope(threads.keys()):
                    alone_s = time.monotonic()
                elif time.monotonic() - alone_s > (
                    _LOOK_EVERY_S if threads else self.runner.limits.workers_s
                ):
                    raise self._nobody(threads.keys())
                if time.monotonic() - self._told_s > _TELL_EVERY_S:
                    self._told_s = time.monotonic()
                    self.tell_workers()
                await self._wait(_LOOK_EVERY_S)
        finally:
            for crew in crews.values():
                crew.cancel()
            await asyncio.gather(*crews.values(), *ended, return_exceptions=True)

    def _raise_first(self, crews: Iterable["asyncio.Task[None]"]) -> None:
        """Raise what ended the making of tasks, or a crew."""
        if self._fed_wrong is not None:
            raise self._fed_wrong
        for crew in crews:
            if crew.done() and not crew.cancelled() and (error := crew.exception()):
                raise error

    def _has_hope(self, addresses: Any) -> bool:
        return any(
            each not in self._refused and each not in self.ledger.inexact for each in addresses
        )

    def _nobody(self, addresses: Any) -> HostError:
        if not addresses:
            return HostError(
                f"no worker is at {self.runner.target}; start some (docs/howto/cluster.md) and "
                "give the same command again"
            )
        told = "\n  ".join(f"{each}: {self._refused.get(each, _INEXACT)}" for each in addresses)
        return HostError(f"no worker can do it:\n  {told}")

    async def _crew(self, client: Any, address: str, threads: int) -> None:
        """Ask one worker what it can do, and give it work while there is some."""
        while self.ledger.is_open:
            try:
                hand = await self._supply.admitted(client, address, threads)
                self._hosts[address] = hand.facts.host
                self._silent.pop(address, None)
                self._gone.pop(address, None)
                self.ledger.joined(address, hand.facts.host)
                try:
                    await self._work(client, hand)
                finally:
                    self.ledger.left(address)
                    self._supply.released(hand)
            except RefusedError as error:
                logger.warning("worker %s gets no work: %s", address, error)
                self._refused[address] = str(error)
                self._tell_change()
                return
            except SchedulerLostError:
                raise
            except SilentError as error:
                logger.warning("worker %s does not answer (%s); it is asked again", address, error)
                self._hosts.setdefault(address, "")
                self._silent[address] = f"{error}; it is asked again"
                await asyncio.sleep(self.runner.limits.collect_s)

    async def _work(self, client: Any, hand: Hand) -> None:
        slots = [asyncio.create_task(self._slot(client, hand)) for _ in range(hand.guests)]
        try:
            done, _ = await asyncio.wait(slots, return_when=asyncio.FIRST_EXCEPTION)
            for each in done:
                each.result()
        finally:
            for each in slots:
                each.cancel()
            await asyncio.gather(*slots, return_exceptions=True)

    async def _slot(self, client: Any, hand: Hand) -> None:
        """Do one item after the other on a worker."""
        while self.ledger.is_open:
            item = self.ledger.claim(hand.address)
            if item is None:
                await self._wait(self.runner.limits.collect_s)
                continue
            attempt = uuid4().hex
            try:
                await self._do(client, hand, item, attempt)
            except (asyncio.CancelledError, SchedulerLostError):
                self.ledger.give_back(item, self._gone.get(hand.address, ""))
                raise
            except SilentError as error:
                self.ledger.give_back(item, f"worker {hand.told} did not answer ({error})")
                raise
            except RefusedError as error:
                self.ledger.give_back(item, f"worker {hand.told}: {error}")
                raise
            finally:
                self._tell_change()
                with contextlib.suppress(SilentError, asyncio.CancelledError):
                    await call(client, hand.address, worker.forget, attempt, limit_s=1.0)

    async def _do(self, client: Any, hand: Hand, item: Item, attempt: str) -> None:
        what = item.task.what
        kernel, initrd = self._supply.of_task(item.task)
        await self._supply.send(client, hand.address, hand.facts, [kernel, initrd])
        work = item.task.work.only(item.units)
        task = Task(title=item.task.title, what=what, memory_mib=item.task.memory_mib, work=work)
        given = Given(task=task, kernel=kernel, initrd=initrd, qemu=hand.qemu)
        future = client.submit(
            worker.do_task,
            attempt,
            pickle.dumps(given),
            key=f"{task.title.replace(' ', '_')}-{attempt}",
            workers=[hand.address],
            allow_other_workers=False,
            resources={RESOURCE: self._supply.guest_mib},
            pure=False,
            retries=0,
        )
        waiter = asyncio.ensure_future(future.result())
        try:
            goes_on = await self._collected(client, hand, item, attempt, waiter)
            end, why = (End.DONE, "") if not goes_on else _ending(waiter)
        finally:
            waiter.cancel()
            future.release()
        match end:
            case End.DONE:
                self.ledger.finish(item)
            case End.HOST:
                raise RefusedError(why)
            case End.ABSENT | End.STOPPED:
                self.ledger.give_back(item, f"worker {hand.told}: {why}")

    async def _collected(
        self, client: Any, hand: Hand, item: Item, attempt: str, waiter: asyncio.Future[Any]
    ) -> bool:
        """Take what a task produces until it ends; return False if it is not to go on."""
        taken = 0
        while True:
            await asyncio.wait({waiter}, timeout=self.runner.limits.collect_s)
            ended = waiter.done()
            while batch := await call(
                client,
                hand.address,
                worker.collect,
                attempt,
                taken,
                limit_s=self.runner.limits.answer_s,
            ):
                taken += len(batch)
                for parcel in batch:
                    produced = worker.unpacked(parcel)
                    outcome = item.task.work.outcome(produced)
                    if self.ledger.note(item, outcome) and not self.take(item.task, produced):
                        return False
            if ended:
                return True

    async def _wait(self, most_s: float) -> None:
        """Wait until something has changed, but not for long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), most_s)

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _ending(waiter: "asyncio.Future[Any]") -> tuple[End, str]:
    """Return how a task ended; what nobody foresaw is raised."""
    try:
        end, why = waiter.result()
    except asyncio.CancelledError as error:
        raise SchedulerLostError("the scheduler has forgotten the task") from error
    return end, why

# SPDX-License-Identifier: GPL-2.0-only
"""Who does what: tasks that wait, that are being done, that are to be done once more elsewhere.

It knows workers by name only, and nothing of how they are reached. One thread uses it.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from harness.errors import HarnessError, HostError
from harness.jobs.runner import Outcome, Task

logger = logging.getLogger("cluster")

TRIES = 3


@dataclass(slots=True, eq=False, kw_only=True)
class Item:
    """A task, or what is left of it; or a part of one that is repeated to be compared."""

    task: Task
    units: tuple[str, ...]
    now: dict[str, str] = field(default_factory=dict)  # of who does it: unit -> digest
    given: dict[str, dict[str, str]] = field(default_factory=dict)  # of who did: worker -> now
    losses: list[str] = field(default_factory=list)  # why, each time it came back

    @property
    def is_repetition(self) -> bool:
        """Whether it was done before, and is done to be compared."""
        return bool(self.given)


@dataclass(slots=True)
class Ledger:
    """All items of a job; `share` of the units are repeated on another worker.

    It is open until it is closed, and all that it was given is done.
    """

    share: float
    problems: list[HarnessError] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)  # worker -> units
    titles: dict[str, list[str]] = field(default_factory=dict)  # worker -> what it did
    repeated: int = 0  # units that were compared
    inexact: set[str] = field(default_factory=set)  # workers
    _waiting: list[Item] = field(default_factory=list)
    _running: dict[Item, str] = field(default_factory=dict)
    _hosts: dict[str, str] = field(default_factory=dict)  # of the workers that are there
    _asked: int = 0  # units that were given out to be repeated
    _units: int = 0  # of all tasks so far
    _units_done: int = 0
    _is_whole: bool = False  # whether no more tasks come

    def add(self, tasks: Iterable[Task]) -> None:
        """Take tasks."""
        for task in tasks:
            self._units += len(task.work.units)
            self._waiting.append(Item(task=task, units=task.work.units))

    def close(self) -> None:
        """Note that no more tasks come."""
        self._is_whole = True

    @property
    def is_open(self) -> bool:
        """Whether anything is still to be done."""
        return bool(self._waiting or self._running) or not self._is_whole

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being done."""
        return not self._running

    def joined(self, worker: str, host: str) -> None:
        """Note a worker that may be given work."""
        self._hosts[worker] = host

    def left(self, worker: str) -> None:
        """Note that it may not be, any more."""
        self._hosts.pop(worker, None)

    def doing(self) -> dict[str, str]:
        """Name what each worker does now."""
        found: dict[str, list[str]] = {}
        for item, worker in self._running.items():
            found.setdefault(worker, []).append(item.task.title)
        return {worker: ", ".join(titles) for worker, titles in found.items()}

    def claim(self, worker: str) -> Item | None:
        """Give a worker the next item; None if there is none that it may do now."""
        if self.is_idle:
            self._drop_unrepeatable()
        if worker in self.inexact or worker not in self._hosts:
            return None
        for number, item in enumerate(self._waiting):
            if self._may(worker, item):
                self._running[self._waiting.pop(number)] = worker
                item.now = {}
                return item
        return None

    def note(self, item: Item, outcome: Outcome) -> bool:
        """Note what came; return whether it is a result, which a repetition is not."""
        if outcome.digest:
            item.now[outcome.unit] = outcome.digest
        if outcome.unit:
            item.units = tuple(unit for unit in item.units if unit != outcome.unit)
            worker = self._running[item]
            if not item.is_repetition:
                self.done[worker] += 1
                self._units_done += 1
                self.titles.setdefault(worker, []).append(outcome.unit)
        return not item.is_repetition

    def finish(self, item: Item) -> None:
        """Note that an item's work came to its end."""
        worker = self._running.pop(item)
        if item.is_repetition:
            item.given[worker] = item.now
            self._compare(item)
        elif units := self._sample(item.task, [unit for unit in item.now if unit]):
            known = {unit: item.now[unit] for unit in ("", *units) if unit in item.now}
            self._waiting.insert(0, Item(task=item.task, units=units, given={worker: known}))

    def give_back(self, item: Item, why: str = "") -> None:
        """Let another worker do what is left; one that comes back too often is set aside.

        `why` is empty where neither the item nor its worker is to blame.
        """
        self._running.pop(item)
        if not item.units:
            return
        if why:
            item.losses.append(why)
            logger.warning("%s: %s; what is left of it goes elsewhere", item.task.title, why)
        if len(item.losses) < TRIES:
            self._waiting.insert(0, item)
            return
        told = "\n  ".join(item.losses)
        self.problems.append(
            HostError(
                f"{item.task.title} is set aside after {TRIES} tries, {len(item.units)} of its "
                f"results are missing:\n  {told}\n  look at those workers' logs, then give the "
                "same command again"
            )
        )

    def _may(self, worker: str, item: Item) -> bool:
        if worker in item.given:
            return False
        used = {self._hosts.get(each, each) for each in item.given}
        others = set(self._hosts.values()) - used
        # On another host, if there is one.
        return self._hosts[worker] not in used or not others

    def _drop_unrepeatable(self) -> None:
        for item in [each for each in self._waiting if each.is_repetition]:
            if not any(self._may(each, item) for each in self._hosts if each not in self.inexact):
                self._waiting.remove(item)
                if len(item.given) > 1:
                    self._tell_inexact(item, ())
                else:
                    logger.warning(
                        "%s: not run again on another worker, for there is none", item.task.title
                    )

    def _sample(self, task: Task, units: Sequence[str]) -> tuple[str, ...]:
        """Choose what of a task that was done is repeated: spread over all, the same each time."""
        wanted = max(1, round(self.share * self._units)) if self.share > 0 else 0
        due = math.ceil(wanted * min(1.0, self._units_done / max(1, self._units)))
        if self._asked >= due or not units:
            return ()
        most = max(1, round(self.share * len(task.work.units)))
        by_digest = sorted(units, key=lambda unit: sha256(unit.encode()).hexdigest())
        chosen = set(by_digest[:most])
        self._asked += len(chosen)
        return tuple(unit for unit in units if unit in chosen)

    def _compare(self, item: Item) -> None:
        differing = tuple(_differing(item.given.values()))
        if not differing:
            first = next(iter(item.given.values()))
            self.repeated += sum(1 for unit in first if unit)
            return
        if len(item.given) == 2:  # noqa: PLR2004 - two that differ: a third decides
            again = tuple(unit for unit in differing if unit)
            item.units = again or tuple(unit for unit in next(iter(item.given.values())) if unit)
            self._waiting.insert(0, item)
            return
        self._tell_inexact(item, differing)

    def _tell_inexact(self, item: Item, differing: Sequence[str]) -> None:
        differing = differing or tuple(_differing(item.given.values()))
        what = ", ".join(unit or "its state" for unit in differing)
        lonely: set[str] = set()
        for unit in differing:
            counted = Counter(each.get(unit, "") for each in item.given.values())
            if len(counted) < len(item.given):  # some agree
                usual = counted.most_common(1)[0][0]
                lonely |= {name for name, each in item.given.items() if each.get(unit) != usual}
        told = "; ".join(
            f"{name} gave {', '.join(each.get(unit, 'nothing')[:16] for unit in differing)}"
            for name, each in item.given.items()
        )
        self.inexact |= lonely
        doubtful = [unit for name in lonely or item.given for unit in self.titles.get(name, ())]
        blamed = f"{', '.join(sorted(lonely))} is not exact" if lonely else "one of them is inexact"
        self.problems.append(
            HostError(
                f"{item.task.title}: the same guests differ in {what}: {told}: {blamed}; "
                "`buddylab exactness` there tells more. Remove what it gave and give the same "
                f"command again without it: {', '.join(doubtful)}"
            )
        )


def _differing(given: Iterable[dict[str, str]]) -> Iterator[str]:
    """Name the units of which not all that were made are the same."""
    found = list(given)
    for unit in dict.fromkeys(unit for each in found for unit in each):
        if len({each[unit] for each in found if unit in each}) > 1:
            yield unit

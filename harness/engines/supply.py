# SPDX-License-Identifier: GPL-2.0-only
"""Workers before they get work: asked what they are, and given the files that they lack."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from harness.engines import shared, worker
from harness.engines.connection import call
from harness.engines.facts import Facts, facts, hurdle
from harness.engines.qemu_files import QemuFiles, qemu_files
from harness.engines.store import Artefact, artefact
from harness.host import emulator
from harness.host.cache import Cache
from harness.jobs.runner import Task
from harness.stages.boot import EMULATOR_MIB

logger = logging.getLogger("cluster")

_ASK_S = 120.0
_CHUNK_BYTES = 4 << 20


class RefusedError(Exception):
    """A worker cannot do it; the message says what to do about it."""


@dataclass(slots=True, kw_only=True)
class Hand:
    """A worker that may have work."""

    address: str
    facts: Facts
    guests: int  # at a time
    qemu: QemuFiles | None

    @property
    def told(self) -> str:
        """Name it, and its host."""
        return f"{self.address} ({self.facts.host})"


@dataclass(slots=True, kw_only=True)
class Supply:
    """What the workers of a job must have: this host's versions, its QEMU, the tasks' files."""

    cache: Cache
    url: str  # where all hosts find artefacts; empty: they are sent
    memory_mib: int  # of the largest guest
    _ours: Facts = field(init=False)
    _qemu: QemuFiles = field(init=False)
    _files: dict[str, Artefact] = field(default_factory=dict)
    _granted_mib: Counter[str] = field(default_factory=Counter)  # by host
    _first_mib: dict[str, int | None] = field(default_factory=dict)  # available at first, by host
    _sending: dict[tuple[str, str], asyncio.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ours = facts(self.cache)
        self._qemu = qemu_files(emulator.find(self.cache))
        self._share([file for _, file in self._qemu.files])

    def add(self, tasks: Iterable[Task]) -> None:
        """Take what tasks need; from one thread at a time."""
        new: dict[str, Artefact] = {}
        for task in tasks:
            what = task.what
            for digest, path in (
                (what.vmlinux_digest, what.kernel),
                (what.initramfs_digest, what.initrd),
            ):
                if digest not in self._files and digest not in new:
                    new[digest] = artefact(path, digest)
            self.memory_mib = max(self.memory_mib, task.memory_mib)
        self._share(list(new.values()))
        self._files.update(new)

    def _share(self, files: Sequence[Artefact]) -> None:
        if self.url and files:
            shared.put(self.url, files)

    def of_task(self, task: Task) -> tuple[Artefact, Artefact]:
        """Return its kernel and its initramfs."""
        return self._files[task.what.vmlinux_digest], self._files[task.what.initramfs_digest]

    @property
    def guest_mib(self) -> int:
        """Return what such a guest takes of its host."""
        return self.memory_mib + EMULATOR_MIB

    async def admitted(self, client: Any, address: str, threads: int) -> Hand:
        """Ask a worker, and let it have this host's QEMU if its own is another; RefusedError."""
        try:
            theirs: Facts = await call(client, address, worker.facts, limit_s=_ASK_S)
        except (ImportError, AttributeError, TypeError) as error:
            raise RefusedError(
                f"it has no buddylab, or another ({error}); install this version there: "
                "pip install 'buddylab[cluster]'"
            ) from error
        first_mib = self._first_mib.setdefault(theirs.boot, theirs.available_mib)
        if why := hurdle(self._ours, theirs, self.memory_mib):
            raise RefusedError(why)
        qemu = None
        if theirs.qemu != self._qemu.qemu:
            qemu = self._qemu
            await self.send(client, address, theirs, [file for _, file in qemu.files])
            if why := await call(client, address, worker.try_qemu, qemu, limit_s=_ASK_S):
                raise RefusedError(why)
            logger.info("worker %s got this host's QEMU, %s", address, qemu.qemu.version)
        guests = threads
        if first_mib is not None:
            left_mib = first_mib - self._granted_mib[theirs.boot]
            guests = min(threads, left_mib // self.guest_mib)
        if guests < 1:
            raise RefusedError(
                f"the other workers of {theirs.host} have its memory of {first_mib} MiB: "
                f"a guest needs {self.guest_mib}; start fewer workers there, or with fewer threads"
            )
        self._granted_mib[theirs.boot] += guests * self.guest_mib
        declared_mib = await call(client, address, worker.declare, guests * self.guest_mib)
        if declared_mib < self.guest_mib:
            raise RefusedError(
                f"it was started with {worker.RESOURCE}={declared_mib}, and a guest needs "
                f"{self.guest_mib}; start it with as much, or on a host that has it"
            )
        return Hand(address=address, facts=theirs, guests=guests, qemu=qemu)

    def released(self, hand: Hand) -> None:
        """Note that a worker has no more guests."""
        self._granted_mib[hand.facts.boot] -= hand.guests * self.guest_mib

    async def send(
        self, client: Any, address: str, theirs: Facts, files: Sequence[Artefact]
    ) -> None:
        """Let a worker's host have files; those that it has are not sent."""
        lock = self._sending.setdefault((theirs.boot, str(theirs.cache)), asyncio.Lock())
        async with lock:
            missing = await call(
                client, address, worker.missing, tuple(files), self.url, limit_s=_ASK_S
            )
            for each in files:
                if each.digest in missing:
                    await self._sent(client, address, each)

    async def _sent(self, client: Any, address: str, each: Artefact) -> None:
        sender = uuid4().hex
        with each.path.open("rb") as file:
            at = 0
            while chunk := file.read(_CHUNK_BYTES):
                await call(client, address, worker.receive, each, sender, at, chunk)
                at += len(chunk)
        logger.info("sent %s, %d KiB, to %s", each.path.name, each.size_bytes >> 10, address)

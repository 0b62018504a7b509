# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor protocol: wait for a guest that stops itself, read its memory, let it go on.

The only importer of qemu.qmp. Nothing here is seen by the guest: while it is paused its clock
stands still, and between two pauses the monitor is only asked for its state.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket  # noqa: TID251 - the monitor is one
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from qemu.qmp import QMPClient, QMPError  # noqa: TID251 - the one importer

from harness.errors import GuestLostError
from harness.host.deadline import Deadline

_Answer = TypeVar("_Answer")

# It logs each failed attempt as an error; here they are expected, or raised.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)

_POLL_S = 0.005
# Memory that is a file of both QEMUs stays out of the stream.
_SHARED_MEMORY = {"capabilities": [{"capability": "x-ignore-shared", "state": True}]}
# QEMU would tell the network that the guest has moved, five times in the first second.
_NO_ANNOUNCEMENT = {"announce-rounds": 0}
_STATE = "state"  # what the monitor calls the file
_REGISTERS = {"command-line": "info registers -a"}
_PAUSED = "guest-panicked"  # what QEMU calls a guest that wrote to pvpanic's port
_MAX_READ_BYTES = 1 << 20
# Until this is answered QEMU tells a monitor nothing of its own accord.
_NEGOTIATION = b'{"execute": "qmp_capabilities"}\n'
_NEGOTIATED = b'"return"'
_MOST_HEARD_BYTES = 64 << 10
_CHUNK_BYTES = 16 << 10
_CLOSE_S = 5.0
# QEMU starts, and answers each command, in moments, whatever its guest does; one that was stopped
# or hangs itself never does, and the deadline of all may be an hour away.
_ANSWER_S = 120.0
# What a QEMU that ended, hangs or refuses makes of a call. TimeoutError is an OSError.
_GONE = (QMPError, OSError, EOFError)


class Listening:
    """The monitor of a guest to which nobody speaks while it runs, and what QEMU says there.

    QEMU finds the request to tell its events in the socket when it starts, before the guest's
    first instruction. From then on nothing is asked: what wakes QEMU while several CPUs take turns
    would decide whose turn is next.
    """

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours
        self._negotiated = False
        self._heard = b""
        self._is_open = True
        ours.sendall(_NEGOTIATION)

    def heard(self) -> bytes:
        """Return the end of what QEMU has said so far, whole lines but for the last."""
        while self._is_open:
            try:
                said = self._ours.recv(_CHUNK_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:  # QEMU's end is another's to tell
                said = b""
            self._is_open = said != b""
            self._heard += said
            self._negotiated = self._negotiated or _NEGOTIATED in self._heard
            if len(self._heard) > _MOST_HEARD_BYTES:
                kept = self._heard[-_MOST_HEARD_BYTES:]
                self._heard = kept.partition(b"\n")[2]
        return self._heard

    def taken(self) -> socket.socket:
        """Give the socket to who will speak to QEMU; nothing is heard afterwards."""
        self.heard()
        self._is_open = False
        if not self._negotiated:
            raise MonitorError("no QEMU answers at its monitor: it is silent, stopped or hangs")
        return self._ours


class MonitorError(GuestLostError):
    """QEMU does not answer: what it printed, or its end, may say why."""

    def __init__(self, message: str) -> None:
        super().__init__("exit", message)


# Where QEMU's monitor is: its socket's name, a connected end, or one where QEMU was heard already.
Place = Path | socket.socket | Listening


class Monitor:
    """An open connection to one QEMU; no command is waited for beyond the deadline of all."""

    def __init__(self, client: QMPClient, loop: asyncio.Runner, deadline: Deadline) -> None:
        self._client = client
        self._loop = loop
        self._deadline = deadline

    def wait_for_pause(self, deadline: Deadline) -> None:
        """Return once the guest has stopped itself; GuestLostError after the deadline."""
        while (status := self._status()) != _PAUSED:
            if status != "running" or deadline.expired:
                raise GuestLostError(
                    "hang",
                    f"the guest said it would stop itself, and QEMU calls it {status} after "
                    f"{deadline.limit_s:.0f} s of waiting for {_PAUSED}; see its console",
                )
            time.sleep(_POLL_S)

    def physical_memory(self, address: int, size: int, scratch: Path) -> bytes:
        """Read `size` bytes of the guest's memory at physical `address`, by way of `scratch`."""
        if not 0 < size <= _MAX_READ_BYTES:
            raise GuestLostError("exit", f"the guest offers {size} bytes of its memory; refused")
        self._command("pmemsave", val=address, size=size, filename=str(scratch))
        content = scratch.read_bytes()
        scratch.unlink()
        return content

    def plug(self, commands: Iterable[tuple[str, Mapping[str, object]]]) -> None:
        """Give what a paused guest finds plugged in once it goes on (qemu_memory.plugged_in)."""
        for name, arguments in commands:
            self._command(name, **arguments)

    def save(self, path: Path, deadline: Deadline) -> None:
        """Write all state of a paused guest to `path`, but its memory if that is a file."""
        self._command("migrate-set-capabilities", **_SHARED_MEMORY)
        # Not by a command of QEMU's own, which may start none (harness/host/confinement.py).
        self._give(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._command("migrate", uri=f"fd:{_STATE}")
        self._wait_for_stream(deadline)

    def go_on(self, path: Path) -> None:
        """Let a QEMU that was started to wait for a state take it from `path`, and go on at once.

        Nobody speaks to it afterwards. QEMU's main loop runs the guest's timers that are due
        whenever it is awake, and from there an interrupt ends the turn of the CPU that executes:
        with several CPUs, what wakes it while the guest runs decides who is next. So there is no
        `cont` and no question whether the state has come (a state that cannot be loaded ends
        QEMU), no child whose end is noticed later, and nobody announces the guest to a network.
        """
        self._command("migrate-set-capabilities", **_SHARED_MEMORY)
        self._command("migrate-set-parameters", **_NO_ANNOUNCEMENT)
        self._give(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        self._command("migrate-incoming", uri=f"fd:{_STATE}")

    def cpu_properties(self, model: str) -> Mapping[str, object]:
        """Return what a CPU model has, by QEMU's names of its properties."""
        what = {"type": "full", "model": {"name": model}}
        answer = self._command("query-cpu-model-expansion", **what)
        expanded = answer.get("model") if isinstance(answer, dict) else None
        properties = expanded.get("props") if isinstance(expanded, dict) else None
        if not isinstance(properties, dict):
            raise GuestLostError("exit", f"QEMU expands its CPU {model} to {answer!r:.200}")
        return properties

    def device_properties(self, device: str) -> frozenset[str]:
        """Return the names of a device's properties."""
        answer = self._command("device-list-properties", typename=device)
        properties = answer if isinstance(answer, list) else []
        return frozenset(str(one["name"]) for one in properties)

    def resume(self) -> None:
        """Let a guest that was held go on."""
        self._command("cont")

    def stop(self) -> None:
        """Hold the guest between two instructions."""
        self._command("stop")

    def registers(self) -> str:
        """Return what QEMU says of all CPUs' registers, in its own words."""
        return str(self._command("human-monitor-command", **_REGISTERS))

    def inject_nmi(self) -> None:
        """Send the guest an interrupt that cannot be masked: x86's first CPU takes it."""
        self._command("inject-nmi")

    def dump_memory(self, target: int) -> None:
        """Write all of the guest's memory as an ELF core to a descriptor, which is closed here."""
        self._give(target)
        self._command("dump-guest-memory", paging=False, protocol=f"fd:{_STATE}")

    def _give(self, state: int) -> None:
        """Give QEMU the file of a state; `state` is closed here."""
        try:
            self._client.send_fd_scm(state)
            self._command("getfd", fdname=_STATE)
        finally:
            os.close(state)

    def _wait_for_stream(self, deadline: Deadline) -> None:
        while True:
            answer = self._command("query-migrate")
            status = answer.get("status", "none") if isinstance(answer, dict) else "none"
            if status == "completed":
                return
            if status in {"failed", "cancelled"} or deadline.expired:
                raise GuestLostError(
                    "exit", f"the guest's state was not handed over: QEMU says {answer}"
                )
            time.sleep(_POLL_S)

    def _status(self) -> str:
        answer = self._command("query-status")
        return str(answer["status"]) if isinstance(answer, dict) else ""

    def _command(self, name: str, **arguments: object) -> object:
        try:
            return _within(self._loop, self._client.execute(name, arguments), self._deadline)
        except _GONE as error:
            raise MonitorError(f"QEMU's monitor does not answer {name}: {_told(error)}") from error


def arguments(descriptor: int) -> tuple[str, ...]:
    """Return QEMU's arguments for a monitor at the other end of a socket that it inherits."""
    return (
        *("-chardev", f"socket,id=monitor,fd={descriptor}"),
        *("-mon", "chardev=monitor,mode=control"),
    )


@contextlib.contextmanager
def connected(
    place: Place,
    deadline: Deadline,
    *,
    starting: Callable[[], int | None] | None = None,
) -> Iterator[Monitor]:
    """Connect to the monitor's socket; on leaving the connection is closed.

    With `starting`, which gives the exit status of a QEMU that was just started, the socket
    is waited for as long as that is None.
    """
    with asyncio.Runner() as loop:
        client = _connect(place, loop, deadline, starting)
        try:
            yield Monitor(client, loop, deadline)
        finally:
            with contextlib.suppress(*_GONE):
                _within(loop, client.disconnect(), Deadline.after(_CLOSE_S, "closing"))


def _connect(
    place: Place,
    loop: asyncio.Runner,
    deadline: Deadline,
    starting: Callable[[], int | None] | None,
) -> QMPClient:
    was_heard = isinstance(place, Listening)
    address = place.taken() if isinstance(place, Listening) else place
    start = Deadline.after(min(deadline.remaining_s, _ANSWER_S), "QEMU's start")
    while True:
        client = QMPClient()
        # Of one that was heard the greeting is over.
        client.await_greeting = client.negotiate = not was_heard
        where = str(address) if isinstance(address, Path) else address
        try:
            _within(loop, client.connect(where), start)
        except _GONE as error:
            if lacked := _lacked_here(error):
                raise lacked from error
            if starting is None or start.expired or starting() is not None:
                raise MonitorError(f"no QEMU answers at its monitor: {_told(error)}") from error
            time.sleep(_POLL_S)
        else:
            return client


def _lacked_here(error: BaseException | None) -> OSError | None:
    """Return what this process itself lacks: no waiting for QEMU mends it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}:
            return error
        error = error.__cause__ or error.__context__
    return None


def _told(error: BaseException) -> str:
    return str(error) or "it is silent, stopped or hangs"


def _within(loop: asyncio.Runner, what: Awaitable[_Answer], deadline: Deadline) -> _Answer:
    async def waited() -> _Answer:
        return await asyncio.wait_for(what, timeout=min(deadline.remaining_s, _ANSWER_S))

    return loop.run(waited())

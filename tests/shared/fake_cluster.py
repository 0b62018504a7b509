# SPDX-License-Identifier: GPL-2.0-only
"""A real scheduler and real workers of Dask's, as processes of this machine that can be killed."""

import asyncio
import contextlib
import logging
import multiprocessing
import multiprocessing.process
import os
import socket  # noqa: TID251 - for a free port, and to carry connections
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from distributed import Scheduler, Worker  # noqa: TID251

from harness.engines import facts

_FORKS = multiprocessing.get_context("forkserver")
RUNNING: dict[str, Sequence[multiprocessing.process.BaseProcess]] = {}  # by scheduler
# In the environment of workers whose host's memory is not to be looked at.
ROOMY = "BUDDYLAB_FAKE_ROOM"
_NO_PAGE = "127.0.0.1:0"  # the dashboard's: any free port


def serve_scheduler(port: int) -> None:
    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=port, dashboard_address=_NO_PAGE) as it:
            await it.finished()

    asyncio.run(serve())


def serve_workers(address: str, count: int, env: Mapping[str, str]) -> None:
    os.environ.update(env)
    logging.disable(logging.INFO)  # a line for each call of a function
    if ROOMY in env:
        # As if each were on a host of its own: their guests are waits, and take no memory.
        facts._available_mib = lambda: None

    async def serve() -> None:
        workers = [
            Worker(address, host="127.0.0.1", nthreads=1, memory_limit=None, dashboard=False)
            for _ in range(count)
        ]
        for worker in workers:
            await worker
        await asyncio.gather(*(worker.finished() for worker in workers))

    asyncio.run(serve())


@contextlib.contextmanager
def cluster(
    processes: int, workers_each: int = 1, env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Start them, with so many workers in each process; give the scheduler's address.

    Workers have `env` beside the environment that this process had as it first started some.
    """
    _FORKS.set_forkserver_preload(["distributed", "harness.engines.worker"])
    port = free_port()
    address = _address(port)
    served = [_FORKS.Process(target=serve_scheduler, args=(port,), daemon=True, name="scheduler")]
    served += [
        _FORKS.Process(target=serve_workers, args=(address, workers_each, env or {}), daemon=True)
        for _ in range(processes)
    ]
    try:
        for process in served:
            process.start()
        _wait_for(port)
        RUNNING[address] = served
        yield address
    finally:
        RUNNING.pop(address, None)
        for process in served:
            process.kill()
            process.join()


def cpu_s(address: str) -> tuple[float, float]:
    """Return how much CPU time a cluster's scheduler and its workers have taken, in seconds."""
    taken = {True: 0.0, False: 0.0}
    for process in RUNNING[address]:
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(stat[11]) + int(stat[12])  # utime and stime, of proc(5)
        taken[process.name == "scheduler"] += ticks / os.sysconf("SC_CLK_TCK")
    return taken[True], taken[False]


@contextlib.contextmanager
def more_workers(address: str, env: Mapping[str, str]) -> Iterator[None]:
    """Start one more."""
    process = _FORKS.Process(target=serve_workers, args=(address, 1, env), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


class Net:
    """What carries a worker's connections: they can be cut, as by a cable, and mended."""

    def __init__(self) -> None:
        self._whole = threading.Event()
        self._whole.set()
        self._sockets: list[socket.socket] = []

    def cut(self) -> None:
        """Let nothing through, and close nothing: nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        """Let all through, also what has waited."""
        self._whole.set()

    def carry(self, to_port: int) -> int:
        """Return a port whose connections are carried to another."""
        listening = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listening)
        threading.Thread(target=self._accept, args=(listening, to_port), daemon=True).start()
        return int(listening.getsockname()[1])

    def close(self) -> None:
        """End all connections."""
        self.mend()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listening: socket.socket, to_port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = listening.accept()
                self._whole.wait()
                other = socket.create_connection(("127.0.0.1", to_port))
                self._sockets += [one, other]
                for source, target in ((one, other), (other, one)):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._whole.wait()
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def serve_behind(scheduler: str, port: int, contact: str) -> None:
    async def serve() -> None:
        async with Worker(
            scheduler,
            host="127.0.0.1",
            port=port,
            contact_address=contact,
            nthreads=1,
            memory_limit=None,
            dashboard=False,
        ) as worker:
            await worker.finished()

    asyncio.run(serve())


@contextlib.contextmanager
def worker_behind(address: str, net: Net) -> Iterator[None]:
    """Start a worker whose connections, both ways, a net carries."""
    port = free_port()
    scheduler = _address(net.carry(int(address.rpartition(":")[2])))
    contact = _address(net.carry(port))
    process = _FORKS.Process(target=serve_behind, args=(scheduler, port, contact), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
        net.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _address(port: int) -> str:
    return f"tcp://127.0.0.1:{port}"


def _wait_for(port: int) -> None:
    end_s = time.monotonic() + 120
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(port)

# SPDX-License-Identifier: GPL-2.0-only
"""A real scheduler and real workers of Dask's, as processes of this machine that can be killed."""

import asyncio
import contextlib
import multiprocessing
import socket  # noqa: TID251 - for a free port
import time
from collections.abc import Iterator

from distributed import Scheduler, Worker  # noqa: TID251

_FORKS = multiprocessing.get_context("forkserver")
_NO_PAGE = "127.0.0.1:0"  # the dashboard's: any free port


def serve_scheduler(port: int) -> None:
    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=port, dashboard_address=_NO_PAGE) as it:
            await it.finished()

    asyncio.run(serve())


def serve_workers(address: str, count: int) -> None:
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
def cluster(processes: int, workers_each: int = 1) -> Iterator[str]:
    """Start them, with so many workers in each process; give the scheduler's address."""
    _FORKS.set_forkserver_preload(["distributed", "harness.engines.worker"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    served = [_FORKS.Process(target=serve_scheduler, args=(port,), daemon=True)]
    served += [
        _FORKS.Process(target=serve_workers, args=(address, workers_each), daemon=True)
        for _ in range(processes)
    ]
    try:
        for process in served:
            process.start()
        _wait_for(port)
        yield address
    finally:
        for process in served:
            process.kill()
            process.join()


def _wait_for(port: int) -> None:
    end_s = time.monotonic() + 120
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(port)

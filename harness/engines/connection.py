# SPDX-License-Identifier: GPL-2.0-only
"""Dask distributed, as far as it is used: a scheduler, a client, calls of functions on workers."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from harness.engines.facts import ENGINE, engine_version
from harness.engines.target import Target
from harness.errors import HostError

_CONNECT_S = 10.0
_ANSWER_S = 60.0
_START = "dask scheduler --scheduler-file PATH"


class SilentError(Exception):
    """A worker does not answer."""


class SchedulerLostError(SilentError):
    """There is no scheduler, or none any more."""


@contextlib.asynccontextmanager
async def scheduler_of(target: Target) -> AsyncIterator[Target]:
    """Start a scheduler and its workers, if they are to be on this machine."""
    if not target.workers:
        yield target
        return
    from distributed import LocalCluster  # noqa: PLC0415, TID251 - of the extra

    _quiet()
    async with LocalCluster(
        n_workers=target.workers,
        threads_per_worker=1,
        memory_limit=None,  # what its guests take is not the worker's own
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        asynchronous=True,
    ) as cluster:
        yield Target(address=cluster.scheduler_address)


@contextlib.asynccontextmanager
async def client_of(target: Target) -> AsyncIterator[Any]:
    """Connect to a scheduler; SchedulerLostError if none answers."""
    from distributed import Client  # noqa: PLC0415, TID251 - of the extra

    _quiet()
    where = target.address or None
    file = None if target.scheduler_file is None else str(target.scheduler_file)
    if file is not None and not target.scheduler_file.is_file():  # type: ignore[union-attr]
        raise SchedulerLostError(f"{file} is not there, which a scheduler writes ({_START})")
    try:
        client = await Client(
            where,
            scheduler_file=file,
            asynchronous=True,
            set_as_default=False,
            timeout=_CONNECT_S,
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise SchedulerLostError(f"no scheduler answers at {target} ({error})") from error
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            await client.close(timeout=1)


async def call(
    client: Any,
    address: str,
    function: Callable[..., Any],
    *arguments: Any,
    limit_s: float = _ANSWER_S,
) -> Any:
    """Call a function on a worker; SilentError if it does not answer, else what it raises."""
    try:
        answers = await asyncio.wait_for(
            client.run(function, *arguments, workers=[address], on_error="return"), limit_s
        )
        answer = answers[address]
    except TimeoutError as error:
        raise SilentError(f"not within {limit_s:.0f} s") from error
    except (OSError, KeyError, AttributeError) as error:
        # AttributeError: a client that has lost its scheduler has no way to it.
        raise SchedulerLostError(
            f"the scheduler is gone: {type(error).__name__} {error}"
        ) from error
    if isinstance(answer, OSError | TimeoutError):
        raise SilentError(f"{type(answer).__name__} {answer}") from answer
    if isinstance(answer, Exception):
        raise answer
    return answer


async def threads_of(client: Any, limit_s: float = _ANSWER_S) -> dict[str, int]:
    """Return the workers that are there, and how many tasks each does at a time."""
    if client.status != "running":
        raise SchedulerLostError(f"the scheduler is gone (the connection is {client.status})")
    try:
        found = await asyncio.wait_for(client.scheduler.ncores(), limit_s)
    except (TimeoutError, OSError, AttributeError) as error:
        raise SchedulerLostError(
            f"the scheduler does not answer ({type(error).__name__})"
        ) from error
    return dict(found)


async def require_scheduler(target: Target) -> None:
    """Raise HostError if no scheduler answers, or one of another version than ours."""
    try:
        async with client_of(target) as client:
            versions = await client.scheduler.versions(packages=[])
    except SchedulerLostError as error:
        raise HostError(f"{error}; start one with `{_START}`, see docs/howto/cluster.md") from error
    theirs, ours = versions["packages"].get(ENGINE), engine_version().split()[0]
    if theirs != ours:
        raise HostError(
            f"the scheduler at {target} is {ENGINE} {theirs}, this host has {ours}; install the "
            f"same: pip install {ENGINE}=={theirs}"
        )


def _quiet() -> None:
    """Keep dask from logging that workers come and go: who uses them tells it."""
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == ENGINE:  # each has a level of its own
            logging.getLogger(name).setLevel(logging.CRITICAL)

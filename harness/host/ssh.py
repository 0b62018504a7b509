# SPDX-License-Identifier: GPL-2.0-only
"""Commands and files over ssh to a live guest on this machine's loopback.

The key belongs to one run, the guest's host key was read from its console, and nothing
of the user's own ssh configuration, agent or known hosts takes part.
"""

import contextlib
import logging
import socket  # noqa: TID251 - a free port of the loopback
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import GuestLostError
from harness.host import command
from harness.host.deadline import Deadline
from harness.limits import GUEST_FILE_BYTES_MAX

logger = logging.getLogger("run")

LOOPBACK = "127.0.0.1"
_USER = "root"
_KEEPALIVE_S = 5
_POLL_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A host's public key as ssh prints it."""

    kind: str
    base64: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the guest listens and who it must be."""

    port: int
    private_key: Path
    host_key: HostKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A finished remote command."""

    exit: int
    output: bytes
    complaint: str


def load() -> None:
    """Import what is slow to import, while the guest boots and nothing else is to be done."""
    import fabric  # noqa: F401, PLC0415, TID251


def free_port() -> int:
    """Return a port of the loopback that is free now; someone may still take it first."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def make_key(directory: Path) -> Path:
    """Make a key pair for one run; return the private key, the public one has suffix .pub."""
    path = directory / "id_ed25519"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "buddylab", "-f", str(path)]
    command.run(argv, deadline=Deadline.after(30.0, "ssh-keygen"))
    return path


def command_line(address: Address, known_hosts: Path) -> tuple[str, ...]:
    """Write the known-hosts file and return the ssh command for a person."""
    key = address.host_key
    known_hosts.write_text(f"[{LOOPBACK}]:{address.port} {key.kind} {key.base64}\n")
    return (
        *("ssh", "-F", "none", "-i", str(address.private_key), "-p", str(address.port)),
        *("-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={known_hosts}"),
        *("-o", "StrictHostKeyChecking=yes", f"{_USER}@{LOOPBACK}"),
    )


def _bounded_runner() -> type:
    """Return what runs a command of fabric's, and gives up a guest that says too much."""
    import fabric.runners  # noqa: PLC0415, TID251 - slow to import

    class Bounded(fabric.runners.Remote):  # type: ignore[misc]
        read_bytes = 0

        def read_proc_stdout(self, num_bytes: int) -> bytes:
            content: bytes = super().read_proc_stdout(num_bytes)
            self.read_bytes += len(content)
            if self.read_bytes > GUEST_FILE_BYTES_MAX:
                raise ValueError(f"it said more than {GUEST_FILE_BYTES_MAX >> 20} MiB")
            return content

    return Bounded


class Session:
    """An open connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, line: str, deadline: Deadline) -> Answer:
        """Run a shell line in root's home directory; its output is bytes."""
        logger.debug("guest$ %s", line)
        try:
            result = self._wait_for(line, deadline)
        except GuestLostError:
            raise
        except Exception as error:  # paramiko, invoke and sockets each have their own
            raise GuestLostError("exit", f"`{line}` over ssh broke off: {error!r}") from error
        if result.exited < 0:  # the channel closed before a status came
            raise GuestLostError("exit", f"`{line}` over ssh broke off without a status")
        return Answer(
            exit=result.exited,
            output=result.stdout.encode("latin-1"),
            complaint=result.stderr.encode("latin-1").decode(errors="replace"),
        )

    def _wait_for(self, line: str, deadline: Deadline) -> Any:
        # Waited for here: the timer thread of fabric's own time-out races with the end of the
        # command, and loses its exceptions.
        promise = self._connection.run(
            line,
            asynchronous=True,
            hide=True,
            warn=True,
            in_stream=False,  # pytest and pipes have no terminal to read from
            encoding="latin-1",  # bytes in, the same bytes out
        )
        while not (promise.runner.process_is_finished or promise.runner.has_dead_threads):
            if deadline.expired:
                raise GuestLostError(
                    "deadline", f"`{line}` over ssh was not over within {deadline.limit_s:.0f} s"
                )
            time.sleep(_POLL_S)
        return promise.join()


@contextlib.contextmanager
def connected(address: Address, deadline: Deadline) -> Iterator[Session]:
    """Log in to the guest with its pinned key; anyone else behind the port is refused."""
    import fabric  # noqa: PLC0415, TID251 - the one importer; slow to import
    import paramiko  # noqa: PLC0415

    seconds = max(1.0, deadline.remaining_s)
    connection = fabric.Connection(
        LOOPBACK,
        user=_USER,
        port=address.port,
        config=fabric.Config(
            overrides={"load_ssh_configs": False, "runners": {"remote": _bounded_runner()}},
            lazy=True,
        ),
        connect_timeout=seconds,
        connect_kwargs={
            "key_filename": str(address.private_key),
            "allow_agent": False,
            "look_for_keys": False,
            "banner_timeout": seconds,
            "auth_timeout": seconds,
        },
    )
    with contextlib.closing(connection):
        _pin(connection.client, address, paramiko)
        try:
            connection.open()
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise GuestLostError(
                "exit", f"no ssh to the guest on {LOOPBACK}:{address.port}: {error!r}"
            ) from error
        connection.transport.set_keepalive(_KEEPALIVE_S)
        yield Session(connection)


def _pin(client: Any, address: Address, paramiko: Any) -> None:
    key = paramiko.PKey.from_type_string(address.host_key.kind, _decoded(address.host_key.base64))
    client.get_host_keys().add(f"[{LOOPBACK}]:{address.port}", address.host_key.kind, key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())


def _decoded(text: str) -> bytes:
    import base64  # noqa: PLC0415

    return base64.b64decode(text, validate=True)

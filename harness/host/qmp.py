"""QEMU's monitor protocol: wait for a guest that stops itself, read its memory, let it go on.

The only importer of qemu.qmp. Nothing here is seen by the guest: while it is paused its clock
stands still, and between two pauses the monitor is only asked for its state.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from qemu.qmp import QMPError  # noqa: TID251 - the one importer
from qemu.qmp.legacy import QEMUMonitorProtocol  # noqa: TID251

from harness.errors import GuestLostError
from harness.host.deadline import Deadline

_POLL_S = 0.005
_PAUSED = "guest-panicked"  # what QEMU calls a guest that wrote to pvpanic's port
_MAX_READ_BYTES = 1 << 20


class Monitor:
    """An open connection to one QEMU."""

    def __init__(self, protocol: QEMUMonitorProtocol) -> None:
        self._protocol = protocol

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

    def resume(self) -> None:
        """Let the guest go on."""
        self._command("cont")

    def _status(self) -> str:
        answer = self._command("query-status")
        return str(answer["status"]) if isinstance(answer, dict) else ""

    def _command(self, name: str, **arguments: object) -> object:
        try:
            return self._protocol.cmd(name, **arguments)
        except (TimeoutError, QMPError, OSError) as error:
            raise GuestLostError(
                "exit", f"QEMU's monitor does not answer {name}: {error}"
            ) from error


@contextlib.contextmanager
def connected(path: Path, deadline: Deadline) -> Iterator[Monitor]:
    """Connect to the monitor's socket; on leaving the connection is closed."""
    protocol = QEMUMonitorProtocol(str(path))
    protocol.settimeout(max(1.0, deadline.remaining_s))
    try:
        protocol.connect()
    except (TimeoutError, QMPError, OSError) as error:
        raise GuestLostError("exit", f"no QEMU answers at its monitor: {error}") from error
    try:
        yield Monitor(protocol)
    finally:
        with contextlib.suppress(QMPError, OSError):
            protocol.close()

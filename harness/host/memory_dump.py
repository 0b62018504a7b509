# SPDX-License-Identifier: GPL-2.0-only
"""A hanging guest's memory, for crash(8): kept in $BUDDYLAB_MEMORY_DUMP, if that is set.

An ELF file as QEMU's dump-guest-memory writes it, which the harness takes from a pipe: no file that
QEMU writes itself may be as large. It may hold the run's keys, so it is its user's alone.
"""

import os
import secrets
import threading
from pathlib import Path

from harness.errors import GuestLostError, HostError, UserError
from harness.host import qmp
from harness.host.disk import free_mib

CHOICE = "BUDDYLAB_MEMORY_DUMP"
LIMIT_S = 120.0
# Beside the guest's memory: its firmware, its devices' own, and what describes them all.
_MARGIN_MIB = 128
_CHUNK_BYTES = 256 << 10


def require_room(memory_mib: int) -> Path | None:
    """Return the folder for the memory of a guest, None if nobody wants it; before the guest runs.

    UserError if it is none, HostError if so much finds no room there.
    """
    if not (named := os.environ.get(CHOICE)):
        return None
    folder = Path(named)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"${CHOICE} is {named!r}, which is no folder that can be written to; make it, or unset "
            f"${CHOICE} to keep no guest's memory"
        )
    needed_mib = memory_mib + _MARGIN_MIB
    if (free := free_mib(folder)) < needed_mib:
        raise HostError(
            f"a guest's memory of {memory_mib} MiB needs {needed_mib} MiB in {folder}, which has "
            f"{free} MiB free; free some, or unset ${CHOICE} to keep no guest's memory"
        )
    return folder


def save(monitor: qmp.Monitor, folder: Path, memory_mib: int) -> str:
    """Write the memory into `folder`, and say where it is or why it is not."""
    path = folder / f"memory-{secrets.token_hex(4)}.elf"
    read, write = os.pipe()
    taker = _Taker(read, path, (memory_mib + _MARGIN_MIB) << 20)
    taker.start()
    try:
        monitor.dump_memory(write)  # closes it; QEMU closes its own at the end
    except GuestLostError as error:
        taker.failure = taker.failure or str(error).partition(": ")[2]
    taker.join(timeout=LIMIT_S)
    if taker.is_alive() or taker.failure:
        path.unlink(missing_ok=True)
        return f"its memory was not kept ({taker.failure or 'it came too slowly'})"
    return f"memory: {path}"


class _Taker(threading.Thread):
    """Takes what comes from a pipe into a file, with holes where there are zeros."""

    def __init__(self, pipe: int, path: Path, most_bytes: int) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._path = path
        self._most_bytes = most_bytes
        self.failure = ""

    def run(self) -> None:
        """Take all; QEMU, whose pipe breaks, ends its dump where this fails."""
        try:
            with os.fdopen(self._pipe, "rb", buffering=0) as source:
                file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(file, "wb", buffering=0) as target:
                    while chunk := source.read(_CHUNK_BYTES):
                        if target.tell() + len(chunk) > self._most_bytes:
                            self.failure = f"more came than {self._most_bytes >> 20} MiB"
                            return
                        if chunk.strip(b"\0"):
                            target.write(chunk)
                        else:
                            target.seek(len(chunk), os.SEEK_CUR)
                    target.truncate()
        except OSError as error:
            self.failure = error.strerror or str(error)

# SPDX-License-Identifier: GPL-2.0-only
"""Hold a guest within one instruction: it writes to a pipe that nobody empties.

kmod/cross_check_free.c sends the state of free memory, byte by byte, to a debug console of QEMU
that leads into a named pipe of one page, and then more zeros than the pipe holds. The virtual
CPU waits in the midst of an output instruction, and with -icount no time passes for it: there
is no event, no clock and no state of QEMU's that could tell how long the host has looked.
"""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import GuestLostError
from harness.host.deadline import Deadline
from harness.limits import FILLER_BYTES

_PIPE_BYTES = 4096  # one page, the least that Linux gives a pipe
_MOST_TEXT_BYTES = 1 << 20
_POLL_S = 0.001


class FreezePipe:
    """The host's end of the pipe; open before QEMU starts, so that neither waits for the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path, 0o600)
        # Open for writing as well: there is no end of file while QEMU is not there.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._zeros = 0

    def __enter__(self) -> Self:
        """Return the pipe itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; a guest that is still held is about to be ended."""
        os.close(self._pipe)

    def read_text(self, deadline: Deadline) -> bytes:
        """Return what the guest says, up to its first zero: from then on it is held.

        GuestLostError if that does not come before the deadline, or is larger than any text.
        """
        text = b""
        while b"\0" not in text:
            if len(text) > _MOST_TEXT_BYTES:
                raise GuestLostError("exit", f"the guest sent {len(text)} bytes and no end of it")
            text += self._read(deadline, "its state of free memory")
        text, _, rest = text.partition(b"\0")
        self._zeros = 1 + len(rest)
        return text

    def release(self, deadline: Deadline) -> None:
        """Take the rest, upon which the guest goes on."""
        while self._zeros < FILLER_BYTES:
            self._zeros += len(self._read(deadline, "the rest of its text"))
        if self._zeros != FILLER_BYTES:
            raise GuestLostError(
                "exit", f"the guest sent {self._zeros} zeros, not {FILLER_BYTES}; rebuild its image"
            )

    def _read(self, deadline: Deadline, what: str) -> bytes:
        while True:
            try:
                return os.read(self._pipe, _PIPE_BYTES)
            except BlockingIOError:
                if deadline.expired:
                    raise GuestLostError(
                        "hang", f"the guest did not send {what} within {deadline.limit_s:.0f} s"
                    ) from None
                time.sleep(_POLL_S)

# SPDX-License-Identifier: GPL-2.0-only
"""A dialogue with a shell on a live guest's console.

QEMU gives the console as a unix socket and keeps everything in a file itself: a
reader comes when it has something to say and goes afterwards.
"""

import contextlib
import os
import re
import secrets
import select
import socket  # noqa: TID251 - the console is one
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pexpect  # noqa: TID251 - the one importer
from pexpect import socket_pexpect  # noqa: TID251

from harness.errors import GuestLostError, UserError
from harness.host.deadline import Deadline

LEAVE_KEY = "Ctrl-]"
_LEAVE_BYTE = b"\x1d"
_NUDGE_S = 0.3
_RETRY_S = 0.05
# Enough for what we ask; a guest that floods the console must not make matching slow.
_WINDOW_BYTES = 64 << 10
_CHUNK_BYTES = 4096


class Console:
    """A shell prompt that answers commands."""

    def __init__(self, connection: socket.socket) -> None:
        self._spawn = socket_pexpect.SocketSpawn(
            connection, maxread=_CHUNK_BYTES, searchwindowsize=_WINDOW_BYTES
        )

    def wait_for_shell(self, deadline: Deadline) -> None:
        """Ask until a shell answers: it may start after the guest says that it is ready."""
        token = secrets.token_hex(8)
        while not deadline.expired:
            self._say(f"stty -echo; {_echo(token)}")
            if self._expect(token.encode(), deadline.within(_NUDGE_S, "an answer")):
                self._drain()
                return
        raise _no_answer("no shell answers", deadline)

    def run(self, line: str, deadline: Deadline) -> tuple[int, str]:
        """Run one shell line; return its status and what it printed.

        The markers are written in two halves, so that an echo of the line never matches.
        """
        token = secrets.token_hex(8)
        self._say(f"{_echo(token)}; {line}; {_echo(token, suffix=':$?:')}")
        if not self._expect(token.encode() + rb"\r?\n", deadline):
            raise _no_answer(f"`{line}` did not start", deadline)
        if not self._expect(token.encode() + rb":(\d+):", deadline):
            raise _no_answer(f"`{line}` did not end", deadline)
        match, before = self._spawn.match, self._spawn.before
        return int(match[1]), before.decode(errors="replace").replace("\r", "")

    def tell(self, line: str) -> None:
        """Send a line and wait for nothing."""
        self._say(line)

    def _say(self, line: str) -> None:
        try:
            self._spawn.sendline(line.encode())
        except OSError as error:
            raise GuestLostError("exit", f"the console closed ({error})") from error

    def _expect(self, pattern: bytes, deadline: Deadline) -> bool:
        try:
            self._spawn.expect(re.compile(pattern), timeout=deadline.remaining_s)
        except pexpect.TIMEOUT:
            return False
        except (pexpect.EOF, OSError) as error:
            raise GuestLostError("exit", "the console closed while it was read") from error
        return True

    def _drain(self) -> None:
        """Drop the late answers to earlier nudges."""
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF, OSError):
            while True:
                self._spawn.read_nonblocking(_CHUNK_BYTES, timeout=_RETRY_S)


def _echo(token: str, *, suffix: str = "") -> str:
    half = len(token) // 2
    return f'echo "{token[:half]}""{token[half:]}{suffix}"'


def _no_answer(fact: str, deadline: Deadline) -> GuestLostError:
    return GuestLostError("hang", f"{fact} on the console within {deadline.limit_s:.0f} s")


@contextlib.contextmanager
def attached(path: Path, deadline: Deadline) -> Iterator[Console]:
    """Listen to the console at the unix socket `path`; let go of it on leaving."""
    with contextlib.closing(_connected(path, deadline)) as connection:
        yield Console(connection)


def _connected(path: Path, deadline: Deadline) -> socket.socket:
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            if deadline.expired:
                raise GuestLostError(
                    "exit", f"QEMU offers no console at {path} ({error.strerror})"
                ) from error
            time.sleep(_RETRY_S)
        else:
            return connection


def require_terminal() -> None:
    """Refuse to open a shell for a program."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            "`buddylab shell` needs a terminal on standard input and output; "
            "run it in one, or use `buddylab run` for unattended work"
        )


def interact(path: Path, deadline: Deadline) -> None:
    """Join the terminal and the console until LEAVE_KEY is pressed or the guest ends."""
    require_terminal()
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    saved = termios.tcgetattr(keyboard)
    with contextlib.closing(_connected(path, deadline)) as connection:
        tty.setraw(keyboard)
        try:
            connection.sendall(b"\n")  # makes the shell show its prompt
            _join(keyboard, screen, connection)
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)


def _join(keyboard: int, screen: int, connection: socket.socket) -> None:
    while True:
        readable, _, _ = select.select([keyboard, connection.fileno()], [], [])
        if connection.fileno() in readable:
            shown = connection.recv(_CHUNK_BYTES)
            if not shown:  # QEMU ended
                return
            os.write(screen, shown)
        if keyboard in readable:
            typed = os.read(keyboard, _CHUNK_BYTES)
            before, leave, _ = typed.partition(_LEAVE_BYTE)
            connection.sendall(before)
            if leave or not typed:
                return

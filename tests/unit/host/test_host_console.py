# SPDX-License-Identifier: GPL-2.0-only
"""The dialogue on a console: echoes do not deceive it, silence and end of file end it."""

import contextlib
import os
import pty
import socket  # noqa: TID251 - plays QEMU's side of the console
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.errors import GuestLostError, UserError
from harness.host import command, console
from harness.host.deadline import Deadline

Answer = Callable[[str], str | None]


def soon(limit_s: float = 10.0) -> Deadline:
    return Deadline.after(limit_s, "a test")


def as_shell(line: str) -> str:
    """Echo the line like a terminal, then run it."""
    done = command.run(["bash", "-c", line], deadline=soon(), ok=None)
    return f"buddylab# {line}\r\n{done.output}".replace("\n", "\r\n")


@contextlib.contextmanager
def serving(path: Path, answer: Answer) -> Iterator[None]:
    """Listen at `path`; answer each line; None hangs up."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def talk() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as lines:
                    for line in lines:
                        reply = answer(line.decode().rstrip("\n"))
                        if reply is None:
                            break
                        connection.sendall(reply.encode())

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=5)


def test_commands_are_run_and_read(tmp_path: Path) -> None:
    with serving(tmp_path / "c", as_shell), console.attached(tmp_path / "c", soon()) as shell:
        shell.wait_for_shell(soon())
        assert shell.run("echo hello; echo there", soon()) == (0, "hello\nthere\n")
        assert shell.run("(exit 3)", soon()) == (3, "")


def test_a_shell_that_starts_late_is_waited_for(tmp_path: Path) -> None:
    asked: list[str] = []

    def sleepy(line: str) -> str:
        asked.append(line)
        return as_shell(line) if len(asked) > 2 else ""

    with serving(tmp_path / "c", sleepy), console.attached(tmp_path / "c", soon()) as shell:
        shell.wait_for_shell(soon())
    assert len(asked) == 3


def test_an_echo_alone_is_no_answer(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "c", lambda line: f"{line}\r\n"),
        console.attached(tmp_path / "c", soon()) as shell,
        pytest.raises(GuestLostError, match="no shell answers on the console within 1 s") as error,
    ):
        shell.wait_for_shell(soon(1.0))
    assert error.value.reason == "hang"


def test_a_command_without_an_end_is_a_hang(tmp_path: Path) -> None:
    def stuck(line: str) -> str:
        return as_shell(line.partition(";")[0])

    with (
        serving(tmp_path / "c", stuck),
        console.attached(tmp_path / "c", soon()) as shell,
        pytest.raises(GuestLostError, match="`sleep 9` did not end"),
    ):
        shell.run("sleep 9", soon(0.5))


def test_a_console_that_closes_is_a_lost_guest(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "c", lambda _: None),
        console.attached(tmp_path / "c", soon()) as shell,
        pytest.raises(GuestLostError, match="closed") as error,
    ):
        shell.wait_for_shell(soon())
    assert error.value.reason == "exit"


def test_no_console_at_all(tmp_path: Path) -> None:
    with (
        pytest.raises(GuestLostError, match="QEMU offers no console"),
        console.attached(tmp_path / "absent", soon(0.2)),
    ):
        pass


def test_a_shell_without_a_terminal_is_refused() -> None:
    with pytest.raises(UserError, match="needs a terminal"):
        console.require_terminal()


def test_interact_joins_terminal_and_console_until_the_leave_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, terminal = pty.openpty()
    said: list[str] = []

    def answer(line: str) -> str:
        said.append(line)
        os.write(person, b"\x1d")
        return f"you said {line}\r\n"

    with (
        serving(tmp_path / "c", answer),
        open(terminal, "r+b", buffering=0) as device,  # noqa: PTH123 - a file descriptor
    ):
        monkeypatch.setattr(sys, "stdin", device)
        monkeypatch.setattr(sys, "stdout", device)
        console.interact(tmp_path / "c", soon())
        os.write(terminal, b"done")
    shown = os.read(person, 1000)
    os.close(person)
    assert said == [""]
    assert shown.endswith(b"done")

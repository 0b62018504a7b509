# SPDX-License-Identifier: GPL-2.0-only
"""The pipe that holds a guest: what it says is read whole, and it goes on only when let."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import GuestLostError
from harness.host.deadline import Deadline
from harness.host.freeze import FreezePipe
from harness.limits import FILLER_BYTES

TEXT = b"cross_check free 1\n" + b"x" * 9000 + b"\nend\n"


class Guest:
    """Writes as the virtual CPU does: waits whenever the pipe is full."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.done = threading.Event()
        self._path = path
        self._content = content
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        with self._path.open("wb", buffering=0) as pipe:
            for start in range(0, len(self._content), 100):
                pipe.write(self._content[start : start + 100])
        self.done.set()

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[FreezePipe]:
    with FreezePipe(tmp_path / "freeze") as opened:
        yield opened


def soon() -> Deadline:
    return Deadline.after(5.0, "a test")


def test_the_guest_is_held_until_it_is_released(pipe: FreezePipe) -> None:
    guest = Guest(pipe.path, TEXT + bytes(FILLER_BYTES))

    assert pipe.read_text(soon()) == TEXT
    assert not guest.done.wait(0.2)

    pipe.release(soon())
    assert guest.done.wait(5.0)
    guest.join()


def test_it_can_be_held_a_second_time(pipe: FreezePipe) -> None:
    for text in (TEXT, b"short\n"):
        guest = Guest(pipe.path, text + bytes(FILLER_BYTES))
        assert pipe.read_text(soon()) == text
        pipe.release(soon())
        guest.join()


def test_a_guest_that_says_nothing_is_lost(pipe: FreezePipe) -> None:
    with pytest.raises(GuestLostError, match="did not send its state"):
        pipe.read_text(Deadline.after(0.05, "a test"))


def test_a_guest_that_stops_in_the_midst_is_lost(pipe: FreezePipe) -> None:
    guest = Guest(pipe.path, TEXT + bytes(100))
    pipe.read_text(soon())

    with pytest.raises(GuestLostError, match="did not send the rest"):
        pipe.release(Deadline.after(0.05, "a test"))
    guest.join()


def test_a_guest_of_another_version_is_refused(pipe: FreezePipe) -> None:
    guest = Guest(pipe.path, TEXT + bytes(FILLER_BYTES + 1))
    pipe.read_text(soon())

    with pytest.raises(GuestLostError, match="rebuild its image"):
        pipe.release(soon())
    os.read(os.open(pipe.path, os.O_RDONLY | os.O_NONBLOCK), 1 << 16) if not guest.done.wait(
        0.2
    ) else None
    guest.join()

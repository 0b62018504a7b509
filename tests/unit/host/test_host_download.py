# SPDX-License-Identifier: GPL-2.0-only
"""Servers that never come to an end, or to the point: given up within the limits."""

import socket  # noqa: TID251 - the server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.host import download
from harness.host.deadline import Deadline
from harness.host.download import DigestError, UnreachableError

_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
_DIGEST = "0" * 64


@contextmanager
def server(body: Callable[[socket.socket], None]) -> Iterator[str]:
    """Answer one request with `body`, for as long as somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(4096)
                connection.sendall(_HEAD)
                while True:
                    body(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/linux.tar.xz"


def dribble(connection: socket.socket) -> None:
    connection.sendall(b"x")
    time.sleep(0.02)


def flood(connection: socket.socket) -> None:
    connection.sendall(bytes(1 << 16))


def bring(url: str, folder: Path, *, limit_s: float) -> None:
    deadline = Deadline.after(limit_s, "the test")
    download.download(url, folder / "it", sha256=_DIGEST, deadline=deadline)


def test_a_byte_at_a_time_does_not_evade_the_deadline(tmp_path: Path) -> None:
    began = time.monotonic()
    with server(dribble) as url, pytest.raises(UnreachableError, match=r"not done within 1 s"):
        bring(url, tmp_path, limit_s=1.0)
    with server(dribble) as url, pytest.raises(UnreachableError, match=r"bytes in 1 s"):
        download.read_whole(url, bytes_max=1 << 20, deadline=Deadline.after(1.0, "the test"))
    assert time.monotonic() - began < 20


def test_what_has_no_end_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "FILE_BYTES_MAX", 4 << 20)
    with server(flood) as url, pytest.raises(DigestError, match=r"goes on beyond 4 MiB"):
        bring(url, tmp_path, limit_s=60.0)
    assert list(tmp_path.iterdir()) == []

# SPDX-License-Identifier: GPL-2.0-only
"""ssh to the loopback: the pinned host key or nobody, bytes as they are, deadlines kept."""

import base64
import contextlib
import socket  # noqa: TID251 - the server's side
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from harness.errors import GuestLostError
from harness.host import ssh
from harness.host.deadline import Deadline

EVERY_BYTE = bytes(range(256)) * 64


def soon(limit_s: float = 10.0) -> Deadline:
    return Deadline.after(limit_s, "a test")


class _Guest(paramiko.ServerInterface):  # type: ignore[misc]
    """Lets one key in and answers a few commands."""

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed

    def check_auth_publickey(self, _username: str, key: Any) -> int:
        is_allowed = key.get_base64() == self.allowed
        result: int = paramiko.AUTH_SUCCESSFUL if is_allowed else paramiko.AUTH_FAILED
        return result

    def get_allowed_auths(self, _username: str) -> str:
        return "publickey"

    def check_channel_request(self, _kind: str, _number: int) -> int:
        result: int = paramiko.OPEN_SUCCEEDED
        return result

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        threading.Thread(target=self._answer, args=(channel, command.decode()), daemon=True).start()
        return True

    def _answer(self, channel: Any, line: str) -> None:
        with contextlib.suppress(Exception):
            time.sleep(0.1)  # the request is confirmed first
            if line == "bytes":
                channel.sendall(EVERY_BYTE)
            elif line == "fail":
                channel.sendall_stderr(b"sorry \xff\n")
            elif line == "die":
                channel.get_transport().close()
                return
            else:
                time.sleep(30)
            channel.send_exit_status(3 if line == "fail" else 0)
            channel.close()


@contextlib.contextmanager
def guest(tmp_path: Path) -> Iterator[ssh.Address]:
    """Run an ssh server on the loopback; yield its address with the right key."""
    private = ssh.make_key(tmp_path)
    allowed = private.with_suffix(".pub").read_text().split()[1]
    host_folder = tmp_path / "host"
    host_folder.mkdir()
    host = paramiko.Ed25519Key.from_private_key_file(str(ssh.make_key(host_folder)))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    transports: list[Any] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                transport = paramiko.Transport(connection)
                transports.append(transport)
                transport.add_server_key(host)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(server=_Guest(allowed))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield ssh.Address(
            port=listener.getsockname()[1],
            private_key=private,
            host_key=ssh.HostKey(kind="ssh-ed25519", base64=host.get_base64()),
        )
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)
        for transport in transports:
            transport.close()


def test_bytes_and_status_come_back_as_they_are(tmp_path: Path) -> None:
    with guest(tmp_path) as address, ssh.connected(address, soon()) as session:
        answer = session.run("bytes", soon())
        assert answer.exit == 0
        assert answer.output == EVERY_BYTE
        failed = session.run("fail", soon())
        assert (failed.exit, failed.output) == (3, b"")
        assert failed.complaint == "sorry \ufffd\n"


def test_another_host_key_is_refused(tmp_path: Path) -> None:
    stranger = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(1, 33))).decode()
    with guest(tmp_path) as address:
        wrong = ssh.Address(
            port=address.port,
            private_key=address.private_key,
            host_key=ssh.HostKey(kind="ssh-ed25519", base64=stranger),
        )
        with pytest.raises(GuestLostError, match="BadHostKey"), ssh.connected(wrong, soon()):
            pass


def test_another_user_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = ssh.make_key(tmp_path / "other")
    with guest(tmp_path) as address:
        wrong = ssh.Address(port=address.port, private_key=other, host_key=address.host_key)
        with pytest.raises(GuestLostError, match="Authentication"), ssh.connected(wrong, soon()):
            pass


def test_a_command_has_a_deadline(tmp_path: Path) -> None:
    with (
        guest(tmp_path) as address,
        ssh.connected(address, soon()) as session,
        pytest.raises(GuestLostError, match="`sleep` over ssh was not over within 1 s") as error,
    ):
        session.run("sleep", soon(1.0))
    assert error.value.reason == "deadline"


def test_a_connection_that_breaks_off_is_a_lost_guest(tmp_path: Path) -> None:
    with (
        guest(tmp_path) as address,
        ssh.connected(address, soon()) as session,
        pytest.raises(GuestLostError),
    ):
        session.run("die", soon())


def test_nobody_listens(tmp_path: Path) -> None:
    address = ssh.Address(
        port=ssh.free_port(),
        private_key=ssh.make_key(tmp_path),
        host_key=ssh.HostKey(
            kind="ssh-ed25519",
            base64=(tmp_path / "id_ed25519.pub").read_text().split()[1],
        ),
    )
    with pytest.raises(GuestLostError, match="no ssh to the guest"), ssh.connected(address, soon()):
        pass


def test_the_command_for_a_person_pins_the_key_too(tmp_path: Path) -> None:
    address = ssh.Address(
        port=40123,
        private_key=tmp_path / "id",
        host_key=ssh.HostKey(kind="ssh-ed25519", base64="AAAA"),
    )
    line = " ".join(ssh.command_line(address, tmp_path / "known"))
    assert (tmp_path / "known").read_text() == "[127.0.0.1]:40123 ssh-ed25519 AAAA\n"
    assert "StrictHostKeyChecking=yes" in line
    assert "-p 40123" in line

"""The monitor's client against a pretended QEMU that speaks QMP on a unix socket."""

import json
import socket  # noqa: TID251 - the other end of the monitor
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import GuestLostError
from harness.host import qmp
from harness.host.deadline import Deadline

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}, "capabilities": []}}
MEMORY = b"buddy_witness free 1\nend\n" + b"\0" * 40


class Pretender:
    """Answers one client; `states` is what it says of the guest, the last one for ever."""

    def __init__(self, path: Path, states: list[str]) -> None:
        self.path = path
        self.states = states
        self.asked: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as client, client.makefile("rw") as stream:
            self._say(stream, GREETING)
            for line in stream:
                request = json.loads(line)
                self._say(stream, {**self._answer(request), "id": request.get("id")})

    @staticmethod
    def _say(stream: object, message: object) -> None:
        stream.write(json.dumps(message) + "\n")  # type: ignore[attr-defined]
        stream.flush()  # type: ignore[attr-defined]

    def _answer(self, request: dict[str, object]) -> dict[str, object]:
        name = str(request["execute"])
        self.asked.append(name)
        if name == "query-status":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return {"return": {"status": state, "running": state == "running"}}
        if name == "pmemsave":
            arguments = request["arguments"]
            assert isinstance(arguments, dict)
            Path(arguments["filename"]).write_bytes(MEMORY[: arguments["size"]])
        if name == "system_reset":
            return {"error": {"class": "GenericError", "desc": "no"}}
        return {"return": {}}


@pytest.fixture
def pretender(tmp_path: Path) -> Iterator[Pretender]:
    pretended = Pretender(tmp_path / "monitor", ["running", "running", "guest-panicked"])
    yield pretended
    pretended.thread.join(timeout=5)
    assert not pretended.thread.is_alive()


def soon(limit_s: float = 5.0) -> Deadline:
    return Deadline.after(limit_s, "the pause")


def test_a_paused_guest_is_read_and_goes_on(pretender: Pretender, tmp_path: Path) -> None:
    scratch = tmp_path / "memory"
    with qmp.connected(pretender.path, soon()) as monitor:
        monitor.wait_for_pause(soon())
        assert monitor.physical_memory(0x1000, len(MEMORY), scratch) == MEMORY
        monitor.resume()

    assert pretender.asked[1:] == ["query-status"] * 3 + ["pmemsave", "cont"]
    assert not scratch.exists()


def test_a_guest_that_does_not_stop_is_lost(pretender: Pretender) -> None:
    pretender.states = ["running"]
    with (
        qmp.connected(pretender.path, soon()) as monitor,
        pytest.raises(GuestLostError, match="calls it running"),
    ):
        monitor.wait_for_pause(soon(0.1))


def test_a_guest_that_stopped_otherwise_is_lost_at_once(pretender: Pretender) -> None:
    pretender.states = ["io-error"]
    with (
        qmp.connected(pretender.path, soon()) as monitor,
        pytest.raises(GuestLostError, match="calls it io-error"),
    ):
        monitor.wait_for_pause(soon())


@pytest.mark.parametrize("size", [0, 1 << 30])
def test_only_so_much_memory_is_read(pretender: Pretender, tmp_path: Path, size: int) -> None:
    with (
        qmp.connected(pretender.path, soon()) as monitor,
        pytest.raises(GuestLostError, match="refused"),
    ):
        monitor.physical_memory(0, size, tmp_path / "memory")


def test_no_monitor_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(GuestLostError, match="no QEMU answers"),
        qmp.connected(tmp_path / "absent", soon()),
    ):
        pass

# SPDX-License-Identifier: GPL-2.0-only
"""The monitor, against a socket that answers as QEMU would when something is wrong."""

import contextlib
import json
import socket  # noqa: TID251 - the fake
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import GuestLostError
from harness.guest_memory import MemoryLayout
from harness.host import qmp
from harness.host.deadline import Deadline
from harness.host.qemu_memory import plugged_in

Answer = Callable[[Mapping[str, object]], object]
HUNG_UP = object()
GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": []}}
DENIED = {"error": {"class": "GenericError", "desc": "not now"}}
_LIMIT_S = 5.0


def status(word: str) -> Answer:
    return lambda _: {"status": word, "running": word == "running"}


@contextlib.contextmanager
def monitor(folder: Path, answers: Mapping[str, Answer]) -> Iterator[qmp.Monitor]:
    """Serve one connection; commands without an answer are obeyed and say nothing."""
    path = folder / "qmp"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(_LIMIT_S)
        thread = threading.Thread(target=_serve, args=(server, answers), daemon=True)
        thread.start()
        with qmp.connected(path, Deadline.after(_LIMIT_S, "the test")) as connected:
            yield connected
    thread.join(_LIMIT_S)


def _serve(server: socket.socket, answers: Mapping[str, Answer]) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(_line(GREETING))
        for command in _commands(connection):
            answer_to = answers.get(str(command["execute"]), status("obeyed"))
            answer = answer_to(command.get("arguments", {}))
            if answer is HUNG_UP:
                return
            named = {"id": command["id"]} if "id" in command else {}
            reply = DENIED if answer is DENIED else {"return": answer}
            with contextlib.suppress(OSError):  # whoever gave up waiting has hung up
                connection.sendall(_line({**named, **reply}))


def _line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\r\n"


def _commands(connection: socket.socket) -> Iterator[Any]:
    """Commands end where their JSON ends: no line break follows them."""
    text = ""
    while received := connection.recv(4096):
        text += received.decode()
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(text)
            text = ""


def soon() -> Deadline:
    return Deadline.after(0.05, "the test")


def later() -> Deadline:
    return Deadline.after(_LIMIT_S, "the test")


def test_a_guest_that_stops_itself_is_waited_for(tmp_path: Path) -> None:
    words = iter(["running", "running", "guest-panicked"])
    with monitor(tmp_path, {"query-status": lambda _: {"status": next(words)}}) as one:
        one.wait_for_pause(later())

    assert next(words, None) is None


def test_a_guest_that_does_not_stop_is_lost_at_the_deadline(tmp_path: Path) -> None:
    with (
        monitor(tmp_path, {"query-status": status("running")}) as one,
        pytest.raises(GuestLostError, match="calls it running") as caught,
    ):
        one.wait_for_pause(soon())

    assert caught.value.reason == "hang"


@pytest.mark.parametrize("word", ["shutdown", "internal-error", "io-error"])
def test_a_guest_that_ended_is_not_waited_for(word: str, tmp_path: Path) -> None:
    with (
        monitor(tmp_path, {"query-status": status(word)}) as one,
        pytest.raises(GuestLostError, match=f"calls it {word}"),
    ):
        one.wait_for_pause(Deadline.after(3600.0, "the test"))


def test_a_qemu_that_ends_is_told_with_the_command(tmp_path: Path) -> None:
    with (
        monitor(tmp_path, {"cont": lambda _: HUNG_UP}) as one,
        pytest.raises(GuestLostError, match="does not answer cont"),
    ):
        one.resume()


@pytest.mark.parametrize("has_socket", [False, True])
def test_a_qemu_that_is_stopped_as_it_starts_is_not_waited_for_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_socket: bool
) -> None:
    """Kill -STOP; the deadline of a whole preparation may be an hour away."""
    monkeypatch.setattr(qmp, "_ANSWER_S", 0.2)
    path = tmp_path / "qmp"
    an_hour = Deadline.after(3600.0, "the test")
    with socket.socket(socket.AF_UNIX) as stopped:
        if has_socket:
            stopped.bind(str(path))
            stopped.listen()
        with (
            pytest.raises(GuestLostError, match="no QEMU answers at its monitor"),
            qmp.connected(path, an_hour, starting=lambda: None),
        ):
            pass


def test_a_qemu_that_is_stopped_later_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monitor(tmp_path, {"cont": lambda _: time.sleep(2.0)}) as one:
        monkeypatch.setattr(qmp, "_ANSWER_S", 0.2)
        with pytest.raises(GuestLostError, match="not answer cont: it is silent, stopped or hangs"):
            one.resume()


def test_a_refused_command_is_told_with_the_reason(tmp_path: Path) -> None:
    with (
        monitor(tmp_path, {"migrate": lambda _: DENIED}) as one,
        pytest.raises(GuestLostError, match="migrate: not now"),
    ):
        one.save(tmp_path / "state", later())


@pytest.mark.parametrize("word", ["failed", "cancelled"])
def test_a_state_that_is_not_handed_over_is_no_state(word: str, tmp_path: Path) -> None:
    with (
        monitor(tmp_path, {"query-migrate": lambda _: {"status": word}}) as one,
        pytest.raises(GuestLostError, match=f"not handed over.*{word}"),
    ):
        one.save(tmp_path / "state", later())


def test_a_guest_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    """What wakes QEMU while the guest runs decides which of several CPUs is next."""
    (tmp_path / "state").write_bytes(b"saved")
    told: list[str] = []

    def hear(word: str) -> Answer:
        def heard(arguments: Mapping[str, object]) -> object:
            told.append(f"{word} {json.dumps(arguments)}")
            return {}

        return heard

    words = ("getfd", "migrate-set-parameters", "migrate-incoming", "query-migrate", "cont")
    with monitor(tmp_path, {word: hear(word) for word in words}) as one:
        one.go_on(tmp_path / "state")

    assert told == [
        'migrate-set-parameters {"announce-rounds": 0}',
        'getfd {"fdname": "state"}',
        'migrate-incoming {"uri": "fd:state"}',
    ]


def test_a_stream_that_never_ends_is_lost_at_the_deadline(tmp_path: Path) -> None:
    with (
        monitor(tmp_path, {"query-migrate": lambda _: {"status": "active"}}) as one,
        pytest.raises(GuestLostError, match="not handed over"),
    ):
        one.save(tmp_path / "state", soon())


def test_a_state_is_given_as_a_file_and_no_program_is_started(tmp_path: Path) -> None:
    told: list[object] = []

    def hear(arguments: Mapping[str, object]) -> object:
        told.append(arguments["uri"])
        return {}

    state = tmp_path / "it's"
    with monitor(tmp_path, {"migrate": hear, "query-migrate": status("completed")}) as one:
        one.save(state, later())

    assert told == ["fd:state"]
    assert stat.S_IMODE(state.stat().st_mode) == 0o600


def test_memory_is_read_by_way_of_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    def write(arguments: Mapping[str, object]) -> object:
        Path(str(arguments["filename"])).write_bytes(b"\1" * int(str(arguments["size"])))
        return {}

    scratch = tmp_path / "dump"
    with monitor(tmp_path, {"pmemsave": write}) as one:
        assert one.physical_memory(4096, 3, scratch) == b"\1\1\1"

    assert not scratch.exists()


@pytest.mark.parametrize("size", [0, -1, (1 << 20) + 1])
def test_a_size_that_only_a_broken_guest_offers_is_refused(size: int, tmp_path: Path) -> None:
    with (
        monitor(tmp_path, {}) as one,
        pytest.raises(GuestLostError, match="refused"),
    ):
        one.physical_memory(4096, size, tmp_path / "dump")


def test_a_qemu_that_ended_while_starting_is_not_waited_for(tmp_path: Path) -> None:
    with (
        pytest.raises(GuestLostError, match="no QEMU answers"),
        qmp.connected(tmp_path / "none", Deadline.after(3600.0, "the test"), starting=lambda: 1),
    ):
        pass


def test_a_qemu_that_never_listens_is_lost_at_the_deadline(tmp_path: Path) -> None:
    with (
        pytest.raises(GuestLostError, match="no QEMU answers"),
        qmp.connected(tmp_path / "none", soon(), starting=lambda: None),
    ):
        pass


def test_a_qemu_that_does_not_greet_is_lost_at_the_deadline(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "qmp"))
        server.listen()
        with (
            pytest.raises(GuestLostError, match="no QEMU answers"),
            qmp.connected(tmp_path / "qmp", soon(), starting=lambda: None),
        ):
            pass


def test_a_command_that_is_not_answered_is_lost_at_the_deadline(tmp_path: Path) -> None:
    let_go = threading.Event()
    with (
        monitor(tmp_path, {"query-status": lambda _: let_go.wait(_LIMIT_S) and {}}) as one,
        pytest.raises(GuestLostError, match="does not answer query-status"),
    ):
        one.wait_for_pause(soon())
    let_go.set()


def test_memory_is_plugged_in_before_its_device(tmp_path: Path) -> None:
    told: list[tuple[str, object]] = []

    def note(name: str) -> Answer:
        return lambda arguments: told.append((name, arguments))

    layout = MemoryLayout(nodes=2, hotplug_mib=128)
    answers = {name: note(name) for name in ("object-add", "device_add")}
    with monitor(tmp_path, answers) as one:
        one.plug(plugged_in(layout, tmp_path / "memory"))

    assert [name for name, _ in told] == ["object-add", "device_add"]
    assert told[0][1] == {
        "qom-type": "memory-backend-file",
        "id": "plugged_memory",
        "size": 128 << 20,
        "mem-path": f"{tmp_path}/memory-plugged",
        "share": True,
    }


def test_memory_that_qemu_refuses_is_told(tmp_path: Path) -> None:
    layout = MemoryLayout(hotplug_mib=128)
    with (
        monitor(tmp_path, {"device_add": lambda _: DENIED}) as one,
        pytest.raises(GuestLostError, match="does not answer device_add: not now"),
    ):
        one.plug(plugged_in(layout, tmp_path / "memory"))


RESET = {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}}


def test_a_monitor_that_is_listened_to_is_asked_once_and_before_qemu_starts() -> None:
    """What QEMU finds in the socket is the whole request; nothing more is said to it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        listening = qmp.Listening(ours)
        assert listening.heard() == b""
        assert json.loads(theirs.recv(4096)) == {"execute": "qmp_capabilities"}
        said = _line(GREETING) + _line({"return": {}}) + _line(RESET)
        theirs.sendall(said)
        theirs.close()
        assert listening.heard() == said
        assert listening.heard() == said  # after QEMU's end, too


def test_of_a_qemu_that_says_much_the_end_is_kept() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        listening = qmp.Listening(ours)
        theirs.sendall(_line(GREETING) + _line({"return": {}}))
        for number in range(3000):
            theirs.sendall(_line({"event": "RTC_CHANGE", "data": {"offset": number}}))
            if number % 100 == 0:
                listening.heard()
        theirs.sendall(_line(RESET))
        heard = listening.heard()
        assert len(heard) <= qmp._MOST_HEARD_BYTES
        assert heard.startswith(b'{"event": "RTC_CHANGE"')
        assert heard.endswith(_line(RESET))
        assert listening.taken() is ours  # that it answered once is not forgotten


def test_a_monitor_that_was_listened_to_is_spoken_to_in_the_end() -> None:
    ours, theirs = socket.socketpair()

    def serve() -> None:
        theirs.sendall(_line(GREETING))
        for command in _commands(theirs):
            named = {"id": command["id"]} if "id" in command else {}
            theirs.sendall(_line({**named, "return": {"status": "obeyed"}}))

    with ours, theirs:
        listening = qmp.Listening(ours)
        threading.Thread(target=serve, daemon=True).start()
        end = time.monotonic() + _LIMIT_S
        while b"return" not in listening.heard() and time.monotonic() < end:
            time.sleep(0.01)
        with qmp.connected(listening, Deadline.after(_LIMIT_S, "the test")) as connected:
            connected.inject_nmi()
        assert b"return" in listening.heard()  # as it was: the rest is the speaker's


def test_a_qemu_that_never_answered_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        listening = qmp.Listening(ours)
        limit = Deadline.after(_LIMIT_S, "the test")
        with (
            pytest.raises(qmp.MonitorError, match="no QEMU answers at its monitor"),
            qmp.connected(listening, limit),
        ):
            pass
        assert limit.remaining_s > _LIMIT_S / 2

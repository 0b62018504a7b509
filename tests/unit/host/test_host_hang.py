# SPDX-License-Identifier: GPL-2.0-only
"""A guest that hangs is looked at whoever waited for it, and what it should do is no sign."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_guest
import pytest

from harness.errors import GuestLostError
from harness.host import qemu, status_channel
from harness.host.deadline import Deadline
from harness.host.status_channel import Guest
from harness.stages import boot
from harness.values import CONSOLE_LOG

STOPPED = b'{"event": "GUEST_PANICKED", "data": {"action": "pause"}}\n{"event": "STOP"}\n'


@contextmanager
def guest_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: str = "hang"
) -> Iterator[Guest]:
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    bench = fake_guest.make_bench(tmp_path)
    settings = fake_guest.make_settings()
    speed = boot.measured_speed(bench.what, settings, bench.cache)
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", scenario)
    (tmp_path / "guest").mkdir(exist_ok=True)
    spec = boot.spec_of(bench.what, settings, speed, tmp_path / "guest")
    with qemu.launched(spec, log_path=tmp_path / "guest/qemu.log") as guest:
        yield guest
    assert fake.survivors() == []


def ready(guest: Guest) -> None:
    limits = status_channel.Limits(whole=Deadline.after(30.0, "the boot"), silence_s=30.0)
    status_channel.follow(guest, limits, until=status_channel.Ready)


def lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: GuestLostError) -> GuestLostError:
    """Wait for a guest that is then lost, in another way than by following it."""
    with pytest.raises(GuestLostError) as lost, guest_of(tmp_path, monkeypatch) as guest:
        _raise(guest, error)
    return lost.value


def _raise(guest: Guest, error: GuestLostError) -> None:
    ready(guest)
    raise error


def test_a_hang_over_ssh_or_on_the_console_is_looked_at_before_the_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = GuestLostError("hang", "no answer", console_tail="its last\nwords")
    fact, stood, *tail = str(lose(tmp_path, monkeypatch, error)).splitlines()
    assert fact == "guest lost (hang): no answer"
    assert stood.startswith("  where it stood: CPU 0 was at 0xffffffff81000010, no function")
    kept = tmp_path / "guest/backtraces.txt"
    assert stood.endswith(f"backtraces: {kept}, printed upon an NMI, of CPU 0")
    assert tail == ["  last console lines:", "its last", "words"]
    assert "fault_hang" in kept.read_text()
    assert "Kernel panic" not in (tmp_path / "guest" / CONSOLE_LOG).read_text()


@pytest.mark.parametrize("reason", ["exit", "panic"])
def test_what_is_no_hang_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    error = lose(tmp_path, monkeypatch, GuestLostError(reason, "said so"))
    assert str(error) == f"guest lost ({reason}): said so"
    assert not (tmp_path / "guest/registers.txt").exists()


def test_traces_of_an_earlier_guest_are_gone_when_the_next_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "guest").mkdir()
    for name in ("registers.txt", "backtraces.txt"):
        (tmp_path / "guest" / name).write_text("of another")
    with guest_of(tmp_path, monkeypatch):
        assert list((tmp_path / "guest").glob("*.txt")) == []


@pytest.mark.parametrize(("stops_itself", "told"), [(True, "hang"), (False, "panic")])
def test_a_stop_that_the_guest_was_asked_for_is_no_panic(
    tmp_path: Path, *, stops_itself: bool, told: str
) -> None:
    """The device that stops a guest of a comparison is QEMU's for a panic."""
    (tmp_path / "status").write_text("buddylab status 1\nbuddylab ready uptime_s=1\n")
    guest = Guest(
        exit_status=lambda: None,
        console=tmp_path / CONSOLE_LOG,
        results=tmp_path / "results",
        emulator_log=tmp_path / "log",
        reader=status_channel.StatusReader(tmp_path / "status"),
        events=lambda: STOPPED,
        stops_itself=stops_itself,
    )
    assert status_channel.lost(guest, "hang", "it does not go on").reason == told

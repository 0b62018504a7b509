# SPDX-License-Identifier: GPL-2.0-only
"""What failed in a comparison can be looked at: its console and QEMU's words stay and are named."""

import errno
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_guest
import pytest
from pretended_comparison import TEXT, Pretended, SavedTexts, compared

from harness.errors import GuestLostError, HostError, StageError
from harness.host import qmp, status_channel
from harness.host.deadline import Deadline
from harness.host.files import remove_tree
from harness.jobs import arm, evidence
from harness.values import CONSOLE_LOG, StagePlan

ONE = TEXT.replace("seeds = [1, 2, 3]", "seeds = [1]")
AT_BOOT = "out/failed/kept/seed-1/patched"
AT_ARM = "out/failed/kept/ten/seed-1/off"


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SavedTexts:
    """Saved texts in place of guests; their QEMU is asked what it is, and never started."""
    fake_guest.install(monkeypatch, tmp_path, "good")
    return SavedTexts(tmp_path)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> fake_guest.FakeQemu:
    """The pretended QEMU, of which nothing is known yet."""
    return fake_guest.install(monkeypatch, tmp_path, "good")


def test_a_lost_boot_leaves_its_console(
    bare: fake_guest.FakeQemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", "exit")
    with pytest.raises(GuestLostError) as error:
        compared(tmp_path, Pretended(tmp_path), ONE)
    kept = tmp_path / AT_BOOT
    assert f"the whole console is in {kept / CONSOLE_LOG}" in str(error.value)
    assert "QEMU ended with status 3" in str(error.value)
    assert "Linux version" in (kept / CONSOLE_LOG).read_text()
    assert str(tmp_path / "cache") not in str(error.value)
    assert bare.survivors() == []


def test_what_qemu_refuses_is_kept(
    bare: fake_guest.FakeQemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", "refuses")
    with pytest.raises(HostError) as error:
        compared(tmp_path, Pretended(tmp_path), ONE)
    kept = tmp_path / AT_BOOT
    assert f"what the guest and QEMU said: {kept}" in str(error.value)
    assert "cannot set up guest memory" in (kept / "qemu.log").read_text()
    assert len(bare.starts()) == 1


@pytest.mark.parametrize(
    "said", [{"qemu.log": b"qemu: gone\n"}, {"status.log": b"buddylab st"}, {}]
)
def test_an_empty_console_hides_nothing_else(tmp_path: Path, said: dict[str, bytes]) -> None:
    """What QEMU and the status said stays, and a console that is named is there, if empty."""
    gone, place = tmp_path / "scratch", tmp_path / "failed"
    gone.mkdir()
    for name, text in {CONSOLE_LOG: b"", **said}.items():
        (gone / name).write_bytes(text)
    error = GuestLostError("hang", f"silent; the whole console is in {gone / CONSOLE_LOG}")
    found = evidence.gather(gone)
    remove_tree(gone)
    evidence.keep(found, place, error)
    assert f"the whole console is in {place / CONSOLE_LOG}" in str(error)
    assert str(gone) not in str(error)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {CONSOLE_LOG: b"", **said}
    evidence.forget(place)
    assert not place.exists()


def test_what_cannot_be_kept_keeps_nothing_else_away(tmp_path: Path) -> None:
    gone, place = tmp_path / "scratch", tmp_path / "failed"
    gone.mkdir()
    for name in (CONSOLE_LOG, "qemu.log"):
        (gone / name).write_text("words")
    (place / CONSOLE_LOG).mkdir(parents=True)  # in the way of it
    error = GuestLostError("hang", f"silent; the whole console is in {gone / CONSOLE_LOG}")
    evidence.keep(evidence.gather(gone), place, error)
    assert (place / "qemu.log").read_text() == "words"
    assert f"what the guest and QEMU said: {place}" in str(error)
    assert str(place / CONSOLE_LOG) not in str(error)


def test_a_guest_that_never_was_leaves_nothing(tmp_path: Path) -> None:
    error = GuestLostError("exit", "no room")
    evidence.keep(evidence.gather(tmp_path / "absent"), tmp_path / "failed", error)
    assert str(error) == "guest lost (exit): no room"
    assert not (tmp_path / "failed").exists()


def test_a_monitors_path_is_short_whatever_the_caches(
    bare: fake_guest.FakeQemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """unix(7) takes 107 bytes."""
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", "refuses")
    long = tmp_path / ("c" * 68)
    with pytest.raises(HostError):
        compared(long, Pretended(tmp_path), ONE)
    (start,) = bare.starts()
    sockets = [word.partition(":")[2].split(",")[0] for word in start["argv"] if "unix:" in word]
    assert sockets
    assert all(len(os.fsencode(path)) <= 107 for path in sockets), shlex.join(start["argv"])


def test_a_failed_arm_leaves_its_console_until_it_is_run_again(
    tmp_path: Path, guests: SavedTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = guests.run_arm

    def lost(ready: arm.Prepared, plan: StagePlan, folder: Path) -> dict[str, bytes]:
        if guests.commands:
            return plain(ready, plan, folder)
        plain(ready, plan, folder)
        folder.mkdir()
        console = folder / CONSOLE_LOG
        console.write_bytes(b"x" * evidence._MOST_BYTES + b"\nOops: 0002\n")
        raise GuestLostError("panic", f"in stage arm; the whole console is in {console}")

    monkeypatch.setattr(guests, "run_arm", lost)
    with pytest.raises(GuestLostError) as error:
        compared(tmp_path, guests, ONE)
    kept = tmp_path / AT_ARM / CONSOLE_LOG
    assert f"the whole console is in {kept}" in str(error.value)
    assert kept.read_bytes().endswith(b"\nOops: 0002\n")
    assert kept.stat().st_size == evidence._MOST_BYTES

    guests.commands.append("no first one")
    assert len(compared(tmp_path, guests, ONE).arms) == 2
    assert not kept.exists()


def guest_of(tmp_path: Path, ends_after: int) -> status_channel.Guest:
    asked: list[None] = []

    def exit_status() -> int | None:
        asked.append(None)
        return 1 if len(asked) > ends_after else None

    (tmp_path / "qemu.log").write_text("qemu: vmlinux is cut\n")
    return status_channel.Guest(
        exit_status=exit_status,
        console=tmp_path / CONSOLE_LOG,
        results=tmp_path / "results",
        emulator_log=tmp_path / "qemu.log",
        reader=status_channel.StatusReader(tmp_path / "status"),
    )


def test_what_its_kernel_reported_ends_an_arm(tmp_path: Path) -> None:
    """Though the stage went well: after it no number can be trusted."""
    guest, end = guest_of(tmp_path, 3), status_channel.StageEnd("arm", 0)
    stage = StagePlan(name="arm", command="x", prepare="", cleanup="", deadline_s=1, note="")

    for clean in ("", "[    1.000000] Out of memory: Killed process 7 (x)\n"):
        guest.console.write_text(clean)
        arm._require_success(end, guest, stage)
    guest.console.write_text("[    1.000000] Out of memory: Killed process 7 (bash) total-vm:1\n")
    with pytest.raises(StageError, match="arm: its kernel's OOM killer took bash, which the har"):
        arm._require_success(end, guest, stage)
    guest.console.write_text("[    1.000000] BUG: KASAN: use-after-free in x\n")
    with pytest.raises(StageError, match=r"arm: its kernel reported kasan, 'BUG: KASAN: use-aft"):
        arm._require_success(end, guest, stage)


def test_a_qemu_that_ends_under_its_monitor_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def connected(*_: object, **__: object) -> Iterator[str]:
        yield "monitor"

    monkeypatch.setattr(qmp, "connected", connected)
    limit = Deadline.after(30.0, "the test")
    with (
        pytest.raises(HostError, match=r"did not start \(exit 1\): qemu: vmlinux is cut"),
        arm._monitor(guest_of(tmp_path, 3), tmp_path, limit),
    ):
        raise qmp.MonitorError("QEMU's monitor does not answer cont")


def test_descriptors_that_run_out_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("harness.host.qmp.QMPClient.connect", connect)
    limit = Deadline.after(30.0, "the test")
    with pytest.raises(OSError, match="Too many open files"):
        qmp.connected(tmp_path / "qmp", limit, starting=lambda: None).__enter__()
    assert limit.remaining_s > 20

# SPDX-License-Identifier: GPL-2.0-only
"""Power-on of a live guest: a port that is taken, a guest that does not come up."""

from pathlib import Path

import fake_guest
import pytest

from harness.errors import GuestLostError, HostError
from harness.host import qemu
from harness.host.accelerator import Speed
from harness.stages import boot
from harness.values import Accelerator, RunMode

SPEED = Speed(emulator=fake_guest.EMULATOR, accelerator=Accelerator.TCG, boot_s=1.0, why="")


def ready_spec(tmp_path: Path) -> qemu.GuestSpec:
    bench = fake_guest.make_bench(tmp_path)
    bench.folder.mkdir()
    return boot.spec_of(bench.what, fake_guest.make_settings(RunMode.LIVE), SPEED, bench.folder)


def test_a_taken_port_is_tried_again_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "port-taken")
    with boot._ready_guest(ready_spec(tmp_path), SPEED, tmp_path / "qemu.log") as (spec, guest):
        assert guest.exit_status() is None
    forwards = [arg for start in fake.starts() for arg in start["argv"] if "hostfwd" in arg]
    assert len(forwards) == 3
    assert f"127.0.0.1:{spec.ssh_port}-" in forwards[-1]
    assert fake.survivors() == []


def test_a_guest_that_panics_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "panic-and-hang")
    monkeypatch.setattr(boot, "SILENCE_S", 0.5)
    with (
        pytest.raises(GuestLostError, match="Oops"),
        boot._ready_guest(ready_spec(tmp_path), SPEED, tmp_path / "qemu.log"),
    ):
        pass
    assert len(fake.starts()) == 1
    assert fake.survivors() == []


def test_qemu_that_does_not_start_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "refuses")
    with (
        pytest.raises(HostError, match="cannot set up guest memory"),
        boot._ready_guest(ready_spec(tmp_path), SPEED, tmp_path / "qemu.log"),
    ):
        pass
    assert len(fake.starts()) == 1


def test_a_console_that_never_answers_is_explained_by_the_guest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "hang")
    monkeypatch.setattr(boot, "_DIALOGUE_LIMIT_S", 0.5)
    bench = fake_guest.make_bench(tmp_path)
    bench.folder.mkdir()
    settings = fake_guest.make_settings(RunMode.LIVE)
    with (
        pytest.raises(GuestLostError, match="QEMU offers no console .*whole console is in"),
        boot.live_guest(bench.what, settings, SPEED, bench.folder),
    ):
        pass
    assert fake.survivors() == []

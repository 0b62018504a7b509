# SPDX-License-Identifier: GPL-2.0-only
"""A comparison's guest whose QEMU does not come up: what QEMU said is told."""

from pathlib import Path

import fake_guest
import pytest

from harness.errors import GuestLostError, HostError, StageError
from harness.host import emulator
from harness.host.accelerator import Speed
from harness.jobs import arm
from harness.values import Accelerator


def lab(tmp_path: Path) -> arm.Lab:
    bench = fake_guest.make_bench(tmp_path)
    used = emulator.find(bench.cache)
    speed = Speed(emulator=used, accelerator=Accelerator.TCG, boot_s=1.0, why="")
    return arm.Lab(
        what=bench.what,
        settings=fake_guest.make_settings(),
        speed=speed,
        check_stop=lambda: None,
    )


def prepare(tmp_path: Path) -> None:
    prepare_in(lab(tmp_path), tmp_path)


def prepare_in(where: arm.Lab, tmp_path: Path) -> None:
    (stage,) = fake_guest.make_plan("state")
    arm.prepared(where, stage, tmp_path / "work").__enter__()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("kernel/vmlinux", "vmlinux was altered since it was made"),
        ("initramfs.cpio", "initramfs.cpio was altered since it was made"),
        ("bin/qemu-system-x86_64", "was replaced while it was in use"),
    ],
)
def test_what_is_not_what_it_was_is_not_launched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, said: str
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    ready = lab(tmp_path)
    with (tmp_path / file).open("a") as altered:
        altered.write("#\n")
    with pytest.raises((StageError, HostError), match=said):
        prepare_in(ready, tmp_path)
    assert fake.starts() == []


def test_what_qemu_refuses_is_the_hosts_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "refuses")
    with pytest.raises(
        HostError, match=r"QEMU 7\.2\.22 .* did not start \(exit 1\): .*guest memory; .*--qemu"
    ):
        prepare(tmp_path)


def test_a_qemu_that_ends_is_told_with_its_console(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "exit")
    with pytest.raises(GuestLostError, match=r"(?s)QEMU ended with status 3 .*Linux version"):
        prepare(tmp_path)

# SPDX-License-Identifier: GPL-2.0-only
"""The accelerator is proved by a boot, once, and remembered."""

import logging
from pathlib import Path

import fake_guest
import pytest

from harness.errors import GuestLostError, HostError, UserError
from harness.host import accelerator
from harness.host.accelerator import AcceleratorChoice, Speed, Subject
from harness.host.cache import Cache
from harness.values import Accelerator, RunMode


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(
        emulator=fake_guest.EMULATOR,
        kernel=tmp_path / "vmlinux",
        kernel_key="k1",
        initrd=tmp_path / "initrd",
    )


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _kvm_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let a plain file be the device: it opens, which proves nothing."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accelerator, "_KVM_DEVICE", device)
    monkeypatch.setattr(accelerator, "_KVM_SILENCE_S", 3.0)


def measure(
    subject: Subject,
    cache: Cache,
    mode: RunMode = RunMode.LIVE,
    choice: AcceleratorChoice = AcceleratorChoice.AUTO,
) -> Speed:
    return accelerator.measure(subject, cache, choice=choice, mode=mode)


def accelerators(fake: fake_guest.FakeQemu) -> list[str]:
    return [start["argv"][start["argv"].index("-accel") + 1] for start in fake.starts()]


def test_kvm_that_boots_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subject: Subject, cache: Cache
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    assert measure(subject, cache).accelerator is Accelerator.KVM
    assert accelerators(fake) == ["kvm"]


@pytest.mark.parametrize("scenario", ["kvm-silent", "kvm-exit", "kvm-refuses", "kvm-garbage"])
def test_kvm_that_opens_and_never_boots_is_found_out_and_remembered(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    subject: Subject,
    cache: Cache,
    scenario: str,
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, scenario)
    first = measure(subject, cache)
    assert first.accelerator is Accelerator.TCG
    assert "opens but boots nothing" in first.why
    assert measure(subject, cache) == first
    assert accelerators(fake) == ["kvm", "tcg,thread=multi"]
    assert fake.survivors() == []


def test_the_decision_is_logged_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    subject: Subject,
    cache: Cache,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    fake_guest.install(monkeypatch, tmp_path, "kvm-exit")
    measure(subject, cache)
    measure(subject, cache)
    measured, remembered = [r.getMessage() for r in caplog.records if "accelerator:" in r.msg]
    assert "tcg, because" in measured
    assert "(measured)" in measured
    assert "(remembered)" in remembered


def test_repeatable_run_never_tries_kvm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subject: Subject, cache: Cache
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    assert measure(subject, cache, RunMode.REPEATABLE).accelerator is Accelerator.TCG
    assert accelerators(fake) == ["tcg,thread=multi"]


def test_repeatable_run_on_kvm_is_a_contradiction(subject: Subject, cache: Cache) -> None:
    with pytest.raises(UserError, match="counts instructions"):
        measure(subject, cache, RunMode.REPEATABLE, AcceleratorChoice.KVM)


def test_asking_for_kvm_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    subject: Subject,
    cache: Cache,
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    (tmp_path / "kvm").unlink()
    with pytest.raises(HostError, match="this host has no .*use --accelerator tcg"):
        measure(subject, cache, choice=AcceleratorChoice.KVM)
    assert fake.starts() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x": 1}', b"\xff\x00", b'{"k": {}}'])
def test_broken_memory_is_ignored_and_written_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subject: Subject, cache: Cache, content: bytes
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    memory = cache.root / accelerator.MEMORY_FILE
    memory.parent.mkdir(parents=True)
    memory.write_bytes(content)
    speed = measure(subject, cache)
    assert measure(subject, cache) == speed
    assert len(fake.starts()) == 1


def test_another_kernel_is_measured_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subject: Subject, cache: Cache
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    measure(subject, cache)
    measure(
        Subject(
            emulator=fake_guest.EMULATOR,
            kernel=subject.kernel,
            kernel_key="k2",
            initrd=subject.initrd,
        ),
        cache,
    )
    assert len(fake.starts()) == 2


def test_kernel_that_boots_nowhere_is_a_lost_guest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subject: Subject, cache: Cache
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "panic-and-hang")
    monkeypatch.setattr(accelerator, "_TCG_LIMIT_S", 1.0)
    with pytest.raises(GuestLostError, match="Oops: 0002"):
        measure(subject, cache)
    assert not (cache.root / accelerator.MEMORY_FILE).exists()
    assert fake.survivors() == []


@pytest.mark.parametrize(("boot_s", "slowdown"), [(0.3, 1.0), (1.5, 1.0), (6.0, 4.0)])
def test_slowdown_never_shortens_a_deadline(boot_s: float, slowdown: float) -> None:
    speed = Speed(emulator=fake_guest.EMULATOR, accelerator=Accelerator.TCG, boot_s=boot_s, why="")
    assert speed.slowdown == pytest.approx(slowdown)

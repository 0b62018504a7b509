# SPDX-License-Identifier: GPL-2.0-only
"""`buddylab run` from its arguments to its exit code, against a pretended QEMU."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_guest
import pytest
from fake_guest import FakeQemu

from harness import pipeline
from harness.cli.main import main
from harness.errors import Exit
from harness.host.cache import Cache
from harness.stages import boot
from harness.stages import run as run_stage
from harness.values import GuestImage, KernelBuild

Go = Callable[..., int]


@pytest.fixture
def qemu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache) -> FakeQemu:
    """The pretender, its probe done, with all waits short; the kernel is a file."""
    bench = fake_guest.make_bench(tmp_path)
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    boot.measured_speed(bench.what, fake_guest.make_settings(), cache)
    fake.log.unlink()

    def bootable(*_: object, **__: object) -> tuple[KernelBuild, GuestImage]:
        return bench.build, bench.image

    monkeypatch.setattr(pipeline, "bootable", bootable)
    monkeypatch.setattr(boot, "SILENCE_S", 0.6)
    monkeypatch.setattr(boot, "_POWER_OFF_LIMIT_S", 0.3)
    monkeypatch.setattr(run_stage, "_BACKSTOP_FACTOR", 0.0)
    monkeypatch.setattr(run_stage, "_COLLECT_S", 0.6)
    return fake


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Go:
    def run(scenario: str) -> int:
        monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", scenario)
        return main(["run", "--scale", "small", "--output", str(tmp_path / "out")])

    return run


@pytest.mark.parametrize(
    ("scenario", "end"),
    [
        ("panic", (Exit.GUEST_LOST, ["guest lost (panic)", "in stage verify", "Oops: 0002"])),
        ("panic-and-hang", (Exit.GUEST_LOST, ["guest lost (panic)", "before it was ready"])),
        ("silent", (Exit.GUEST_LOST, ["guest lost (hang)", "no sign of life for 1 s"])),
        ("hang", (Exit.GUEST_LOST, ["guest lost (hang)", "after it was ready"])),
        ("stage-hang", (Exit.GUEST_LOST, ["guest lost (deadline)", "stage verify not over"])),
        ("exit", (Exit.GUEST_LOST, ["guest lost (exit)", "QEMU ended with status 3"])),
        ("refuses", (Exit.HOST, ["cannot set up guest memory", "`buddylab doctor`"])),
        ("failed", (Exit.STAGE, ["verify: failed in the guest: exit 3", "prepare failed"])),
        ("truncated", (Exit.STAGE, ["run again"])),
        ("no-results", (Exit.STAGE, ["sent no results"])),
        ("wrong-sum", (Exit.STAGE, ["output is not what its sha256sums says"])),
        ("garbage", (Exit.STAGE, ["no status line"])),
    ],
)
def test_lost_guest_is_told_and_its_folder_is_never_a_pass(  # noqa: PLR0917 - fixtures
    qemu: FakeQemu,
    go: Go,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    scenario: str,
    end: tuple[Exit, list[str]],
) -> None:
    code, texts = end
    assert go(scenario) == code

    message = caplog.records[-1].getMessage()
    assert [text for text in texts if text not in message] == []
    assert qemu.survivors() == []
    assert not (tmp_path / "out/key.json").exists()
    assert not (tmp_path / "out/run.json").exists()
    assert main(["check", str(tmp_path / "out")]) in (Exit.STAGE, Exit.USAGE)


def test_lost_guest_says_where_its_console_is(
    qemu: FakeQemu, go: Go, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert go("panic") == Exit.GUEST_LOST

    assert f"the whole console is in {tmp_path}/out/console.log" in caplog.records[-1].getMessage()
    assert "Kernel panic" in (tmp_path / "out/console.log").read_text()
    assert len(qemu.starts()) == 1


def test_folder_of_a_lost_run_is_not_used_again(
    qemu: FakeQemu, go: Go, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert go("refuses") == Exit.HOST
    assert go("good") == Exit.USAGE
    assert f"{tmp_path}/out is not empty" in caplog.records[-1].getMessage()
    assert len(qemu.starts()) == 1

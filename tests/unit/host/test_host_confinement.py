# SPDX-License-Identifier: GPL-2.0-only
"""What a guest's QEMU cannot do, tried by a program in its place."""

import os
import resource
import signal
import time
from pathlib import Path

import fake_guest
import pytest

from harness.errors import GuestLostError
from harness.host import command, confinement, emulator, qemu, status_channel
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.stages import boot
from harness.stages import run as run_stage
from harness.stages.boot import spec_of

_CAP_DAC_OVERRIDE = 1 << 1
_LIMIT_BYTES = 1 << 20


def facts(tmp_path: Path) -> dict[str, str]:
    said = tmp_path / "status"
    argv = ["cat", "/proc/self/status"]
    with command.started(argv, log_path=said, options=confinement.options()) as cat:
        assert cat.wait() == 0
    return dict(line.split(":\t", 1) for line in said.read_text().splitlines() if ":\t" in line)


def test_no_privilege_is_left_but_to_open_files(tmp_path: Path) -> None:
    found = facts(tmp_path)
    assert found["NoNewPrivs"] == "1"
    if os.geteuid() == 0:
        assert [int(found[name], 16) for name in ("CapPrm", "CapBnd")] == [_CAP_DAC_OVERRIDE] * 2


def test_a_file_that_grows_without_end_ends_its_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "GUEST_FILE_BYTES_MAX", _LIMIT_BYTES)
    grown = tmp_path / "grown"
    argv = ["sh", "-c", f"while [ ! -e {tmp_path}/go ]; do :; done; exec cat /dev/zero"]
    with command.started(argv, log_path=grown) as writer:
        confinement.limit_files(writer.pid)
        assert resource.prlimit(writer.pid, resource.RLIMIT_CORE) == (0, 0)
        (tmp_path / "go").touch()
        assert writer.wait(timeout=60) == -signal.SIGXFSZ
    assert grown.stat().st_size == _LIMIT_BYTES


def test_a_guest_that_floods_its_console_is_ended_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "floods")
    for module in (confinement, status_channel):
        monkeypatch.setattr(module, "GUEST_FILE_BYTES_MAX", _LIMIT_BYTES)
    bench = fake_guest.make_bench(tmp_path)
    with pytest.raises(GuestLostError, match=r"console\.log grew beyond 1 MiB .*QEMU was ended"):
        run_stage.run(
            bench.build,
            bench.image,
            fake_guest.make_plan("trouble"),
            fake_guest.make_settings(),
            folder=tmp_path / "run",
            cache=bench.cache,
        )
    assert (tmp_path / "run/console.log").stat().st_size == _LIMIT_BYTES


@pytest.mark.parametrize(("scenario", "has"), [("good", True), ("knows-no-sandbox", False)])
def test_the_sandbox_is_used_where_it_is_and_is_no_part_of_a_key(
    scenario: str, *, has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, scenario)
    bench = fake_guest.make_bench(tmp_path)
    used = emulator.find(Cache(tmp_path / "another"))
    assert used.has_sandbox == has
    settings = fake_guest.make_settings()
    speed = boot.measured_speed(bench.what, settings, bench.cache)
    spec = spec_of(bench.what, settings, speed, tmp_path)
    with qemu.launched(spec, log_path=tmp_path / "log"):
        deadline = Deadline.after(60.0, "the start")
        while len(fake.starts()) < 2 and not deadline.expired:
            time.sleep(0.02)
    assert all(("-sandbox" in start["argv"]) == has for start in fake.starts())
    for argv in (start["argv"] for start in fake.starts() if has):
        told = argv[argv.index("-sandbox") + 1].split(",")
        assert told[0] == "on"
        assert {"spawn=deny", "elevateprivileges=deny"} <= {*told}
    assert "sandbox" not in qemu.machine_text(spec)

# SPDX-License-Identifier: GPL-2.0-only
"""Guests that get lost on a real kernel: told for what they are, and nothing stays behind."""

import os
import signal
import subprocess  # noqa: TID251 - the command as a user types it, gcc and mount
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from broken import with_faults
from emulators import emulators

from harness import pipeline
from harness.errors import Exit, GuestLostError, HostError, StageError
from harness.host.accelerator import Speed
from harness.host.cache import Cache
from harness.host.files import sha256_file
from harness.host.folder import claimed
from harness.record.key import RunIdentity
from harness.stages import boot
from harness.stages import run as run_stage
from harness.stages.boot import RunSettings
from harness.stages.boot_files import boot_files
from harness.values import GuestImage, KernelBuild, RunMode, StagePlan

pytestmark = pytest.mark.vm

MEMORY_MIB = 256
# Two of a healthy guest's silences outside of stages would fit into it.
SILENCE_S = 8.0
COLLECT_S = 8.0
LIMIT_S = 120

PANIC = "echo c > /proc/sysrq-trigger"


@dataclass(frozen=True)
class Machine:
    """What this machine can boot, and how fast."""

    build: KernelBuild
    image: GuestImage
    cache: Cache
    speed: Speed


@pytest.fixture(scope="module")
def machine() -> Machine:
    cache = pipeline.open_cache()
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL") or None
    build, image = pipeline.bootable(pipeline.KernelRequest(kernel=kernel), cache)
    # The probe is done here, once: each test meets its own guest, not a probe's.
    return Machine(
        build, image, cache, boot.measured_speed(boot_files(build, image), settings(), cache)
    )


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "SILENCE_S", SILENCE_S)
    monkeypatch.setattr(run_stage, "_COLLECT_S", COLLECT_S)


def settings() -> RunSettings:
    return RunSettings(
        mode=RunMode.REPEATABLE, memory_mib=MEMORY_MIB, cpus=1, seed=1, scale="small"
    )


def stage(command: str, *, prepare: str = "", deadline_s: int = 4) -> StagePlan:
    return StagePlan(
        name="trouble",
        command=command,
        prepare=prepare,
        cleanup="",
        deadline_s=deadline_s,
        note="",
    )


def go(
    machine: Machine, folder: Path, plan: StagePlan, image: GuestImage | None = None
) -> RunIdentity:
    return run_stage.run(
        machine.build,
        image or machine.image,
        (plan,),
        settings(),
        folder=folder,
        cache=machine.cache,
    )


@pytest.mark.parametrize(
    ("command", "reason", "texts"),
    [
        (
            PANIC,
            "panic",
            ["in stage trouble", "Kernel panic - not syncing: sysrq triggered crash"],
        ),
        ("kill -STOP -1; sleep 1000", "deadline", ["stage trouble not over within"]),
        ("reboot -f", "exit", ["QEMU ended with status 0 in stage trouble"]),
    ],
    ids=["panics", "hangs", "resets itself"],
)
def test_guest_that_is_lost_in_a_stage(
    machine: Machine, tmp_path: Path, command: str, reason: str, texts: list[str]
) -> None:
    with pytest.raises(GuestLostError) as caught:
        go(machine, tmp_path, stage(command))

    assert caught.value.reason == reason
    assert caught.value.exit_code == Exit.GUEST_LOST
    said = str(caught.value)
    assert [text for text in [*texts, str(tmp_path / "console.log")] if text not in said] == []
    assert "Linux version" in (tmp_path / "console.log").read_text(errors="replace")
    assert emulators(tmp_path) == []
    assert not (tmp_path / "raw").exists()


@dataclass(frozen=True)
class Stuck:
    """A way to hang, and what is to be seen of it afterwards."""

    command: str
    where: str  # of the only CPU, each time
    trace: str  # a function that the backtrace names


STUCK = {
    "interrupts off": Stuck(
        "insmod /faults.ko how=hang", "no function of the kernel", "fault_hang+"
    ),
    "interrupts on": Stuck(
        "insmod /faults.ko how=spin", "no function of the kernel", "fault_spin+"
    ),
    "everybody waits": Stuck("kill -STOP -1; sleep 1000", "idle, at ", "default_idle"),
}
LONGER = ("interrupts on", "everybody waits")


@pytest.mark.parametrize(
    "how", ["interrupts off", *(pytest.param(one, marks=pytest.mark.long) for one in LONGER)]
)
def test_a_guest_that_hangs_tells_where_each_cpu_is(
    machine: Machine, tmp_path: Path, how: str
) -> None:
    stuck, folder = STUCK[how], tmp_path / "run"
    image = with_faults(machine.build, machine.image, machine.cache, tmp_path / "faults")
    with pytest.raises(GuestLostError, match="stage trouble not over within") as caught:
        go(machine, folder, stage(stuck.command), image)

    said = str(caught.value)
    assert caught.value.reason == "deadline"
    assert "CPU 0 was" in said
    assert stuck.where in said
    assert f"registers: {folder / 'registers.txt'}" in said
    assert f"backtraces: {folder / 'backtraces.txt'}, printed upon an NMI, of CPU 0" in said
    assert (folder / "registers.txt").read_text().count("RIP=") == 3
    traces = (folder / "backtraces.txt").read_text()
    assert stuck.trace in traces
    assert "Kernel panic - not syncing: NMI" in traces
    # It is ours: neither the console nor the message takes it for the guest's own end.
    assert "Kernel panic" not in (folder / "console.log").read_text(errors="replace")
    assert "Kernel panic" not in said
    assert emulators(folder) == []


INIT = {
    "exits": ("return 7;", "panic", "Attempted to kill init"),
    "stays silent": ("for (;;) pause();", "hang", "no sign of life for"),
    "spins": ("for (;;) ;", "hang", "no sign of life for"),
}


@pytest.mark.parametrize("what", INIT)
def test_init_that_never_gets_ready(
    machine: Machine, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A probe of this guest would wait for it longest.
    monkeypatch.setattr(boot, "measured_speed", lambda *_: machine.speed)
    code, reason, text = INIT[what]
    archive = initramfs(machine.build, tmp_path, code)
    image = replace(machine.image, path=archive, digest=sha256_file(archive))
    folder = tmp_path / "run"

    with pytest.raises(GuestLostError, match=text) as caught:
        go(machine, folder, stage("true"), image)

    assert caught.value.reason == reason
    assert "before it was ready" in str(caught.value)
    assert "Run /init as init process" in str(caught.value)
    assert emulators(folder) == []


def initramfs(build: KernelBuild, folder: Path, code: str) -> Path:
    """Make a guest of one program."""
    (folder / "init.c").write_text(f"#include <unistd.h>\nint main(void) {{ {code} }}\n")
    argv = ["gcc", "-static", "-s", "-o", str(folder / "init"), str(folder / "init.c")]
    subprocess.run(argv, check=True)
    listing = folder / "listing"
    listing.write_text(
        "dir /dev 0755 0 0\nnod /dev/console 0600 0 0 c 5 1\n"
        f"file /init {folder / 'init'} 0755 0 0\n"
    )
    image = folder / "initramfs.cpio"
    with image.open("wb") as file:
        program = build.directory / "gen_init_cpio"
        subprocess.run([str(program), str(listing)], check=True, stdout=file)
    return image


def test_kernel_that_is_none(machine: Machine, tmp_path: Path) -> None:
    """QEMU itself refuses it: nothing of a guest was there to be lost."""
    (tmp_path / "vmlinux").write_bytes(bytes(4096))
    digest = sha256_file(tmp_path / "vmlinux")
    build = replace(machine.build, directory=tmp_path, vmlinux_digest=digest)

    with pytest.raises(HostError, match=r"QEMU .* did not start") as caught:
        go(replace(machine, build=build), tmp_path / "run", stage("true"))
    assert "`buddylab doctor`" in str(caught.value)
    assert emulators(tmp_path) == []


def test_command_over_its_deadline_is_ended_by_the_guest(machine: Machine, tmp_path: Path) -> None:
    go(machine, tmp_path, stage("echo begun; sleep 1000", deadline_s=1))

    assert (tmp_path / "raw/trouble/exit_status").read_text() == "124\n"
    assert (tmp_path / "raw/trouble/output").read_text() == "begun\n"


def test_preparation_that_fails_is_a_stage_error(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(
        StageError, match=r"(?s)trouble: .*exit 3.*prepare failed.*no memory"
    ) as got:
        go(machine, tmp_path, stage("true", prepare="echo no memory; false"))
    assert got.value.exit_code == Exit.STAGE
    assert emulators(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    point = tmp_path / "disk"
    point.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=64k", "buddylab-test", str(point)]
    try:
        subprocess.run(argv, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a full file system needs the right to mount one")
    yield point
    subprocess.run(["umount", str(point)], check=True)


def test_results_that_find_no_space(machine: Machine, small_disk: Path) -> None:
    with (
        pytest.raises(HostError, match="no space left") as caught,
        claimed(small_disk) as folder,
    ):
        go(machine, folder, stage("true"))
    assert str(small_disk) in str(caught.value)
    assert emulators(small_disk) == []


def holds(cache: Cache) -> dict[str, tuple[int, int]]:
    """Return what the cache holds, file by file, less what changes by being used."""
    kinds = ("sources/*/manifest.json", "trees/*/manifest.json", "kernels/*/*", "guests/*/*")
    paths = (path for kind in kinds for path in cache.root.glob(kind))
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@dataclass(frozen=True)
class Moment:
    """When a run is interrupted."""

    number: signal.Signals
    mode: str
    reached: Callable[[Path], bool]


def in_console(folder: Path) -> bool:
    path = folder / "console.log"
    return path.exists() and "Linux version" in path.read_text(errors="replace")


def in_stage(folder: Path) -> bool:
    path = folder / "status.log"
    return path.exists() and "stage baseline begin" in path.read_text(errors="replace")


def after_first_stage(folder: Path) -> bool:
    return (folder / "raw/verify/sha256sums").exists()


MOMENTS = {
    "SIGTERM at boot": Moment(signal.SIGTERM, "repeatable", in_console),
    "SIGINT in a stage": Moment(signal.SIGINT, "repeatable", in_stage),
    "SIGINT over ssh": Moment(signal.SIGINT, "live", after_first_stage),
    "SIGTERM at a live boot": Moment(signal.SIGTERM, "live", in_console),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_interrupted_run_leaves_no_guest_and_a_whole_cache(
    machine: Machine, tmp_path: Path, name: str
) -> None:
    moment = MOMENTS[name]
    folder = tmp_path / "run"
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL")
    argv = [sys.executable, "-m", "harness", "run", "--scale", "small", "--mode", moment.mode]
    argv += ["--output", str(folder), *(("--kernel", kernel) if kernel else ())]
    before = holds(machine.cache)
    run = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        end = time.monotonic() + LIMIT_S
        while not moment.reached(folder):
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)
        assert len(emulators(folder)) == 1
        os.kill(run.pid, moment.number)
        _, said = run.communicate(timeout=LIMIT_S)
    finally:
        run.kill()

    assert run.returncode == Exit.INTERRUPTED, said
    assert "Traceback" not in said, said
    assert "interrupted; what was complete is kept" in said
    assert emulators(folder) == []
    # Tests beside this one may have added entries of their own, whole ones.
    after = holds(machine.cache)
    assert after.items() >= before.items()
    assert all(Path(name).with_name("manifest.json").exists() for name in after)
    checked = subprocess.run(
        [sys.executable, "-m", "harness", "check", str(folder)], check=False, capture_output=True
    )
    assert checked.returncode == Exit.STAGE
    assert b"the run did not reach its end; repeat it" in checked.stderr


def test_run_after_all_that_works(machine: Machine, tmp_path: Path) -> None:
    go(machine, tmp_path, stage("uname -r"))

    assert (tmp_path / "raw/trouble/output").read_text().strip() == machine.build.release

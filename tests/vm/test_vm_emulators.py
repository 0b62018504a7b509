# SPDX-License-Identifier: GPL-2.0-only
"""Guests on two QEMUs: the one on PATH, and that of the distribution's backports.

The second is brought below the cache (13 MB). Where the suite is out of reach, or has no QEMU,
what needs it is skipped.
"""

import filecmp
import os
import platform
import re
import subprocess  # noqa: TID251 - the command as a user types it
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from emulators import emulators

from harness import pipeline
from harness.compare.results import RESULTS, parse_results
from harness.errors import Exit, GuestLostError, HarnessError
from harness.host import emulator, ssh
from harness.host.accelerator import AcceleratorChoice, Speed
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.record.key import RunIdentity
from harness.stages import boot
from harness.stages.boot import RunSettings
from harness.stages.boot_files import boot_files
from harness.stages.run import run
from harness.values import GuestImage, KernelBuild, RunMode, StagePlan

pytestmark = pytest.mark.vm

SMOKE = "vm/plans/smoke.toml"
LIMIT_S = 1500
SILENCE_S = 8.0
INSTALLED = "installed"
BACKPORTS = "backports"


@dataclass(frozen=True)
class Machine:
    """A kernel and a guest's image, and the QEMU that boots them."""

    build: KernelBuild
    image: GuestImage
    cache: Cache
    speed: Speed


def kernel() -> str | None:
    return os.environ.get("BUDDYLAB_TEST_KERNEL") or None


def settings(mode: RunMode, cpus: int = 2) -> RunSettings:
    return RunSettings(
        mode=mode,
        memory_mib=256,
        cpus=cpus,
        seed=1,
        scale="small",
        accelerator=AcceleratorChoice.TCG,
    )


@pytest.fixture(scope="module")
def bootable() -> tuple[KernelBuild, GuestImage]:
    return pipeline.bootable(pipeline.KernelRequest(kernel=kernel()), pipeline.open_cache())


@pytest.fixture(scope="module", params=[INSTALLED, BACKPORTS])
def machine(
    request: pytest.FixtureRequest, bootable: tuple[KernelBuild, GuestImage]
) -> Iterator[Machine]:
    cache = Cache.default()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(emulator.CHOICE, raising=False)
        own = emulator.find(cache).version
        if request.param == BACKPORTS:
            suite = f"{platform.freedesktop_os_release().get('VERSION_CODENAME')}-backports"
            patch.setenv(emulator.CHOICE, suite)
            try:
                other = emulator.find(cache).version
            except HarnessError as error:
                pytest.skip(f"{suite} gives no QEMU here: {error}")
            assert other != own
        what = boot_files(*bootable)
        speed = boot.measured_speed(what, settings(RunMode.REPEATABLE, cpus=1), cache)
        yield Machine(*bootable, cache, speed)


def go(machine: Machine, folder: Path, *, cpus: int = 1) -> RunIdentity:
    stage = StagePlan(
        name="look",
        command="cat /proc/cpuinfo /proc/vmstat; dmesg",
        prepare="",
        cleanup="",
        deadline_s=10,
        note="",
    )
    repeatable = settings(RunMode.REPEATABLE, cpus)
    folder.mkdir()
    cache = machine.cache
    return run(machine.build, machine.image, (stage,), repeatable, folder=folder, cache=cache)


def test_a_repeatable_guest_repeats_its_bytes(machine: Machine, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    several = emulator.repeats_several_cpus(machine.speed.emulator.version)
    cpus = 4 if several else 1
    identity = go(machine, one, cpus=cpus)

    assert go(machine, other, cpus=cpus) == identity
    key = identity.key
    assert key.cpus == cpus
    assert key.qemu_version == machine.speed.emulator.version
    assert f"-cpu {machine.speed.emulator.cpu} " in key.machine
    # host.json is what the host saw of time.
    paths = [path for path in one.rglob("*") if path.is_file() and path.name != "host.json"]
    names = {path.relative_to(one).as_posix() for path in paths}
    assert {"console.log", "raw/look/output", "raw/look/after/vmstat"} <= names
    differing = {name for name in names if not filecmp.cmp(one / name, other / name, shallow=False)}
    assert differing == set()
    output = (one / "raw/look/output").read_text()
    assert output.count("processor\t") == cpus
    (flags,) = {line for line in output.splitlines() if line.startswith("flags\t")}
    off = {"erms", "fsrm", "fzrm", "fsrs", "fsrc", "rdrand", "rdseed"}
    assert off.isdisjoint(flags.split())


def test_a_live_guest_comes_up_with_all_its_cpus(machine: Machine, tmp_path: Path) -> None:
    live = settings(RunMode.LIVE)
    what = boot_files(machine.build, machine.image)
    with boot.live_guest(what, live, machine.speed, tmp_path) as guest:
        deadline = Deadline.after(30.0 * machine.speed.slowdown, "nproc")
        with ssh.connected(guest.address, deadline) as session:
            assert session.run("nproc", deadline).output == b"2\n"
        assert boot.power_off(guest)
    assert emulators(tmp_path) == []


def test_a_guest_that_hangs_at_boot_is_told_with_the_function(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FSRM without ERMS: the kernel's memmove of less than 32 bytes goes on over all memory.

    What is left of the kernel then may be anywhere: where it was seen is named.
    """
    memmove = machine.build.tree.tree / "arch/x86/lib/memmove_64.S"
    if "jmp .Lmemmove_erms" not in memmove.read_text():
        pytest.skip(f"Linux {machine.build.release} moves memory by FSRM alone")
    good = machine.speed.emulator
    if "fsrm=off" not in good.cpu:
        pytest.skip(f"the CPU of QEMU {good.version} has no FSRM to leave on")
    bad = replace(good, cpu="max,rdrand=off,rdseed=off,erms=off")
    monkeypatch.setattr("harness.stages.boot.emulator.find", lambda _: bad)
    monkeypatch.setattr(boot, "SILENCE_S", SILENCE_S)

    with pytest.raises(GuestLostError) as caught:
        go(machine, tmp_path / "run")

    said = str(caught.value)
    assert caught.value.reason == "hang"
    for text in (
        "before it was ready; CPU 0 was ",
        "Mountpoint-cache hash table entries",
        f"it was tried with QEMU {good.version}: ",
        "-cpu max,rdrand=off,rdseed=off,erms=off; try another QEMU",
    ):
        assert text in said
    assert re.search(r"CPU 0 was at \w+\+0x[0-9a-f]+ \(0xffffffff8", said)
    assert emulators(tmp_path) == []


def buddylab(*words: str) -> subprocess.CompletedProcess[str]:
    which = ("--kernel", str(kernel())) if kernel() else ()
    return subprocess.run(
        [sys.executable, "-m", "harness", *words, *which],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )


def test_equal_arms_with_several_cpus_are_equal(machine: Machine) -> None:
    if not emulator.repeats_several_cpus(machine.speed.emulator.version):
        refused = buddylab("exactness", "--cpus", "2")
        assert refused.returncode == Exit.USAGE
        assert "2 CPUs needs QEMU 10 or later" in refused.stdout
        return

    done = buddylab("exactness", "--cpus", "2", "--times", "6", "--boots", "2")

    assert done.returncode == 0, done.stdout
    assert "6 of 6 arms equal, from 2 boots of 2 CPUs" in done.stdout


def test_each_schedule_gives_an_order_of_its_own_the_same_each_time(machine: Machine) -> None:
    if not emulator.repeats_several_cpus(machine.speed.emulator.version):
        pytest.skip("this QEMU does not repeat several CPUs")

    words = ("--cpus", "2", "--schedules", "2", "--times", "2", "--boots", "2")
    done = buddylab("exactness", *words)

    assert done.returncode == Exit.OK, done.stdout
    assert "3 of 3 schedules have an order of events of their own" in done.stdout
    assert "6 of 6 arms equal, from 2 boots of 2 CPUs" in done.stdout


@pytest.mark.long
@pytest.mark.usefixtures("machine")
def test_arms_from_a_saved_state_are_replayed_to_the_byte(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if request.node.callspec.params["machine"] == INSTALLED:
        pytest.skip("test_vm_compare.py does it with the QEMU installed")
    done = buddylab("compare", SMOKE, "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout

    arms = parse_results((tmp_path / RESULTS).read_bytes(), RESULTS).arms
    assert len(arms) == 4
    for arm in (arms[0], arms[-1]):
        again = buddylab("replay", arm.key, "--results", str(tmp_path))
        assert "the same to the byte" in again.stdout, again.stdout

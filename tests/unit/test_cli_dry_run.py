# SPDX-License-Identifier: GPL-2.0-only
"""--dry-run prints what can be done by hand: done, it gives the same kernel and the same guest."""

import os
import subprocess  # noqa: TID251 - a person's shell
from pathlib import Path

import fake_guest
import pytest
from command_line import buddylab, names, refused

from harness.errors import Exit
from harness.host.cache import Cache
from harness.values import KernelBuild
from harness.workloads.paper import Scale, stages

PLAN = """
name = "small"
why = "a trial"
memory_mib = 512
seeds = [7, 8]
baseline = "off"
[[states]]
name = "kept"
prepare = "echo {seed}"
[[bursts]]
name = "ten"
order = 10
[[arms]]
name = "off"
kernel = "unpatched"
[[arms]]
name = "again"
kernel = "unpatched"
"""


def by_hand(script: str, folder: Path) -> None:
    """Give all commands of a script, as a person would who pastes them."""
    env = {**os.environ, "PATH": f"{folder / 'programs'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh"], input=script, cwd=folder, env=env, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def userspace(tmp_path: Path) -> Path:
    """A `buddylab guest` that has made an initramfs: its programs are no matter here."""
    made = tmp_path / "initramfs.cpio"
    made.write_bytes(b"programs ")
    program = tmp_path / "programs/buddylab"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = guest ] && echo {made}\n')
    program.chmod(0o755)
    return made


def test_a_kernel_made_by_hand_is_the_same(cache: Cache, fake_kernel: Path, tmp_path: Path) -> None:
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")

    told = buddylab(*command, "--dry-run")
    assert told.returncode == 0, told.stderr
    assert names(cache) == ["sources", "trees"]  # nothing was built
    by_hand(told.stdout, tmp_path)

    assert buddylab(*command).returncode == 0
    (entry,) = cache.names("kernels")
    build = cache.load("kernels", entry, KernelBuild)
    assert build
    made = tmp_path / "by-hand/kernel"
    for mine, theirs in ((".config", "config"), ("vmlinux", "vmlinux")):
        assert (made / mine).read_bytes() == (build.directory / theirs).read_bytes()
    assert (made / "kmod/high_order_test.ko").is_file()
    assert "# kernel kernel: 5.15.180 (local), with these patches:\n#   none\n" in told.stdout


def test_a_guest_booted_by_hand_is_the_same(
    cache: Cache,
    fake_kernel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    userspace: Path,
) -> None:
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    command = ("run", "--kernel", str(fake_kernel), "--upto", "0", "--scale", "small")

    told = buddylab(*command, "--seed", "9", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert names(cache) == ["sources", "trees"]
    assert not (tmp_path / "runs").exists()
    fake.log.unlink(missing_ok=True)
    by_hand(told.stdout, tmp_path)

    (start,) = fake.starts()
    words = start["argv"]
    assert words[words.index("-append") + 1].endswith("buddylab.seed=9")
    assert words[words.index("-icount") + 1] == "shift=3,sleep=off"
    assert words[words.index("-m") + 1] == "1024"
    folder = tmp_path / "by-hand/run"
    assert (folder / "kernel").resolve() == tmp_path / "by-hand/kernel/vmlinux"
    assert (folder / "initramfs").read_bytes().startswith(userspace.read_bytes())
    plan = [line.split("\t")[0] for line in (folder / "plan").read_text().splitlines()]
    assert plan == [stage.name for stage in stages(Scale.SMALL, monitored=False)]
    assert (folder / "status.log").read_text().endswith("buddylab done exit=0\n")


@pytest.mark.usefixtures("cache")
def test_a_script_that_needs_the_command_says_so_before_it_builds(
    fake_kernel: Path, tmp_path: Path
) -> None:
    told = buddylab("run", "--kernel", str(fake_kernel), "--upto", "0", "--dry-run")
    assert told.returncode == 0, told.stderr
    done = subprocess.run(
        ["sh"],
        input=told.stdout,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("buddylab is not in PATH, ")
    assert not (tmp_path / "by-hand").exists()


def test_each_arm_of_a_plan_has_its_guest(
    cache: Cache, fake_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)

    told = buddylab("compare", str(plan), "--kernel", str(fake_kernel), "--dry-run")

    assert told.returncode == 0, told.stderr
    assert names(cache) == ["sources", "trees"]
    lines = told.stdout.splitlines()
    guests = [line for line in lines if line.startswith("guest ") and "<<" in line]
    assert guests == [
        "guest kept-ten-off unpatched <<'END'",
        "guest kept-ten-again unpatched <<'END'",
    ]
    assert lines.count("state\t-\t-\t300\t0\techo 7") == 2
    assert any(line.startswith("# seed 7; 8: in `guest`") for line in lines)


def test_a_live_run_is_a_persons_own(cache: Cache, fake_kernel: Path) -> None:
    done = buddylab(
        *("run", "--kernel", str(fake_kernel), "--upto", "0", "--mode", "live", "--dry-run")
    )

    refused(done, Exit.USAGE, "--dry-run tells how a repeatable run is made", "`buddylab shell`")
    assert names(cache) == []

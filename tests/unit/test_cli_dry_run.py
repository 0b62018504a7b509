# SPDX-License-Identifier: GPL-2.0-only
"""--dry-run prints what can be done by hand: done, it gives the same kernel and the same guest."""

import subprocess  # noqa: TID251 - a person's shell
from collections.abc import Callable
from pathlib import Path

import fake_guest
import pytest
from command_line import buddylab, names, refused

from harness.cli.main import main
from harness.compare import plan as plans
from harness.errors import Exit
from harness.host.cache import Cache
from harness.stages import guest, userspace
from harness.values import KernelBuild, Userspace
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
    done = subprocess.run(
        ["sh"], input=script, cwd=folder, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> fake_guest.FakeQemu:
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU_VERSION", "10.0.2")
    return fake_guest.install(monkeypatch, tmp_path, "good")


@pytest.fixture
def dry_run(
    cache: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    qemu: fake_guest.FakeQemu,
) -> Callable[..., str]:
    """Return what a command prints, where guests' programs are few and there already."""
    assert cache.root.parent == qemu.log.parent == tmp_path
    (file := tmp_path / "a-program").write_text("#!/bin/sh\n")
    names = ("/init", "/root/scripts/a.sh", "/root/turns/in_turns.sh", "/usr/bin/stress-ng")
    inside = Userspace(
        key="u" * 64,
        packages=(),
        files=dict.fromkeys(names, file),
        applets=("/bin/sh", "/usr/bin/[", "/usr/bin/[["),
    )
    monkeypatch.setattr(userspace, "userspace", lambda *_: inside)
    monkeypatch.setattr(guest, "userspace", lambda *_: inside)

    def printed(*words: str) -> str:
        assert main([*words, "--dry-run"]) == Exit.OK
        return capsys.readouterr().out

    return printed


def inside_of(initramfs: Path) -> list[str]:
    """List what the pretended gen_init_cpio was told to put into an image, but for from where."""
    lines = [line.split(" ") for line in initramfs.read_text().splitlines()]
    return [" ".join(words[:2] + words[3 if words[0] == "file" else 2 :]) for words in lines]


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
    qemu: fake_guest.FakeQemu,
    dry_run: Callable[..., str],
) -> None:
    words = ("--kernel", str(fake_kernel), "--upto", "0")

    script = dry_run("run", *words, "--scale", "small", "--seed", "9")
    assert names(cache) == ["sources", "trees"]
    assert not (tmp_path / "runs").exists()
    qemu.log.unlink(missing_ok=True)
    by_hand(script, tmp_path)

    (start,) = qemu.starts()
    argv = start["argv"]
    assert "buddylab.seed=9" in argv[argv.index("-append") + 1].split()
    assert argv[argv.index("-icount") + 1] == "shift=3,sleep=off"
    assert argv[argv.index("-m") + 1] == "1024"
    folder = tmp_path / "by-hand/run"
    assert (folder / "kernel").resolve() == tmp_path / "by-hand/kernel/vmlinux"
    plan = [line.split("\t")[0] for line in (folder / "plan").read_text().splitlines()]
    assert plan == [stage.name for stage in stages(Scale.SMALL, monitored=False)]
    assert (folder / "status.log").read_text().endswith("buddylab done exit=0\n")

    assert main(["guest", *words]) == Exit.OK
    (image,) = cache.names("guests")
    inside = inside_of(cache.entry("guests", image) / "initramfs.cpio")
    assert inside_of(folder / "initramfs") == inside
    assert "file /root/kmod/high_order_test.ko 0644 0 0" in inside


def test_a_guest_that_fails_ends_the_script(
    fake_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: Callable[..., str]
) -> None:
    script = dry_run("run", "--kernel", str(fake_kernel), "--upto", "0", "--scale", "small")
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", "panic")
    with pytest.raises(AssertionError):
        by_hand(script, tmp_path)
    assert not list((tmp_path / "by-hand/run/raw").iterdir())


def test_each_arm_of_a_plan_has_its_guest(
    cache: Cache,
    fake_kernel: Path,
    tmp_path: Path,
    qemu: fake_guest.FakeQemu,
    dry_run: Callable[..., str],
) -> None:
    (plan := tmp_path / "plan.toml").write_text(PLAN)

    script = dry_run("compare", str(plan), "--kernel", str(fake_kernel))
    assert names(cache) == ["sources", "trees"]
    assert "\n# seed 7; 8: in `guest`" in script
    qemu.log.unlink(missing_ok=True)
    by_hand(script, tmp_path)

    assert len(qemu.starts()) == 2
    for start, arm in zip(qemu.starts(), ("off", "again"), strict=True):
        argv = start["argv"]
        assert "name=opt/buddylab/mode,string=compare" in argv
        assert argv[argv.index("-action") + 1] == "panic=none"
        folder = tmp_path / f"by-hand/kept-ten-{arm}"
        assert (folder / "plan").read_text() == "state\t-\t-\t300\t0\techo 7\n"
        told = (folder / "arm").read_text()
        assert told.startswith("arm\t-\t-\t")
        assert told == plans.padded(told)


@pytest.mark.parametrize(
    ("more", "arm", "inside"),
    [
        ("", "", {"scripts/a.sh"}),
        ("cpus = 2", "schedule = 1", {"scripts/a.sh", "turns/in_turns.sh"}),
        (
            "nodes = 2",
            "",
            {f"scripts/{name}.sh" for name in ("a", "empty_lists", "on_node", "plug_memory")},
        ),
    ],
)
def test_guests_have_what_their_plan_needs(
    more: str, arm: str, inside: set[str], fake_kernel: Path, dry_run: Callable[..., str]
) -> None:
    folder = fake_kernel.parent
    (plan := folder / "plan.toml").write_text(f"{more}\n{PLAN}{arm}\n")
    by_hand(dry_run("compare", str(plan), "--kernel", str(fake_kernel)), folder)
    found = inside_of(folder / "by-hand/unpatched/initramfs")
    assert {line.split(" ")[1] for line in found if ".sh 0755 " in line} == {
        f"/root/{name}" for name in inside
    }


@pytest.mark.usefixtures("cache")
def test_memory_that_is_plugged_in_is_no_persons_work(fake_kernel: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(f'hotplug_mib = 128\n{PLAN}plugged = "kernel"\n')
    done = buddylab("compare", str(plan), "--kernel", str(fake_kernel), "--dry-run")

    refused(done, Exit.USAGE, "memory plugged in while its guests stand still", "without --dry-run")


def test_a_live_run_is_a_persons_own(cache: Cache, fake_kernel: Path) -> None:
    done = buddylab(
        *("run", "--kernel", str(fake_kernel), "--upto", "0", "--mode", "live", "--dry-run")
    )

    refused(done, Exit.USAGE, "--dry-run tells how a repeatable run is made", "`buddylab shell`")
    assert names(cache) == []

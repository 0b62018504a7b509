# SPDX-License-Identifier: GPL-2.0-only
"""What --dry-run prints, given by hand on a real kernel: the same guests.

Of each script all runs but the make that builds a kernel: the cache has that kernel.
"""

import os
import re
import shutil
import subprocess  # noqa: TID251 - the command, and its script, as a user gives them
import sys
from pathlib import Path

import pytest

from harness import pipeline
from harness.compare.outcome import STOPPED
from harness.compare.plan import PATCHED
from harness.compare.results import unpacked
from harness.values import GuestImage, KernelBuild

pytestmark = pytest.mark.vm

LIMIT_S = 1500
KERNEL_PART = re.compile(r"^# kernel .*?(?=^# initramfs )", re.MULTILINE | re.DOTALL)
PLAN = """
name = "by_hand"
why = "a trial"
memory_mib = 512
seeds = [3]
baseline = "off"
settle_s = 0
[[states]]
name = "movable_8"
make = "movable_8"
[[bursts]]
name = "nine"
order = 9
requests = 64
hold_until_fail = false
background_load = 200
[[arms]]
name = "off"
[[arms]]
name = "clear"
policy = "clear"
"""


def buddylab(*arguments: str) -> str:
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL")
    which = ("--kernel", kernel) if kernel else ()
    argv = [sys.executable, "-m", "harness", *arguments, *which]
    return subprocess.run(
        argv, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_S
    ).stdout


@pytest.fixture(scope="module")
def made() -> tuple[KernelBuild, GuestImage]:
    request = pipeline.KernelRequest(kernel=os.environ.get("BUDDYLAB_TEST_KERNEL") or None)
    return pipeline.bootable(request, pipeline.open_cache())


def by_hand(script: str, kernel: str, build: KernelBuild, folder: Path) -> Path:
    """Give a script's commands, but for those whose result is `build`; return where all lies."""
    place = folder / "by-hand"
    (objects := place / kernel).mkdir(parents=True)
    (objects / "vmlinux").symlink_to(build.directory / "vmlinux")
    for name in ("usr", "kmod"):
        (objects / name).mkdir()
    shutil.copy2(build.directory / "gen_init_cpio", objects / "usr")
    for module in build.directory.glob("*.ko"):
        shutil.copy(module, objects / "kmod")
    less, count = KERNEL_PART.subn("", script)
    assert count == 1
    done = subprocess.run(
        ["sh"], input=less, cwd=folder, text=True, capture_output=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return place


def test_arms_begin_with_the_memory_of_those_of_compare(
    made: tuple[KernelBuild, GuestImage], tmp_path: Path
) -> None:
    build, image = made
    plan, out = tmp_path / "plan.toml", tmp_path / "out"
    plan.write_text(PLAN)

    place = by_hand(buddylab("compare", str(plan), "--dry-run"), PATCHED, build, tmp_path)
    buddylab("compare", str(plan), "--output", str(out))

    assert (place / PATCHED / "initramfs").read_bytes() == image.path.read_bytes()
    for arm in ("off", "clear"):
        (kept,) = out.glob(f"arms/**/{arm}.tar.gz")
        theirs = unpacked(kept.read_bytes(), arm)
        del theirs[STOPPED]  # which the host reads
        mine = place / f"movable_8-nine-{arm}/raw/arm"
        files = (path for path in mine.rglob("*") if path.is_file())
        ours = {str(path.relative_to(mine)): path.read_bytes() for path in files}
        assert set(ours) == set(theirs)
        before = {path for path in ours if path.startswith("before/")}
        differ = {path for path in before if ours[path] != theirs[path]}
        assert differ <= {"before/time", "before/dmesg"}  # by when they are
        assert len(before) > 15
        assert ours["exit_status"] == b"0\n"


def test_a_run_begins(made: tuple[KernelBuild, GuestImage], tmp_path: Path) -> None:
    """Of its stages the first two: all of them take a minute."""
    build, image = made
    script = buddylab("run", "--scale", "small", "--dry-run")
    head, line, plan = script.partition("guest run kernel <<'END'\n")
    first = plan.splitlines(keepends=True)[:2]
    script = "".join((head, line, *first, "END\n"))

    place = by_hand(script, "kernel", build, tmp_path)
    assert (place / "kernel/initramfs").read_bytes() == image.path.read_bytes()
    said = (place / "run/raw/verify/output").read_text()
    assert f"module_srcversion={build.module_srcversion}\n" in said
    assert (place / "run/raw/baseline/exit_status").read_text() == "0\n"

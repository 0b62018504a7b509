# SPDX-License-Identifier: GPL-2.0-only
"""Faults of a comparison on a real kernel: of its files, QEMU, guests, memory and results."""

import json
import os
import re
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from faults_bench import (
    Bench,
    Done,
    flipped,
    mounted,
    only,
    program,
    shared_memory,
    truncated,
    without,
)
from faults_guest import compare, guest, plan, words
from faults_rows import Rows

from harness.compare.results import ARMS, FAILURES, KERNELS, RESULTS
from harness.errors import Exit

ROWS = Rows(needs_guest=True)
row = ROWS.row
QEMU = "qemu-system-x86_64"


def _entry(bench: Bench, kind: str, name: str) -> Path:
    return only(bench.cache.glob(f"{kind}/*/{name}"))


def _altered(bench: Bench, kind: str, name: str) -> Iterator[Done]:
    flipped(_entry(bench, kind, name))
    yield compare(bench)
    bench.lab.mend()
    yield guest(bench)


@row("a cached kernel with a bit turned", "vmlinux", Exit.STAGE, said="vmlinux was altered since")
def _(bench: Bench) -> Iterator[Done]:
    yield from _altered(bench, "kernels", "vmlinux")


@row("a cached initramfs with a bit turned", "", Exit.STAGE, said="initramfs.cpio was altered")
def _(bench: Bench) -> Iterator[Done]:
    yield from _altered(bench, "guests", "initramfs.cpio")


@row("a cached initramfs cut short", "", Exit.OK, said="absent or incomplete; making it again")
def _(bench: Bench) -> Iterator[Done]:
    truncated(_entry(bench, "guests", "initramfs.cpio"))
    yield guest(bench)
    yield guest(bench)


@row("a cached module with a bit turned", "", Exit.STAGE, said=r"high_order_test.ko was altered")
def _(bench: Bench) -> Iterator[Done]:
    flipped(_entry(bench, "kernels", "high_order_test.ko"))
    shutil.rmtree(only(bench.cache.glob("guests/*")))
    yield guest(bench)
    bench.lab.mend()
    yield guest(bench)


@row("a QEMU that refuses an option", "-no-such-option", Exit.HOST, said="no-such-option")
def _(bench: Bench) -> Iterator[Done]:
    text = 'case "$*" in *"-kernel "*) exec $real "$@" -no-such-option;; esac\nexec $real "$@"'
    yield compare(bench, env=program(bench.folder, QEMU, text))
    assert (bench.folder / "out" / FAILURES).is_dir()
    yield guest(bench)


@row("no QEMU", "not on PATH", Exit.HOST, said=f"{QEMU} is not installed")
def _(bench: Bench) -> Iterator[Done]:
    yield compare(bench, env=without(bench.folder, QEMU))
    yield guest(bench)


@row("a QEMU that is no program", "--qemu /etc/passwd", Exit.USAGE, said="which is not a program")
def _(bench: Bench) -> Iterator[Done]:
    yield bench.run(*words(bench), "--qemu", "/etc/passwd")
    yield guest(bench)


@row("a QEMU that answers nothing", "exit 1", Exit.HOST, said="install .*again, or name another")
def _(bench: Bench) -> Iterator[Done]:
    yield compare(bench, env=program(bench.folder, QEMU, "exit 1"))
    yield guest(bench)


def _qemu_of(bench: Bench) -> tuple[int, str]:
    """Return the QEMU of a guest that runs here, and what it was told."""
    while True:
        for pid in bench.processes():
            with suppress(OSError):  # ended meanwhile
                said = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                if "-kernel" in said and Path(said[0]).name == QEMU:
                    return pid, " ".join(said)
        time.sleep(0.05)


@row("QEMU killed", "kill -9 while it boots", Exit.GUEST_LOST, said="QEMU ended with status -9")
def _(bench: Bench) -> Iterator[Done]:
    process = bench.start(*words(bench))
    os.kill(_qemu_of(bench)[0], signal.SIGKILL)
    yield bench.ended(process)
    yield compare(bench)


@row("QEMU stopped", "kill -STOP as it starts", Exit.GUEST_LOST, said="life for|at its monitor")
def _(bench: Bench) -> Iterator[Done]:
    process = bench.start(*words(bench))
    os.kill(_qemu_of(bench)[0], signal.SIGSTOP)
    yield bench.ended(process)
    yield guest(bench)


@row("a QEMU that is taken over", "its seccomp, rights and memory", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    process = bench.start(*words(bench))
    pid, said = _qemu_of(bench)
    while True:  # the filter comes last
        told = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        if told["Seccomp"] == "2":
            break
        time.sleep(0.02)
    assert told["NoNewPrivs"] == "1"
    assert int(told["CapBnd"], 16) in {0, 2} or os.geteuid()
    (memory,) = re.findall(r"mem-path=([^ ,]+)", said)
    assert stat.S_IMODE(Path(memory).stat().st_mode) == 0o600
    yield bench.ended(process)
    yield guest(bench)


@row("a guest that panics", "echo c > sysrq-trigger", Exit.GUEST_LOST, said="Kernel panic")
def _(bench: Bench) -> Iterator[Done]:
    plan(bench, prepare="echo c > /proc/sysrq-trigger")
    yield compare(bench)
    console = only((bench.folder / "out" / FAILURES).rglob("console.log"))
    assert "sysrq triggered crash" in console.read_text()
    plan(bench)
    yield compare(bench, "another")


@row("a preparation that fails", "false", Exit.STAGE, said="failed in the guest")
def _(bench: Bench) -> Iterator[Done]:
    plan(bench, prepare="false")
    yield compare(bench)
    yield guest(bench)


@row("no room on /dev/shm", "4 KiB", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    yield compare(bench, before=shared_memory("4k"))
    yield guest(bench)


@row("room on /dev/shm for one of two", "800 MiB, --jobs 2", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    plan(bench, seeds="1, 2")
    yield bench.run(*words(bench), "--jobs", "2", before=shared_memory("800m"))
    yield guest(bench)


@row("disk full at the results", "a tmpfs of 8 KiB", Exit.HOST, said="no space left below .*out")
def _(bench: Bench) -> Iterator[Done]:
    with mounted(bench.folder / "out", "8k"):
        yield compare(bench)
    yield guest(bench)


@row("results read-only", "mount -o ro", Exit.USAGE, Exit.HOST, said="ead-only file system")
def _(bench: Bench) -> Iterator[Done]:
    with mounted(bench.folder / "out", "1m", "ro"):
        yield compare(bench)
    yield guest(bench)


@row("results where something else is", "thesis.tex", Exit.USAGE, said="holds no comparison")
def _(bench: Bench) -> Iterator[Done]:
    (bench.folder / "out").mkdir()
    (bench.folder / "out/thesis.tex").write_text("dear")
    yield compare(bench)
    assert (bench.folder / "out/thesis.tex").read_text() == "dear"
    yield guest(bench)


@row("an odd path of results", r"it's,a \n folder", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    yield compare(bench, "it's,a \n folder")
    yield guest(bench)


@row("killed between its first two files", "kernels.json alone", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    (bench.folder / "out").mkdir()
    shutil.copy(bench.lab.compared / KERNELS, bench.folder / "out")
    yield compare(bench)
    yield compare(bench)


def _saved(bench: Bench) -> Path:
    """Take a copy of a comparison that is complete: it is not run again."""
    plan(bench)
    return shutil.copytree(bench.lab.compared, bench.folder / "out")


@row("an arm's file cut short", ARMS, Exit.STAGE, said="is damaged .*; remove it and run again")
def _(bench: Bench) -> Iterator[Done]:
    arm = only((_saved(bench) / ARMS).rglob("*.json"))
    truncated(arm)
    yield compare(bench)
    arm.unlink()
    yield compare(bench)


@row("results cut short", RESULTS, Exit.STAGE, said="is damaged")
def _(bench: Bench) -> Iterator[Done]:
    folder = _saved(bench)
    shutil.rmtree(folder / ARMS)
    truncated(folder / RESULTS)
    yield bench.run("report", str(folder))
    shutil.copy(bench.lab.compared / RESULTS, folder)
    yield bench.run("report", str(folder))


@row("what ran named wrongly", "kernels.json of another", Exit.USAGE, said="differs in kernel")
def _(bench: Bench) -> Iterator[Done]:
    path = _saved(bench) / KERNELS
    told = json.loads(path.read_text())
    told["kernels"][0]["key"]["vmlinux_digest"] = "0" * 64
    path.write_text(json.dumps(told))
    yield compare(bench)
    shutil.copy(bench.lab.compared / KERNELS, path)
    yield compare(bench)


@row("more memory than there is", "memory_mib = 4000000", Exit.HOST, said="this host has .* avail")
def _(bench: Bench) -> Iterator[Done]:
    path = bench.folder / plan(bench)
    path.write_text(path.read_text().replace("memory_mib = 256", "memory_mib = 4000000"))
    yield compare(bench)
    yield guest(bench)


@row("a number out of its range", "icount_shift = -1", Exit.USAGE, said="icount_shift")
def _(bench: Bench) -> Iterator[Done]:
    plan(bench, more="icount_shift = -1")
    yield compare(bench)
    yield guest(bench)


@row("a plan that is no text", r"\xff", Exit.USAGE, said="plan.toml cannot be read .'utf-8'")
def _(bench: Bench) -> Iterator[Done]:
    (bench.folder / plan(bench)).write_bytes(b'name = "\xff"\n')
    yield compare(bench)
    yield guest(bench)


@row("KVM for a guest that counts", "--accelerator kvm", Exit.USAGE, said="which KVM cannot")
def _(bench: Bench) -> Iterator[Done]:
    yield bench.run("run", "--accelerator", "kvm", *bench.lab.kernel, "--output", "out")
    yield guest(bench)


@row("a shell without a terminal", "</dev/null", Exit.USAGE, said="needs a terminal")
def _(bench: Bench) -> Iterator[Done]:
    yield bench.run("shell", *bench.lab.kernel)
    yield guest(bench)


@row("a user's notes beside ours", "/dev/shm/buddylab-my-notes", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    notes = Path("/dev/shm/buddylab-my-notes")
    notes.mkdir(exist_ok=True)
    try:
        yield guest(bench)
        assert notes.is_dir()
    finally:
        notes.rmdir()
    yield guest(bench)


@row("two comparisons at once", "into one folder", Exit.OK)
def _(bench: Bench) -> Iterator[Done]:
    first, second = bench.start(*words(bench)), bench.start(*words(bench))
    said = first.communicate()[0].decode()
    yield bench.ended(second)
    yield Done(first.returncode, said, ())

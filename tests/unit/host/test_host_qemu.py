# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU command line: a pure function, and nothing of the host in what is digested."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.host import qemu
from harness.host.emulator import Emulator
from harness.host.qemu import GuestMode, GuestSpec, Ports
from harness.values import Accelerator, RunMode

EMULATOR = Emulator(
    program=Path("/usr/bin/qemu-system-x86_64"),
    folders=(),
    version="7.2.22",
    digest="e" * 64,
    firmware_digest="f" * 64,
    cpu="max,rdrand=off,rdseed=off,erms=off",
    network_card="e1000,netdev=net0,romfile=,autonegotiation=off",
)
REPEATABLE = GuestSpec(
    emulator=EMULATOR,
    mode=GuestMode.REPEATABLE,
    accelerator=Accelerator.TCG,
    memory_mib=1024,
    cpus=1,
    icount_shift=3,
    kernel=Path("/cache/kernels/1/vmlinux"),
    initrd=Path("/cache/guests/1/initramfs.cpio"),
    seed=7,
    ports=Ports(
        console=Path("/runs/a/console.log"),
        results=Path("/runs/a/results.tar"),
        status=Path("/runs/a/status.log"),
    ),
    plan=Path("/tmp/x/plan"),
)
LIVE = replace(
    REPEATABLE,
    mode=GuestMode.LIVE,
    cpus=2,
    icount_shift=None,
    plan=None,
    ports=replace(REPEATABLE.ports, dialogue=Path("/tmp/x/console.sock")),
    authorized_key=Path("/tmp/x/id.pub"),
    ssh_port=40123,
)


def value_after(argv: tuple[str, ...], flag: str) -> str:
    return argv[argv.index(flag) + 1]


@pytest.mark.parametrize("spec", [REPEATABLE, LIVE], ids=lambda spec: spec.mode)
def test_what_qemu_is_told_stays(spec: GuestSpec, golden: Callable[[str, str], None]) -> None:
    """One word more or less, and a repeatable guest may give other bytes under the same key."""
    golden(f"qemu-{spec.mode}.txt", "".join(f"{word}\n" for word in qemu.qemu_argv(spec)))


def test_repeatable_guest_has_no_source_of_change() -> None:
    argv = qemu.qemu_argv(REPEATABLE)
    assert value_after(argv, "-accel") == "tcg,thread=single"
    assert value_after(argv, "-icount") == "shift=3,sleep=off"
    assert value_after(argv, "-smp") == "1"
    assert value_after(argv, "-rtc") == "base=2026-01-01,clock=vm"
    assert value_after(argv, "-cpu") == "max,rdrand=off,rdseed=off,erms=off"
    assert value_after(argv, "-nic") == "none"
    assert value_after(argv, "-seed") == "7"
    assert "virtio" not in " ".join(argv)
    assert "socket" not in " ".join(argv)


def test_live_guest_reaches_nothing_and_listens_on_the_loopback_only() -> None:
    netdev = value_after(qemu.qemu_argv(LIVE), "-netdev")
    assert netdev == "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:40123-10.0.2.15:22"


@pytest.mark.parametrize("spec", [REPEATABLE, LIVE])
def test_panic_ends_qemu(spec: GuestSpec) -> None:
    argv = qemu.qemu_argv(spec)
    assert "-no-reboot" in argv
    assert {"panic=-1", "oops=panic"} <= set(value_after(argv, "-append").split())


def test_kvm_uses_the_host_cpu() -> None:
    argv = qemu.qemu_argv(replace(LIVE, accelerator=Accelerator.KVM))
    assert value_after(argv, "-accel") == "kvm"
    assert value_after(argv, "-cpu") == "host"


def test_machine_text_has_no_path_and_no_port() -> None:
    for spec in (REPEATABLE, LIVE):
        text = qemu.machine_text(spec)
        assert "/" not in text.replace("opt/buddylab/", "")
        assert "40123" not in text


def test_machine_text_is_the_same_wherever_the_files_are() -> None:
    moved = replace(
        REPEATABLE,
        emulator=replace(EMULATOR, program=Path("/else/qemu"), folders=(Path("/else/share"),)),
        kernel=Path("/else/vmlinux"),
        initrd=Path("/else/i"),
        plan=Path("/else/p"),
        ports=Ports(console=Path("/e/c"), results=Path("/e/r"), status=Path("/e/s")),
    )
    assert qemu.machine_text(moved) == qemu.machine_text(REPEATABLE)
    assert qemu.machine_text(replace(LIVE, ssh_port=5)) == qemu.machine_text(LIVE)


@pytest.mark.parametrize(
    "change", [{"memory_mib": 2048}, {"seed": 8}, {"icount_shift": 4}, {"plan": None}]
)
def test_machine_text_tells_what_shapes_the_guest(change: dict[str, int]) -> None:
    changed = replace(REPEATABLE, **change)  # type: ignore[arg-type]
    assert qemu.machine_text(changed) != qemu.machine_text(REPEATABLE)


def test_comma_in_a_path_stays_in_the_path() -> None:
    spec = replace(REPEATABLE, ports=replace(REPEATABLE.ports, console=Path("/runs/a,b/c")))
    assert "file,id=console,path=/runs/a,,b/c" in qemu.qemu_argv(spec)


def test_the_kernel_notes_owners_of_pages_when_asked_to() -> None:
    """It costs memory and time, and so is off unless asked for."""
    asked = replace(REPEATABLE, page_owner=True)

    assert "page_owner=on" in qemu.kernel_command_line(asked).split()
    assert "page_owner" not in qemu.kernel_command_line(REPEATABLE)


def test_seed_reaches_the_guest() -> None:
    assert "buddylab.seed=7" in qemu.kernel_command_line(REPEATABLE).split()


def test_tcg_boots_on_one_cpu_and_kvm_on_all() -> None:
    kvm = replace(LIVE, accelerator=Accelerator.KVM)
    assert "maxcpus=1" in qemu.kernel_command_line(LIVE).split()
    assert "maxcpus=1" not in qemu.kernel_command_line(kvm).split()
    assert "maxcpus=1" not in qemu.kernel_command_line(REPEATABLE).split()


def test_guest_mode() -> None:
    assert qemu.guest_mode(RunMode.REPEATABLE) is GuestMode.REPEATABLE
    assert qemu.guest_mode(RunMode.LIVE) is GuestMode.LIVE


def test_machine_text_names_what_the_cpu_goes_without() -> None:
    newer = replace(EMULATOR, cpu=EMULATOR.cpu + ",fsrm=off")
    text = qemu.machine_text(replace(REPEATABLE, emulator=newer))
    assert "-cpu max,rdrand=off,rdseed=off,erms=off,fsrm=off " in text


def test_unpacked_firmware_is_named_to_qemu() -> None:
    unpacked = replace(EMULATOR, folders=(Path("/q/share/qemu"), Path("/q/share/seabios")))
    argv = qemu.qemu_argv(replace(REPEATABLE, emulator=unpacked))
    assert argv[1:5] == ("-L", "/q/share/qemu", "-L", "/q/share/seabios")

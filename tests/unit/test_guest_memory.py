# SPDX-License-Identifier: GPL-2.0-only
"""A guest's memory as it is laid out: what cannot be is refused, what can be is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.guest_memory import PLAIN, MemoryLayout, layout_faults, layout_in
from harness.host import qemu
from harness.host.emulator import Emulator
from harness.host.qemu import GuestMode, GuestSpec, Pausable, Ports
from harness.host.qemu_memory import plugged_in
from harness.values import Accelerator

TWO = MemoryLayout(nodes=2)
ALL = MemoryLayout(nodes=2, movable_mib=256, cma_mib=64, hotplug_mib=256)
SPEC = GuestSpec(
    emulator=Emulator(
        program=Path("/usr/bin/qemu-system-x86_64"),
        folders=(),
        version="10.0.2",
        digest="e" * 64,
        firmware_digest="f" * 64,
        cpu="max",
        network_card="e1000",
    ),
    mode=GuestMode.COMPARE,
    accelerator=Accelerator.TCG,
    memory_mib=1024,
    cpus=1,
    icount_shift=3,
    kernel=Path("/k/vmlinux"),
    initrd=Path("/k/initramfs.cpio"),
    seed=7,
    ports=Ports(
        console=Path("/r/c"), results=Path("/r/r"), status=Path("/r/s"), monitor=Path("/r/m")
    ),
    pausable=Pausable(memory=Path("/m/memory"), arm=Path("/m/arm"), starts_from_snapshot=False),
)


def with_layout(layout: MemoryLayout, *, cpus: int = 1) -> GuestSpec:
    return replace(SPEC, layout=layout, cpus=cpus)


def words(spec: GuestSpec, flag: str) -> list[str]:
    argv = qemu.qemu_argv(spec)
    return [value for at, value in enumerate(argv[1:]) if argv[at] == flag]


@pytest.mark.parametrize(
    ("layout", "fact"),
    [
        (MemoryLayout(nodes=0), "nodes = 0 is outside 1..8"),
        (MemoryLayout(nodes=9), "nodes = 9 is outside 1..8"),
        (MemoryLayout(nodes=3), "nodes = 3: 1024 MiB of memory cannot be split evenly"),
        (MemoryLayout(movable_mib=-4), "movable_mib = -4 is no multiple of 4"),
        (MemoryLayout(cma_mib=6), "cma_mib = 6 is no multiple of 4"),
        (MemoryLayout(movable_mib=512, cma_mib=512), "leave 0 of 1024 MiB to the kernel"),
        (MemoryLayout(hotplug_mib=64), "hotplug_mib = 64 is no multiple of 128"),
    ],
)
def test_what_no_guest_can_have_is_said(layout: MemoryLayout, fact: str) -> None:
    assert any(fact in each for each in layout_faults(layout, 1024))


def test_a_node_too_small_to_give_anything_is_said() -> None:
    (fact,) = layout_faults(MemoryLayout(nodes=4), 256)
    assert fact == "nodes = 4: each would have 64 MiB, a node needs 128"


@pytest.mark.parametrize("layout", [PLAIN, TWO, MemoryLayout(movable_mib=256, cma_mib=64)])
def test_what_a_guest_can_have_is_not_refused(layout: MemoryLayout) -> None:
    assert not list(layout_faults(layout, 1024))


@pytest.mark.parametrize(
    ("nodes", "cpus", "expected"),
    [
        (2, 1, [(0,), ()]),
        (2, 2, [(0,), (1,)]),
        (2, 4, [(0, 1), (2, 3)]),
        (2, 3, [(0, 1), (2,)]),
        (4, 2, [(0,), (1,), (), ()]),
    ],
)
def test_cpus_are_spread_and_the_first_node_has_one(
    nodes: int, cpus: int, expected: list[tuple[int, ...]]
) -> None:
    layout = MemoryLayout(nodes=nodes)
    assert [layout.cpus_of(node, cpus) for node in range(nodes)] == expected


def test_a_guest_that_asks_for_nothing_is_told_nothing() -> None:
    assert PLAIN.is_plain
    assert PLAIN.flavours == PLAIN.command_line == ()
    assert str(PLAIN) == ""
    assert "numa" not in " ".join(qemu.qemu_argv(SPEC))
    assert qemu.qemu_argv(SPEC) == qemu.qemu_argv(with_layout(MemoryLayout()))
    assert words(SPEC, "-m") == ["1024"]
    assert words(SPEC, "-smp") == ["1"]
    assert words(SPEC, "-object") == [
        "memory-backend-file,id=ram,size=1024M,mem-path=/m/memory,share=on"
    ]
    assert words(SPEC, "-machine")[0].endswith(",memory-backend=ram")


def test_each_node_has_a_file_of_its_own() -> None:
    spec = with_layout(TWO)
    assert words(spec, "-object") == [
        "memory-backend-file,id=ram0,size=512M,mem-path=/m/memory-0,share=on",
        "memory-backend-file,id=ram1,size=512M,mem-path=/m/memory-1,share=on",
    ]
    assert words(spec, "-numa") == ["node,nodeid=0,memdev=ram0,cpus=0", "node,nodeid=1,memdev=ram1"]
    assert "memory-backend" not in words(spec, "-machine")[0]


def test_no_socket_is_on_two_nodes() -> None:
    assert words(with_layout(TWO, cpus=4), "-smp") == ["4,sockets=4,cores=1,threads=1"]


def test_an_arm_keeps_what_it_changes_to_itself() -> None:
    pausable = replace(SPEC.pausable, starts_from_snapshot=True) if SPEC.pausable else None
    spec = replace(with_layout(TWO), pausable=pausable)
    assert all(word.endswith(",share=off") for word in words(spec, "-object"))


def test_a_guest_that_is_never_stopped_has_no_file() -> None:
    spec = replace(with_layout(TWO), pausable=None, mode=GuestMode.REPEATABLE)
    assert words(spec, "-object") == [
        "memory-backend-ram,id=ram0,size=512M",
        "memory-backend-ram,id=ram1,size=512M",
    ]


def test_the_kernel_is_told_of_zone_and_area() -> None:
    line = qemu.kernel_command_line(with_layout(ALL)).split()
    assert {"movablecore=256M", "cma=64M"} <= set(line)


def test_memory_is_plugged_in_where_the_guest_stops_and_is_there_where_arms_go_on() -> None:
    layout = MemoryLayout(hotplug_mib=256)
    spec = with_layout(layout)
    assert words(spec, "-m") == ["1024,slots=1,maxmem=1280M"]
    assert "pc-dimm" not in " ".join(qemu.qemu_argv(spec))

    (first, memory), (second, device) = plugged_in(layout, Path("/m/memory"))
    assert (first, second) == ("object-add", "device_add")
    assert (memory["mem-path"], memory["size"]) == ("/m/memory-plugged", 256 << 20)
    assert memory["share"] is True

    pausable = replace(SPEC.pausable, starts_from_snapshot=True) if SPEC.pausable else None
    arm = replace(spec, pausable=pausable)
    assert words(arm, "-object")[-1] == (
        f"memory-backend-file,id={memory['id']},size=256M,mem-path={memory['mem-path']},share=off"
    )
    assert words(arm, "-device")[-1] == (
        f"{device['driver']},id={device['id']},memdev={memory['id']},node={device['node']}"
    )


def test_memory_comes_to_the_last_node() -> None:
    _, (_, device) = plugged_in(MemoryLayout(nodes=2, hotplug_mib=128), Path("/m/memory"))
    assert device["node"] == 1


@pytest.mark.parametrize(
    ("layout", "memory_mib", "fact"),
    [
        (MemoryLayout(hotplug_mib=128, movable_mib=128), 1024, "hotplug_mib beside movable_mib"),
        (MemoryLayout(hotplug_mib=128), 4096, "hotplug_mib beside memory_mib = 4096: above 2048"),
    ],
)
def test_no_zone_that_is_there_grows(layout: MemoryLayout, memory_mib: int, fact: str) -> None:
    assert any(fact in each for each in layout_faults(layout, memory_mib))


@pytest.mark.parametrize("layout", [PLAIN, TWO, MemoryLayout(cma_mib=64), ALL])
def test_a_replay_key_tells_the_layout(layout: MemoryLayout) -> None:
    spec = with_layout(layout)
    assert layout_in(qemu.machine_text(spec), qemu.kernel_command_line(spec)) == layout


def test_what_qemu_is_told_of_nodes_stays(golden: Callable[[str, str], None]) -> None:
    spec = with_layout(MemoryLayout(nodes=2, movable_mib=256), cpus=2)
    golden("qemu-nodes.txt", "".join(f"{word}\n" for word in qemu.qemu_argv(spec)))

# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's arguments for a guest's memory: one file or several, nodes, and a slot for more."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.guest_memory import MemoryLayout

_RAM = "ram"
# What is plugged in: its memory, and the device that it comes as.
_PLUGGED_MEMORY, _PLUGGED = "plugged_memory", "plugged"
_DIMM = "pc-dimm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """The file that a guest's memory is, as QEMU's option lists have it; or the first of several.

    A guest of several nodes has a file for each, named by the node.
    """

    file: str
    shared: bool  # written to the file; else what it changes is the guest's own


def file_sizes(layout: MemoryLayout, memory_mib: int, name: str) -> dict[str, int]:
    """Return the files that a guest's memory is, from `name`: each one's name and its MiB."""
    if not _has_nodes(layout):
        return {name: memory_mib}
    sizes = {f"{name}-{node}": layout.node_mib(memory_mib) for node in range(layout.nodes)}
    return sizes | ({f"{name}-{_PLUGGED}": layout.hotplug_mib} if layout.hotplug_mib else {})


def memory_backend(layout: MemoryLayout, backing: Backing | None) -> str:
    """Return what -machine says of it: nodes name theirs themselves."""
    return f",memory-backend={_RAM}" if backing and not _has_nodes(layout) else ""


def size_arguments(layout: MemoryLayout, memory_mib: int) -> str:
    """Return the value of -m."""
    if not layout.hotplug_mib:
        return str(memory_mib)
    return f"{memory_mib},slots=1,maxmem={memory_mib + layout.hotplug_mib}M"


def smp(layout: MemoryLayout, cpus: int) -> str:
    """Return the value of -smp: no socket is on two nodes, as the kernel would not believe."""
    return f"{cpus},sockets={cpus},cores=1,threads=1" if _has_nodes(layout) else str(cpus)


def memory_arguments(
    layout: MemoryLayout, memory_mib: int, cpus: int, backing: Backing | None
) -> tuple[str, ...]:
    """Return where memory lies and which node has it."""
    if not _has_nodes(layout):
        return () if backing is None else ("-object", _object(_RAM, memory_mib, backing, ""))
    return tuple(_nodes(layout, memory_mib, cpus, backing))


def plugged_in(layout: MemoryLayout, memory: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what QEMU's monitor is told to plug memory into a guest whose memory is `memory`.

    What goes on from there begins with it in place, see `memory_arguments`.
    """
    yield (
        "object-add",
        {
            "qom-type": "memory-backend-file",
            "id": _PLUGGED_MEMORY,
            "size": layout.hotplug_mib << 20,
            "mem-path": f"{memory}-{_PLUGGED}",
            "share": True,
        },
    )
    yield (
        "device_add",
        {
            "driver": _DIMM,
            "id": _PLUGGED,
            "memdev": _PLUGGED_MEMORY,
            "node": layout.nodes - 1,
        },
    )


def _has_nodes(layout: MemoryLayout) -> bool:
    # Memory that is plugged must be told to which node it comes.
    return layout.nodes > 1 or layout.hotplug_mib > 0


def _nodes(
    layout: MemoryLayout, memory_mib: int, cpus: int, backing: Backing | None
) -> Iterator[str]:
    for node in range(layout.nodes):
        name = f"{_RAM}{node}"
        yield "-object"
        yield _object(name, layout.node_mib(memory_mib), backing, f"-{node}")
        yield "-numa"
        own = "".join(f",cpus={cpu}" for cpu in layout.cpus_of(node, cpus))
        yield f"node,nodeid={node},memdev={name}{own}"
    if layout.hotplug_mib and backing and not backing.shared:
        yield "-object"
        yield _object(_PLUGGED_MEMORY, layout.hotplug_mib, backing, f"-{_PLUGGED}")
        yield "-device"
        yield f"{_DIMM},id={_PLUGGED},memdev={_PLUGGED_MEMORY},node={layout.nodes - 1}"


def _object(name: str, size_mib: int, backing: Backing | None, ending: str) -> str:
    if backing is None:
        return f"memory-backend-ram,id={name},size={size_mib}M"
    share = "on" if backing.shared else "off"
    return (
        f"memory-backend-file,id={name},size={size_mib}M,mem-path={backing.file}{ending},"
        f"share={share}"
    )

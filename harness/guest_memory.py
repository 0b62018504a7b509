# SPDX-License-Identifier: GPL-2.0-only
"""How a guest's memory is laid out: nodes, a movable zone, a CMA area, memory that is plugged."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.limits import (
    BELOW_4_GIB_MIB,
    HOTPLUG_STEP_MIB,
    LARGEST_BLOCK_MIB,
    MEMORY_MIB_MIN,
    NODE_MIB_MIN,
    NODES_MAX,
)

# The configuration (vm/config/NAME.config) that a guest needs for any of it.
FLAVOUR = "nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLayout:
    """What there is beside one node of ordinary zones; nothing of it unless asked for."""

    nodes: int = 1  # each has an equal share of the memory
    movable_mib: int = 0  # of ZONE_MOVABLE, of all nodes together (movablecore=)
    cma_mib: int = 0  # of the area of contiguous memory (cma=)
    hotplug_mib: int = 0  # beside memory_mib, for the last node: plugged in when the guest stops

    @property
    def is_plain(self) -> bool:
        """Whether nothing was asked for: such a guest is what it always was."""
        return self == PLAIN

    @property
    def flavours(self) -> tuple[str, ...]:
        """The configurations that its kernel needs beside the guests' own."""
        return () if self.is_plain else (FLAVOUR,)

    @property
    def command_line(self) -> tuple[str, ...]:
        """What its kernel is told of it."""
        words = {
            f"movablecore={self.movable_mib}M": self.movable_mib,
            f"cma={self.cma_mib}M": self.cma_mib,
            # An arm says when, and for which zone.
            "memhp_default_state=offline": self.hotplug_mib,
        }
        return tuple(word for word, asked in words.items() if asked)

    def node_mib(self, memory_mib: int) -> int:
        """Return the memory of each node."""
        return memory_mib // self.nodes

    def cpus_of(self, node: int, cpus: int) -> tuple[int, ...]:
        """Return which of `cpus` a node has: as many as the others, the first ones one more."""
        return tuple(cpu for cpu in range(cpus) if _node_of(cpu, cpus, self.nodes) == node)

    def __str__(self) -> str:
        """Name what there is, in words; empty where it is plain."""
        parts = [f"{self.nodes} nodes"] if self.nodes > 1 else []
        parts += [f"{self.movable_mib} MiB movable"] if self.movable_mib else []
        parts += [f"{self.cma_mib} MiB of CMA"] if self.cma_mib else []
        parts += [f"{self.hotplug_mib} MiB plugged"] if self.hotplug_mib else []
        return ", ".join(parts)


# What every guest has that asks for nothing.
PLAIN = MemoryLayout()


def _node_of(cpu: int, cpus: int, nodes: int) -> int:
    return cpu * nodes // max(cpus, nodes)


def layout_faults(layout: MemoryLayout, memory_mib: int) -> Iterator[str]:
    """Say what no guest of `memory_mib` can have, as `key = value` and why."""
    nodes, shares = layout.nodes, {"movable_mib": layout.movable_mib, "cma_mib": layout.cma_mib}
    if not 1 <= nodes <= NODES_MAX:
        yield f"nodes = {nodes} is outside 1..{NODES_MAX}"
    elif memory_mib % nodes:
        yield f"nodes = {nodes}: {memory_mib} MiB of memory cannot be split evenly"
    elif nodes > 1 and layout.node_mib(memory_mib) < NODE_MIB_MIN:
        had = layout.node_mib(memory_mib)
        yield f"nodes = {nodes}: each would have {had} MiB, a node needs {NODE_MIB_MIN}"
    steps = dict.fromkeys(shares, LARGEST_BLOCK_MIB) | {"hotplug_mib": HOTPLUG_STEP_MIB}
    for key, value in {**shares, "hotplug_mib": layout.hotplug_mib}.items():
        if value < 0 or value % steps[key]:
            yield f"{key} = {value} is no multiple of {steps[key]}, which a kernel needs"
    if layout.hotplug_mib and layout.movable_mib:
        yield "hotplug_mib beside movable_mib: the cross-check knows a zone as large as it was"
    if layout.hotplug_mib and memory_mib > BELOW_4_GIB_MIB:
        yield (
            f"hotplug_mib beside memory_mib = {memory_mib}: above {BELOW_4_GIB_MIB} it makes "
            "a zone larger that is there, and the cross-check knows a zone as large as it was"
        )
    left_mib = memory_mib - sum(shares.values())
    if any(shares.values()) and left_mib < MEMORY_MIB_MIN:
        asked = " and ".join(f"{key} = {value}" for key, value in shares.items() if value)
        yield (
            f"{asked} leave {left_mib} of {memory_mib} MiB to the kernel, which boots with "
            f"{MEMORY_MIB_MIN}"
        )


def layout_in(machine: str, command_line: str) -> MemoryLayout:
    """Read a layout off what QEMU and the kernel were told: a replay key has no field for it."""

    def number(pattern: str, text: str) -> int:
        found = re.search(rf"(?:^|[ ,]){pattern}M(?:[ ,]|$)", text)
        return int(found[1]) if found else 0

    size = re.search(r"(?:^| )-m ([0-9]+)", machine)
    most_mib = number("maxmem=([0-9]+)", machine)
    return MemoryLayout(
        nodes=max(1, machine.count(" -numa node,")),
        movable_mib=number("movablecore=([0-9]+)", command_line),
        cma_mib=number("cma=([0-9]+)", command_line),
        hotplug_mib=most_mib - int(size[1]) if most_mib and size else 0,
    )

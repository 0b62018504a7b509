# SPDX-License-Identifier: GPL-2.0-only
"""vm/guest/nodes/on_node.sh in an arm's command: which nodes its burst may take blocks from."""

import re
from collections.abc import Iterator

SCRIPT = "scripts/on_node.sh"
NODE, CPUSET_MEMS = "--node", "--cpuset-mems"
_LIST = re.compile(r"[0-9]{1,3}(-[0-9]{1,3})?(,[0-9]{1,3}(-[0-9]{1,3})?)*")


def words(node: int | None, cpuset_mems: str) -> tuple[str, ...]:
    """Return what is put before an arm's command; nothing where nothing is asked for."""
    if node is None and not cpuset_mems:
        return ()
    asked = [] if node is None else [NODE, str(node)]
    return "bash", SCRIPT, *asked, *([CPUSET_MEMS, cpuset_mems] if cpuset_mems else [])


def listed(mems: str) -> frozenset[int] | None:
    """Return the nodes of a list as cpuset.mems takes it (0, 0-1, 0,2); None if it is none."""
    return frozenset(_each(mems)) if _LIST.fullmatch(mems) else None


def only_nodes(command: str, *, is_kernels: bool) -> frozenset[int] | None:
    """Return the nodes that an arm's blocks must be of; None where they may be of any.

    `is_kernels`: its requests are a module's. A cpuset keeps them only as long as nothing is short
    (mm/page_alloc.c prepare_alloc_pages, kernel/cgroup/cpuset.c __cpuset_node_allowed).
    """
    before, _, _ = command.partition(" scripts/run_arm.sh")
    asked = before.split()
    if SCRIPT not in asked:
        return None
    if NODE in asked:
        return frozenset({int(asked[asked.index(NODE) + 1])})
    return None if is_kernels else listed(asked[asked.index(CPUSET_MEMS) + 1])


def _each(mems: str) -> Iterator[int]:
    for part in mems.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)

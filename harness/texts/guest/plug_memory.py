# SPDX-License-Identifier: GPL-2.0-only
"""vm/guest/nodes/plug_memory.sh in an arm's command: what becomes of memory that was plugged in."""

import re
from enum import StrEnum

from harness.texts.pages import PAGES_PER_MIB, PageCount

SCRIPT = "scripts/plug_memory.sh"
_COMMAND = re.compile(rf"bash {re.escape(SCRIPT)} (\S+) ([0-9]{{1,6}}) && ")


class Plugged(StrEnum):
    """What an arm does with it before its burst."""

    KERNEL = "kernel"  # it is used, as ordinary memory of its node
    MOVABLE = "movable"  # it is used, as ZONE_MOVABLE of its node
    TAKEN = "taken"  # it was used as ZONE_MOVABLE, and is taken out again


def words(plugged: Plugged | None, size_mib: int) -> tuple[str, ...]:
    """Return what is put before an arm's command; nothing where nothing is asked for."""
    return () if plugged is None else ("bash", SCRIPT, plugged.value, str(size_mib), "&&")


def plugged_pages(command: str, *, can_move: bool) -> PageCount:
    """Return how many pages an arm's requests can get there beyond what had been there before."""
    found = _COMMAND.match(command)
    usable = {Plugged.KERNEL, Plugged.MOVABLE} if can_move else {Plugged.KERNEL}
    if found is None or found[1] not in usable:
        return PageCount(0)
    return PageCount(int(found[2]) * PAGES_PER_MIB)

# SPDX-License-Identifier: GPL-2.0-only
"""vm/guest/nodes/empty_lists.sh before a state that is made of what CPUs have on their lists."""

_WAIT_S = 60
# States of which kmod/unmovable_comb.c takes what is on the lists (plug=1) before anything else.
MADE_OF_LISTS = "hopeless"


def command(make: str, nodes: int) -> str:
    """Return what goes before a state's command; empty where nothing does."""
    if nodes == 1 or make.partition("_")[0] != MADE_OF_LISTS:
        return ""
    return f"bash scripts/empty_lists.sh {_WAIT_S} && "

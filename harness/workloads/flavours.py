# SPDX-License-Identifier: GPL-2.0-only
"""What guests are given whose kernel is of another flavour, for the workloads to be the same."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Needs:
    # What the kernel takes for itself beyond what a guest's own takes: so many MiB, and one part
    # in so many of the memory.
    fixed_mib: int
    part: int
    # Its instructions take 2^icount_shift ns of guest time.
    icount_shift: int


_NEEDS = {
    # Memory: KASAN's shadow is an eighth (mm/kasan/), freed objects stay in quarantine, and traced
    # ones keep the stacks of who made and freed them. Time: it executes several times as many
    # instructions for the same. At 8 ns each, the interrupt that the torture sends every 41 us
    # (kmod/torture_hammer.c) takes longer than that, and nothing gets done beside it.
    "debug": _Needs(fixed_mib=256, part=8, icount_shift=0),
}


def memory_for(plain_mib: int, flavours: Collection[str]) -> int:
    """Return the memory of a guest in MiB whose workloads find about as much as in `plain_mib`."""
    own_mib = [needs.fixed_mib + plain_mib // needs.part for needs in _of(flavours)]
    return plain_mib + sum(own_mib)


def icount_shift_for(plain: int, flavours: Collection[str]) -> int:
    """Return the icount shift of a guest whose clock suits what its kernel executes."""
    return min((plain, *(needs.icount_shift for needs in _of(flavours))))


def _of(flavours: Collection[str]) -> tuple[_Needs, ...]:
    return tuple(needs for name, needs in _NEEDS.items() if name in flavours)

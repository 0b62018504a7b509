# SPDX-License-Identifier: GPL-2.0-only
"""What a kind of request is: how its guest is told to make a burst, and how that is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.record.run import StageRecord
from harness.texts.pages import Order


class RequestKind(StrEnum):
    """Who asks for blocks, by the words of plans."""

    MODULE = "module"  # kmod/high_order_test.c: alloc_pages of any order and gfp
    THP = "thp"  # a program's faults on MADV_HUGEPAGE memory
    MTHP = "mthp"  # the same with huge pages smaller than a PMD maps
    HUGETLB = "hugetlb"  # raising vm.nr_hugepages


# Of run_arm.sh: the kind, where it is not the module's.
OPTION = "--kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a burst asks for."""

    order: int
    requests: int
    hold_until_fail: bool
    gfp: str  # of the module's requests alone
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HugePages:
    """What the kernel counted during the arm; None where this kernel does not tell."""

    thp_fault_alloc: int | None  # /proc/vmstat, huge pages that a PMD maps
    thp_fault_fallback: int | None
    thp_split_page: int | None
    anon_fault_alloc: int | None  # statistics of the size, during the burst
    anon_fault_fallback: int | None
    htlb_buddy_alloc_success: int | None  # /proc/vmstat
    htlb_buddy_alloc_fail: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """A burst as it went, whatever its kind."""

    order: Order
    attempted: int
    succeeded: int
    latencies_ns: tuple[int, ...]  # of the guest's clock, one for each that was attempted
    huge_pages: HugePages | None  # None: no such burst
    got: tuple[bool, ...]  # whether each got its block
    pfns: tuple[int, ...]  # first pages of what is held at the end, as far as they are known


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceText:
    """A text that a file of the kernel's source must have, or the kernel lacks `what`."""

    path: str
    text: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request; `read` raises RecordError unless all who tell of the burst agree."""

    orders: range
    words: Callable[[Asked], str]  # the end of run_arm.sh's call; {seed} is filled in
    read: Callable[[StageRecord, Mapping[str, bytes]], Requests]
    takes_gfp: bool = False
    takes_thp_defrag: bool = False
    needs: tuple[SourceText, ...] = ()

# SPDX-License-Identifier: GPL-2.0-only
"""What thp, mthp and hugetlb share: one guest program, and the kernel's own word of it.

A burst counts only if the program and the kernel agree: the program judges by what is present
in its ranges, or by the size of the pool; the kernel counts where it allocates.
"""

from collections.abc import Callable, Iterator, Mapping

from harness.compare.kinds.base import OPTION, Asked, HugePages, RequestKind, Requests
from harness.errors import RecordError
from harness.record.run import StageRecord
from harness.texts.guest.huge_page_burst import WHAT, HugePageBurst, parse_huge_page_burst
from harness.texts.text import damaged

PMD_ORDER = 9  # HPAGE_PMD_ORDER and hugetlb's default size on x86-64: 2 MiB
# Two numbers that must be equal: what the second one is, the program's, the kernel's.
Pair = tuple[str, int, int]
Witnesses = Callable[[HugePageBurst, HugePages], Iterator[Pair]]


def words_of(kind: RequestKind) -> Callable[[Asked], str]:
    """Return what writes the end of run_arm.sh's call."""

    def words(asked: Asked) -> str:
        until_fail = int(asked.hold_until_fail)
        return f"{OPTION} {kind} {asked.order} {asked.requests} {until_fail} {{seed}}"

    return words


def reader(
    kind: RequestKind, witnesses: Witnesses
) -> Callable[[StageRecord, Mapping[str, bytes]], Requests]:
    """Return what reads a burst of `kind`, which `witnesses` compares with the kernel's counts."""

    def read(stage: StageRecord, files: Mapping[str, bytes]) -> Requests:
        if WHAT not in files:
            raise damaged(WHAT, "absent")
        burst = parse_huge_page_burst(files[WHAT].decode("ascii", errors="replace"))
        if burst.kind != kind:
            raise damaged(WHAT, f"it is of kind {burst.kind}, the arm of kind {kind}")
        counted = _counted(stage, burst)
        _require_agreement(burst, (*_everywhere(stage, burst), *witnesses(burst, counted)))
        return Requests(
            order=burst.order,
            attempted=burst.attempted,
            succeeded=burst.succeeded,
            latencies_ns=tuple(one.latency_ns for one in burst.requests),
            huge_pages=counted,
            got=tuple(one.succeeded for one in burst.requests),
            pfns=tuple(one.pfn for one in burst.requests if one.succeeded and one.pfn),
        )

    return read


def of_size(burst: HugePageBurst, counted: HugePages) -> Iterator[Pair]:
    """Compare with the statistics of the size, where the kernel has them."""
    if counted.anon_fault_alloc is not None and counted.anon_fault_fallback is not None:
        yield "anon_fault_alloc of the size", burst.succeeded, counted.anon_fault_alloc
        yield "anon_fault_fallback of the size", burst.failed, counted.anon_fault_fallback


def mapped_by_pmd(burst: HugePageBurst, counted: HugePages) -> Iterator[Pair]:
    """Compare with vmstat and smaps, which know huge pages of PMDs only."""
    yield "thp_fault_alloc", burst.succeeded, _told(counted.thp_fault_alloc, "thp_fault_alloc")
    fallback = _told(counted.thp_fault_fallback, "thp_fault_fallback")
    yield "thp_fault_fallback", burst.failed, fallback
    yield from anon_huge_pages(burst, burst.succeeded)


def anon_huge_pages(burst: HugePageBurst, huge_pages: int) -> Iterator[Pair]:
    """Compare AnonHugePages of smaps with a number of huge pages that PMDs map."""
    kib = _told(burst.seen.get("anon_huge_kib"), "anon_huge_kib")
    yield "kB of AnonHugePages in smaps", huge_pages << (burst.order + 2), kib


def _told(value: int | None, name: str) -> int:
    if value is None:
        raise RecordError(f"{WHAT}: the kernel does not tell {name}; ask for another kind of burst")
    return value


def _everywhere(stage: StageRecord, burst: HugePageBurst) -> Iterator[Pair]:
    yield "huge pages that khugepaged made", 0, _rise(stage, "thp_collapse_alloc") or 0
    # Two may have had the same page: since 6.10 compaction moves what an earlier one got.
    odd = [one.pfn for one in burst.requests if one.pfn % (1 << burst.order)]
    yield "first pages that are not aligned", 0, len(odd)


def _require_agreement(burst: HugePageBurst, pairs: tuple[Pair, ...]) -> None:
    wrong = [f"{name}: {ours} expected, {theirs} told" for name, ours, theirs in pairs
             if ours != theirs]  # fmt: skip
    if wrong:
        raise RecordError(
            f"{WHAT}: {burst.attempted} requests for huge pages, {burst.succeeded} got, which the "
            f"kernel does not confirm ({'; '.join(wrong)}); see vm/guest/huge_page_burst.c"
        )


def _counted(stage: StageRecord, burst: HugePageBurst) -> HugePages:
    return HugePages(
        thp_fault_alloc=_rise(stage, "thp_fault_alloc"),
        thp_fault_fallback=_rise(stage, "thp_fault_fallback"),
        thp_split_page=_rise(stage, "thp_split_page"),
        anon_fault_alloc=burst.seen.get("anon_fault_alloc"),
        anon_fault_fallback=burst.seen.get("anon_fault_fallback"),
        htlb_buddy_alloc_success=_rise(stage, "htlb_buddy_alloc_success"),
        htlb_buddy_alloc_fail=_rise(stage, "htlb_buddy_alloc_fail"),
    )


def _rise(stage: StageRecord, counter: str) -> int | None:
    before, after = stage.before.vmstat.counters, stage.after.vmstat.counters
    return after[counter] - before[counter] if counter in before and counter in after else None

# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a burst's text for a picture: shares by pageblock, and moments of the burst."""

from dataclasses import replace

import pytest

from harness.compare.burst_seen import DIGITS, burst_seen, opened_pageblocks
from harness.compare.kinds.base import HugePages, Requests
from harness.errors import RecordError
from harness.texts.guest.burst_view import COUNTERS, WHAT
from harness.texts.pages import Order

HEAD = f"time_ns requests {' '.join(COUNTERS)} nr_free_pages"


def text(*, samples: int = 3, after: str = "M 0 0 0 512 0") -> bytes:
    """Two pageblocks: one half free before and taken after, one with a single pinned page."""
    rows = [f"{at * 1000} {at} 5 {100 + 10 * at} 0 0 0 0 {900 - at}" for at in range(samples)]
    lines = [
        "cross_check burst 1",
        "pageblock_order=9",
        f"samples={samples} stride=1",
        HEAD,
        *rows,
        "frames stopped",
        "zone node=0 name=DMA32 first_pfn=4096 pageblocks=2 free=767 cached=0",
        "M 256 0 256 0 0",
        "U 511 0 0 1 0",
        "frames burst",
        "zone node=0 name=DMA32 first_pfn=4096 pageblocks=2 free=511 cached=0",
        after,
        "U 511 0 0 1 0",
        "end",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def burst(told: str, *, order: int = 9, pfns: tuple[int, ...] = (4096,)) -> Requests:
    got = tuple(one == "+" for one in told)
    return Requests(
        order=Order(order),
        attempted=len(got),
        succeeded=sum(got),
        latencies_ns=(1,) * len(got),
        huge_pages=None,
        got=got,
        pfns=pfns,
    )


def test_an_arm_of_an_older_guest_has_no_picture() -> None:
    assert burst_seen({}, burst("+")) is None


def test_a_page_is_never_rounded_away() -> None:
    seen = burst_seen({WHAT: text()}, burst("+-"))

    assert seen is not None
    assert seen.before.types == "MU"
    assert seen.before.free_shares == f"g{DIGITS[-2]}"
    assert seen.before.movable_shares == "g0"
    assert seen.before.pinned_shares == "01"
    assert (seen.before.free, seen.before.movable, seen.before.pinned) == (767, 256, 1)


def test_what_the_burst_holds_is_told_apart_from_what_was_pinned() -> None:
    seen = burst_seen({WHAT: text()}, burst("+-"))

    assert seen is not None
    assert seen.after.held_shares == f"{DIGITS[-1]}0"
    assert seen.after.pinned_shares == "01"
    assert (seen.after.held, seen.after.pinned) == (512, 1)


def test_a_pageblock_that_the_kernel_left_meanwhile_is_told_by_what_the_burst_got() -> None:
    assert opened_pageblocks(None) == 0
    assert opened_pageblocks(burst_seen({WHAT: text()}, burst("+-"))) == 0
    # The page that was pinned in the second is gone, and the burst got all of it.
    before, _, after = text().partition(b"frames burst")
    left = after.replace(b"free=511", b"free=0").replace(b"U 511 0 0 1 0", b"U 0 0 0 512 0")
    whole = burst("++", pfns=(4096, 4608))
    assert opened_pageblocks(burst_seen({WHAT: before + b"frames burst" + left}, whole)) == 1


def test_what_a_process_holds_can_move() -> None:
    told = HugePages(
        thp_fault_alloc=1,
        thp_fault_fallback=0,
        thp_split_page=0,
        anon_fault_alloc=None,
        anon_fault_fallback=None,
        htlb_buddy_alloc_success=None,
        htlb_buddy_alloc_fail=None,
    )
    asked = replace(burst("+-"), huge_pages=told)
    seen = burst_seen({WHAT: text(after="M 0 0 512 0 0")}, asked)

    assert seen is not None
    assert (seen.after.held, seen.after.movable, seen.after.pinned) == (512, 0, 1)


def test_a_block_larger_than_a_pageblock_takes_all_of_each() -> None:
    asked = burst("+-", order=10)
    seen = burst_seen({WHAT: text(after="M 0 0 0 512 0")}, asked)

    assert seen is not None
    assert seen.after.held_shares == f"{DIGITS[-1]}1"


def test_moments_tell_what_was_got_until_then() -> None:
    seen = burst_seen({WHAT: text()}, burst("+-"))

    assert seen is not None
    line = seen.time_line
    assert line.requests == (0, 1, 2)
    assert line.got == (0, 1, 1)
    assert line.time_us == (0, 1, 2)
    assert line.counters["compact_migrate_scanned"] == (0, 10, 20)
    assert line.counters["compact_stall"] == (0, 0, 0)
    assert line.counters["nr_free_pages"] == (900, 899, 898)


@pytest.mark.parametrize("samples", [1, 2, 33, 34, 63, 64])
def test_the_first_and_the_last_moment_are_kept_and_never_too_many(samples: int) -> None:
    made = samples - 1
    seen = burst_seen({WHAT: text(samples=samples)}, burst("-" * made, pfns=()))

    assert seen is not None
    requests = seen.time_line.requests
    assert (requests[0], requests[-1]) == (0, made)
    assert min(samples, 17) <= len(requests) <= min(samples, 33)
    assert sorted(set(requests)) == list(requests)


def test_the_cross_check_and_the_burst_must_agree() -> None:
    with pytest.raises(RecordError, match="told of 2 requests, 1 were made"):
        burst_seen({WHAT: text()}, burst("+"))


def test_frames_of_one_moment_alone_are_refused() -> None:
    whole = text().decode()
    lacks = whole[: whole.index("frames burst")] + "end\n"
    with pytest.raises(RecordError, match="lacks the frames"):
        burst_seen({WHAT: lacks.encode()}, burst("+-"))

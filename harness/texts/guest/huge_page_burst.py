# SPDX-License-Identifier: GPL-2.0-only
"""What vm/guest/huge_page_burst.c saved of a burst, format 1.

huge_page_burst 1
kind=thp order=9 requests=256 hold_until_fail=0 seed=7
stop_reason=requests attempted=N succeeded=N failed=N
seen KEY=N ...                             (what the kernel says of it)
records=N
i=0 ok=1 latency_ns=N pfn=N                (N such lines)
end records=N
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.texts.pages import Order, order_of
from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

WHAT = "requests"  # the file's name, and that of it in messages
_FORMAT_LINE = "huge_page_burst 1"
_HEADER_LINES = 5
_SEEN = "seen "


@dataclass(frozen=True, slots=True, kw_only=True)
class HugePageRequest:
    """One request: its latency in ns of the guest's clock, and the first pfn that it got."""

    succeeded: bool
    latency_ns: int
    pfn: int  # 0 where it failed, and in hugetlb's pool


@dataclass(frozen=True, slots=True, kw_only=True)
class HugePageBurst:
    """A whole burst: what was asked for, what came, and what the kernel said of it."""

    kind: str
    order: Order
    hold_until_fail: bool
    attempted: int
    succeeded: int
    seen: Mapping[str, int]
    requests: tuple[HugePageRequest, ...]

    @property
    def failed(self) -> int:
        """Requests without a huge page."""
        return self.attempted - self.succeeded


def parse_huge_page_burst(text: str) -> HugePageBurst:
    """Parse the whole file; RecordError unless its totals and its records agree."""
    lines = whole_lines(text, WHAT)
    if lines[0] != _FORMAT_LINE:
        raise damaged(WHAT, f"the first line is {shown(lines[0])}, not {_FORMAT_LINE!r}")
    if len(lines) <= _HEADER_LINES or not lines[3].startswith(_SEEN):
        raise damaged(WHAT, f"cut short after {len(lines)} lines")
    asked = key_values(lines[1].split(" "), WHAT)
    totals = _numbers(lines[2].split(" ")[1:])
    body = lines[_HEADER_LINES:-1]
    requests = tuple(_request(line, index) for index, line in enumerate(body))
    attempted, succeeded = _total(totals, "attempted"), _total(totals, "succeeded")
    if not (
        lines[4] == f"records={attempted}"
        and lines[-1] == f"end {lines[4]}"
        and len(requests) == attempted
        and sum(one.succeeded for one in requests) == succeeded
        and attempted - succeeded == _total(totals, "failed")
    ):
        raise damaged(WHAT, f"{len(requests)} records do not give the totals {shown(lines[2])}")
    return HugePageBurst(
        kind=required(asked, "kind", WHAT),
        order=order_of(natural(required(asked, "order", WHAT), WHAT), WHAT),
        hold_until_fail=_flag(required(asked, "hold_until_fail", WHAT)),
        attempted=attempted,
        succeeded=succeeded,
        seen=_numbers(lines[3].split(" ")[1:]),
        requests=requests,
    )


def _numbers(words: list[str]) -> dict[str, int]:
    return {key: natural(value, WHAT) for key, value in key_values(words, WHAT).items()}


def _total(totals: Mapping[str, int], key: str) -> int:
    if key not in totals:
        raise damaged(WHAT, f"{key} is absent")
    return totals[key]


def _request(line: str, index: int) -> HugePageRequest:
    values = key_values(line.split(" "), WHAT)

    def number(key: str) -> int:
        return natural(required(values, key, WHAT), WHAT)

    if number("i") != index:
        raise damaged(WHAT, f"{shown(line)} stands where record {index} belongs")
    return HugePageRequest(
        succeeded=_flag(required(values, "ok", WHAT)),
        latency_ns=number("latency_ns"),
        pfn=number("pfn"),
    )


def _flag(word: str) -> bool:
    if word not in ("0", "1"):
        raise damaged(WHAT, f"{shown(word)} is neither 0 nor 1")
    return word == "1"

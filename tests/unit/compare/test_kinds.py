# SPDX-License-Identifier: GPL-2.0-only
"""Bursts of huge pages as real guests saved them, and what is refused of them.

tests/data/README.md says which guests these were.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from test_outcome import summed

from harness.compare.kinds import KINDS, kind_of
from harness.compare.kinds.base import RequestKind
from harness.compare.measures import Measure, measured
from harness.compare.outcome import Outcome, read_outcome
from harness.compare.results import unpacked
from harness.errors import RecordError
from harness.texts.guest.huge_page_burst import parse_huge_page_burst

DATA = Path("tests/data/kinds")
FILES = {path.name.removesuffix(".tar.gz"): path for path in sorted(DATA.glob("*.tar.gz"))}
Edit = tuple[str, str, str]  # a file, what is replaced in it (an expression), by what


def saved(name: str) -> dict[str, bytes]:
    return unpacked(FILES[name].read_bytes(), name)


def read(files: dict[str, bytes]) -> Outcome:
    return read_outcome(files, icount_shift=3)[1]


def edited(name: str, *edits: Edit) -> dict[str, bytes]:
    files = saved(name)
    for path, old, new in edits:
        text, count = re.subn(old, new, files[path].decode(), count=1, flags=re.MULTILINE)
        assert count == 1, (path, old)
        files[path] = text.encode()
    return summed(files)


def number(measure: Measure, outcome: Outcome) -> float:
    value = measured(measure, outcome)
    assert value is not None
    return value


def test_every_kind_has_its_module_and_its_name() -> None:
    assert set(KINDS) == set(RequestKind)
    assert (
        kind_of("bash scripts/run_arm.sh --settle 1 10 8 1 kernel 512") is KINDS[RequestKind.MODULE]
    )
    for name in ("thp", "mthp", "hugetlb"):
        assert kind_of(f"bash scripts/run_arm.sh --kind {name} 9 8 1 7") is KINDS[RequestKind(name)]
    with pytest.raises(RecordError, match="'other' is no kind of request"):
        kind_of("bash scripts/run_arm.sh --kind other 9 8 1 7")


@pytest.mark.parametrize("name", FILES)
def test_a_real_burst_is_confirmed_by_the_kernel(name: str) -> None:
    found = read(saved(name))

    assert found.huge_pages is not None
    assert 0 < found.blocks <= found.bound.blocks
    assert found.requests - found.blocks == number(Measure.FALLBACKS, found) > 0
    assert 0 < found.latency.median <= found.latency.p95 <= found.latency.most
    assert found.latency.total > found.latency.most
    assert found.work.oom_kills == 0


def test_faults_are_counted_by_vmstat() -> None:
    found = read(saved("thp"))

    assert number(Measure.THP_FAULT_ALLOC, found) == found.blocks
    assert number(Measure.THP_FAULT_FALLBACK, found) == number(Measure.FALLBACKS, found)
    assert number(Measure.HTLB_BUDDY_ALLOC_SUCCESS, found) == 0


def test_smaller_huge_pages_are_counted_by_their_size_alone() -> None:
    found = read(saved("mthp"))

    assert number(Measure.ANON_FAULT_ALLOC, found) == found.blocks > 1000
    assert number(Measure.ANON_FAULT_FALLBACK, found) == number(Measure.FALLBACKS, found)
    assert number(Measure.THP_FAULT_ALLOC, found) == 0


def test_the_pool_is_counted_by_its_events() -> None:
    found = read(saved("hugetlb"))

    assert number(Measure.HTLB_BUDDY_ALLOC_SUCCESS, found) == found.blocks
    assert number(Measure.HTLB_BUDDY_ALLOC_FAIL, found) >= 1
    assert number(Measure.THP_FAULT_ALLOC, found) == 0


def test_the_module_s_bursts_ask_for_no_huge_page() -> None:
    off = Path("tests/data/compare/off.tar.gz")
    found = read(unpacked(off.read_bytes(), "off"))

    assert found.huge_pages is None
    assert measured(Measure.THP_FAULT_ALLOC, found) is None
    assert measured(Measure.FALLBACKS, found) == 1


def raised(counter: str) -> Edit:
    """Let a counter of vmstat end one digit longer."""
    return "after/vmstat", rf"^{counter} (\d+)$", rf"{counter} 1\1"


@pytest.mark.parametrize(
    ("name", "edit", "told"),
    [
        ("thp", raised("thp_fault_alloc"), "thp_fault_alloc: "),
        ("thp", raised("thp_fault_fallback"), "thp_fault_fallback: "),
        ("thp", raised("thp_collapse_alloc"), "huge pages that khugepaged made: 0 expected"),
        ("thp", ("requests", r"anon_huge_kib=(\d+)", r"anon_huge_kib=1\1"), "AnonHugePages"),
        ("thp", ("requests", r"(ok=1 .* pfn=\d+)$", r"\g<1>1"), "not aligned: 0 expected, 1 told"),
        ("mthp", ("requests", r"fault_alloc=(\d+)", r"fault_alloc=1\1"), "anon_fault_alloc of the"),
        ("mthp", ("requests", r"lback=(\d+)", r"lback=1\1"), "anon_fault_fallback of the size"),
        ("mthp", ("requests", r"anon_huge_kib=0", "anon_huge_kib=64"), "AnonHugePages"),
        ("hugetlb", raised("htlb_buddy_alloc_success"), "htlb_buddy_alloc_success: "),
        ("hugetlb", ("requests", r"pool_after=(\d+)", r"pool_after=1\1"), "pages more in the pool"),
    ],
)
def test_a_burst_that_another_does_not_confirm_is_no_result(
    name: str, edit: Edit, told: str
) -> None:
    with pytest.raises(RecordError, match="does not confirm") as error:
        read(edited(name, edit))
    assert told in str(error.value)


def test_a_burst_of_another_kind_than_the_arm_s_is_no_result() -> None:
    with pytest.raises(RecordError, match="it is of kind thp, the arm of kind hugetlb"):
        read(edited("thp", ("command", "--kind thp", "--kind hugetlb")))


def test_an_absent_record_is_no_result() -> None:
    files = saved("thp")
    del files["requests"]
    with pytest.raises(RecordError, match="requests: absent"):
        read(summed(files))


def test_a_kernel_without_statistics_confirms_no_small_huge_page() -> None:
    files = edited("mthp", ("requests", r" anon_fault_alloc=.*$", ""))
    with pytest.raises(RecordError, match="no statistics of the size; give a kernel of 6.10"):
        read(files)


def cut(text: str) -> str:
    return text[:-5]


def without_last(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-2]) + text.splitlines(keepends=True)[-1]


def flipped(text: str) -> str:
    return text.replace("ok=1", "ok=0", 1)


def renumbered(text: str) -> str:
    return text.replace("\ni=1 ", "\ni=2 ", 1)


def of_format_2(text: str) -> str:
    return text.replace("huge_page_burst 1", "huge_page_burst 2", 1)


def headless(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:3])


def not_a_flag(text: str) -> str:
    return text.replace("ok=1", "ok=2", 1)


def without_a_total(text: str) -> str:
    return text.replace(" attempted=", " attempt=", 1)


@pytest.mark.parametrize(
    "spoil",
    [cut, without_last, flipped, renumbered, of_format_2, headless, not_a_flag, without_a_total],
)
def test_records_that_are_not_whole_are_refused(spoil: Callable[[str], str]) -> None:
    text = saved("thp")["requests"].decode()
    assert parse_huge_page_burst(text).kind == "thp"
    assert spoil(text) != text
    with pytest.raises(RecordError, match="requests: "):
        parse_huge_page_burst(spoil(text))

# SPDX-License-Identifier: GPL-2.0-only
"""A torture that went as it must holds; one unit too many or too few does not."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_run import PATCHES, identity, parsed

from harness.checks.base import CheckResult, Status
from harness.checks.torture import CHECKS, STAGE
from harness.checks.torture_table import LATER, expected
from harness.errors import RecordError
from harness.items import Item
from harness.record.run import RunRecord
from harness.texts.build.rules import Rule
from harness.texts.guest.torture import parse_torture

TEXT = (Path(__file__).parents[2] / "data/kernel-5.15/torture.txt").read_text()
EXITS, ACCOUNTING, POLICY, READER = (check.name for check in CHECKS)


def without_later(text: str) -> str:
    """Take away the cases that only a kernel with all modes has, as one without prints it."""
    cases = {case for case, _ in LATER}
    lines = [
        line
        for line in text.splitlines(keepends=True)
        if not (match := re.match(r"case=(\S+) ", line)) or match[1] not in cases
    ]
    return fewer("".join(lines), len(LATER)).replace("last_resort=1\n", "last_resort=0\n", 1)


def fewer(text: str, cases: int) -> str:
    """Let the last line say so many cases less."""
    return re.sub(r"end cases=(\d+)", lambda end: f"end cases={int(end[1]) - cases}", text)


def run_with(text: str, *, patches: tuple[str, ...] = PATCHES, exit_status: int = 0) -> RunRecord:
    run = parsed()
    stage = replace(run.stages[0], name=STAGE, output=text, exit_status=exit_status)
    return replace(run, stages=(*run.stages, stage), identity=identity(patches))


EARLIER = without_later(TEXT)


def judged(text: str, **changes: object) -> dict[str, CheckResult]:
    run = run_with(text, **changes)  # type: ignore[arg-type]
    return {check.name: check.result(run) for check in CHECKS}


def in_case(case: str, pattern: str, replacement: str) -> str:
    line = re.search(rf"^case={case} .*\n", TEXT, re.MULTILINE)
    assert line is not None
    changed = re.sub(pattern, replacement, line[0], count=1)
    assert changed != line[0], f"{pattern} is not in {case}"
    return TEXT.replace(line[0], changed)


def test_a_guests_torture_holds() -> None:
    for text in (EARLIER, TEXT):
        assert {result.status for result in judged(text).values()} == {Status.HELD}


def test_a_kernel_with_all_modes_must_have_their_cases() -> None:
    assert judged(EARLIER.replace("last_resort=0\n", "last_resort=1\n", 1))[EXITS].status is (
        Status.FAILED
    )


def test_a_kernel_with_other_rules_has_other_counts() -> None:
    table = expected(parse_torture(TEXT))
    loop = expected(parse_torture(TEXT), frozenset(Rule))
    costly, deferred = ("costly", 10), ("costly_deferred", 10)

    assert loop.keys() == table.keys()
    assert loop[costly] == table[costly]
    assert loop[deferred].items[Item.COMPACT] == table[deferred].items[Item.COMPACT] == 8
    assert loop[deferred].items[Item.COMPACT_SKIPPED] == loop[deferred].items[Item.COMPACT_DEFERRED]
    assert loop[deferred].items[Item.COMPACT_STALL] == loop[deferred].items[Item.COMPACT_FAIL] == 0
    for case in ("noretry_deferred", "noretry_deferred:early", "noretry_deferred:last"):
        assert loop[case, 10].items[Item.FAIL_NORETRY] == 4
        assert loop[case, 10].items[Item.COMPACT] == 8
    assert loop["memalloc_flag:clear", 10].items[Item.COMPACT_STALL] == 8


def test_a_kernel_with_requests_that_wait_for_no_lock_must_have_their_cases() -> None:
    table = expected(parse_torture(TEXT.replace("last_resort=1\n", "last_resort=1 nolock=1\n", 1)))
    drained = table["nolock_drained", 0]

    assert table["nolock_4", 4].invalid == 2
    assert (drained.items[Item.FAIL], drained.items[Item.SLOWPATH]) == (4, 0)
    assert not any(case.startswith("nolock") for case, _ in expected(parse_torture(TEXT)))


def test_no_item_of_any_case_may_be_off_by_one() -> None:
    """One unit more of an item is noticed in each case; each has its turn with another item."""
    text, spoilt = TEXT, []
    for number, ((case, order), wanted) in enumerate(expected(parse_torture(TEXT)).items()):
        item = [item for item in Item if item not in wanted.free][number % 20]
        line = re.search(
            rf"^case={re.escape(case)} order={order} .* {item}=(\d+)", text, re.MULTILINE
        )
        assert line
        due = int(line[1])
        text = text[: line.start(1)] + str(due + 1) + text[line.end(1) :]
        spoilt.append(f"broken: {case} order {order}: ")
    results = judged(text)
    details = (*results[ACCOUNTING].details, *results[POLICY].details)

    assert len(spoilt) > 60
    assert [each for each in spoilt if not any(one.startswith(each) for one in details)] == []


@pytest.mark.parametrize(
    ("check", "case", "pattern", "replacement"),
    [
        (EXITS, "memcg_full_4", "ok=0", "ok=1"),
        (EXITS, "bulk_holey", "pages=12", "pages=13"),
        (ACCOUNTING, "memcg_full_4", " fail_memcg=4", " fail_memcg=3"),
        (ACCOUNTING, "bulk_empty", " step_bulk=16", " step_bulk=32"),
        (ACCOUNTING, "fast_0", "elsewhere=0", "elsewhere=1"),
        (ACCOUNTING, "invalid_11", "invalid_fail=3", "invalid_fail=2"),
        (ACCOUNTING, "fast_4", "invalid_req=0", "invalid_req=1"),
        (ACCOUNTING, "exhausted", r"compact_stall=\d+", "compact_stall=1000"),
        (ACCOUNTING, "exhausted", r"compact_deferred=\d+", "compact_deferred=1000"),
        (POLICY, "noretry:early", "adaptive=0", "adaptive=4"),
        (POLICY, "costly_deferred:early", "compact_deferred=0", "compact_deferred=4"),
        (POLICY, "costly:light", "compact_deferred=4", "compact_deferred=0"),
        (POLICY, "noretry:last", "adaptive=0", "adaptive=4"),
        (POLICY, "costly_8:last_min_order_10", "adaptive=0", "adaptive=4"),
        # Clear acts for a request once at most, and attempts nothing more.
        (POLICY, "costly:clear", "adaptive=1", "adaptive=5"),
        (POLICY, "costly:clear", "compact_deferred=0", "compact_deferred=1"),
    ],
)
def test_a_wrong_number_fails_the_check_that_is_about_it(
    check: str, case: str, pattern: str, replacement: str
) -> None:
    results = judged(in_case(case, pattern, replacement))

    assert [name for name, result in results.items() if result.status is Status.FAILED] == [check]
    assert any(case in line for line in results[check].details)


def test_clear_may_act_for_each_request_or_find_the_zone_at_rest() -> None:
    for acted in (0, 4):
        results = judged(in_case("costly:clear", "adaptive=1", f"adaptive={acted}"))
        assert results[POLICY].status is Status.HELD


def test_a_case_that_is_absent_is_a_failure() -> None:
    without = fewer(re.sub(r"case=noio .*\n", "", TEXT), 1)

    assert judged(without)[EXITS].status is Status.FAILED


def test_batches_as_a_list_are_asked_for_where_the_kernel_gives_them() -> None:
    without = fewer(re.sub(r"case=bulk_list .*\n", "", TEXT), 1)
    newer = without.replace("last_resort=1\n", "last_resort=1 lists=0\n", 1)

    assert judged(newer)[EXITS].status is Status.HELD
    assert judged(without)[EXITS].status is Status.FAILED
    both = TEXT.replace("last_resort=1\n", "last_resort=1 lists=0\n", 1)
    assert judged(both)[EXITS].status is Status.FAILED


def test_an_outcome_before_its_request_is_a_failure() -> None:
    assert judged(TEXT.replace(" ahead=0", " ahead=1"))[READER].status is Status.FAILED


def test_memory_that_can_be_cleared_is_a_failure() -> None:
    opened = re.sub(r"open=0\n", "open=3\n", TEXT)
    assert judged(opened)[EXITS].status is Status.FAILED
    noted = opened.replace("page_owner=0", "page_owner=1")
    broken = [line for line in judged(noted)[EXITS].details if line.startswith("broken")]
    assert not any("could become free" in line for line in broken)


def test_others_may_be_counted_below_order_4_of_a_case_that_sleeps() -> None:
    """With two CPUs, what the other one asks for is in the numbers, too."""
    more = in_case(
        "nofail_0", r" step_fast=4 (.*) req=4 (.*) success=4", r" step_fast=9 \1 req=9 \2 success=9"
    )
    assert judged(more)[ACCOUNTING].status is Status.FAILED
    two = more.replace("cpus=1", "cpus=2")
    assert not any("nofail_0" in line for line in judged(two)[ACCOUNTING].details[:2])


def test_what_does_not_apply_is_said() -> None:
    assert {check.result(parsed()).status for check in CHECKS} == {Status.NOT_APPLICABLE}
    early = judged(re.sub(r" elsewhere=.*", "", TEXT), patches=("0001-count.patch",))
    assert early[EXITS].status is Status.HELD
    assert early[ACCOUNTING].status is Status.NOT_APPLICABLE


def test_a_module_that_says_nothing_of_the_monitor_is_an_error() -> None:
    with pytest.raises(RecordError, match="says nothing of the monitor"):
        judged(re.sub(r" elsewhere=.*", "", TEXT))


def test_a_script_that_failed_is_an_error() -> None:
    with pytest.raises(RecordError, match="exit status 1"):
        judged(TEXT, exit_status=1)

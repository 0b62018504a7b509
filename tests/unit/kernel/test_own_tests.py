# SPDX-License-Identifier: GPL-2.0-only
"""TAP of the kernel's own tests: each test once, nested as KUnit nests, none missing."""

import pytest

from harness.errors import RecordError
from harness.texts.guest.ktap import Outcome, parse_ktap

KUNIT_6_6 = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: buddy_monitor
    1..2
        KTAP version 1
        # Subtest: buddy_test_frag_pct
        ok 1 no free memory
        # buddy_test_frag_pct: EXPECTATION FAILED at mm/buddy_monitor_test.c:43
        Expected 51 == 50
        not ok 2 by pages and not by blocks
    # buddy_test_frag_pct: pass:1 fail:1 skip:0 total:2
    not ok 1 buddy_test_frag_pct
    ok 2 buddy_test_backoff
# buddy_monitor: pass:1 fail:1 skip:0 total:2
not ok 1 buddy_monitor
"""
KUNIT_5_15 = """\
    # Subtest: buddy_monitor
    1..2
    # buddy_test_frag_pct: ok 1 - no free memory
    # buddy_test_frag_pct: ok 2 - rounded down
    ok 1 - buddy_test_frag_pct
    ok 2 - buddy_test_backoff
ok 1 - buddy_monitor
"""
KSELFTEST = """\
TAP version 13
1..3
ok 1 header
# min_order accepts '0'
not ok 2 knobs_refuse_all_else
ok 3 root_of_a_namespace_writes_no_knobs # SKIP no user namespaces
"""


def test_nested_tests_are_named_with_what_they_belong_to() -> None:
    tests = parse_ktap(KUNIT_6_6)
    prefix = "buddy_monitor: buddy_test_"
    assert [(test.name, test.outcome) for test in tests] == [
        (f"{prefix}frag_pct: no free memory", Outcome.OK),
        (f"{prefix}frag_pct: by pages and not by blocks", Outcome.NOT_OK),
        (f"{prefix}backoff", Outcome.OK),
    ]
    assert "EXPECTATION FAILED" in tests[1].notes[0]


def test_parameters_are_found_in_what_older_kernels_say() -> None:
    assert [test.name for test in parse_ktap(KUNIT_5_15)] == [
        "buddy_monitor: buddy_test_frag_pct: no free memory",
        "buddy_monitor: buddy_test_frag_pct: rounded down",
        "buddy_monitor: buddy_test_backoff",
    ]


def test_kselftest() -> None:
    tests = parse_ktap(KSELFTEST)
    assert [test.outcome for test in tests] == [Outcome.OK, Outcome.NOT_OK, Outcome.SKIPPED]
    assert tests[1].notes == ("min_order accepts '0'",)


def test_parent_that_fails_by_itself_is_told() -> None:
    text = "1..1\n    1..1\n    ok 1 child\nnot ok 1 parent\n"
    assert [(test.name, test.outcome) for test in parse_ktap(text)] == [
        ("parent: child", Outcome.OK),
        ("parent", Outcome.NOT_OK),
    ]


@pytest.mark.parametrize("cut", ["ok 3 root_of_a_namespace_writes_no_knobs # SKIP no user names"])
def test_cut_text_is_refused(cut: str) -> None:
    with pytest.raises(RecordError, match="cut short"):
        parse_ktap(KSELFTEST.partition(cut)[0] + cut)


def test_planned_test_that_says_nothing_is_missed() -> None:
    without = "".join(line for line in KSELFTEST.splitlines(keepends=True) if "not ok" not in line)
    with pytest.raises(RecordError, match="2 results where 3 were planned"):
        parse_ktap(without)


def test_text_without_a_result_is_refused() -> None:
    with pytest.raises(RecordError, match="no result"):
        parse_ktap("TAP version 13\n")

# SPDX-License-Identifier: GPL-2.0-only
"""Every check holds on a good run, and fails when the number it is about is changed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from reconcile_mutants import RECONCILE_MUTANTS
from synthetic_run import broken, document, identity, parsed, whole_run, with_sums

from harness.checks.base import Check, Comparison, Status
from harness.checks.counters import in_flight_bound
from harness.checks.headline import FLOOR_SMALL, explain_headline
from harness.checks.registry import CHECKS, all_hold, judge
from harness.checks.torture import CHECKS as TORTURE_CHECKS
from harness.errors import RecordError
from harness.record.saved_run import parse_run
from harness.report.document import decode_run, encode_run
from harness.report.summary import summarise

Golden = Callable[[str, str], None]
# What this run has nothing for: they are judged in tests of their own.
NOT_HERE = {
    "policy-off-changes-nothing",
    "prediction-holds",
    *(check.name for check in TORTURE_CHECKS),
}

# check, stage, file, what is replaced, by what
MUTANTS = (
    ("kernel-is-the-one-built", "verify", "output", r"uname_r=.*", "uname_r=6.1.0"),
    ("module-is-the-one-built", "verify", "output", r"srcversion=.*", "srcversion=OTHER"),
    ("every-command-ended-with-0", "stress_ng", "exit_status", "0", "2"),
    (
        "kernel-log-is-clean",
        "fragment_stress",
        "after/dmesg",
        r"high_order_test: loading.*",
        "WARNING: CPU: 0 PID: 7 at mm/page_alloc.c:5437 __alloc_pages",
    ),
    (
        "req-is-success-plus-fail",
        "high_order_final",
        "after/buddy_monitor",
        "^10 145 145 0",
        "10 145 144 0",
    ),
    ("req-is-success-plus-fail", "verify", "after/buddy_monitor", r"^4 (\d+) \d+ 0", r"4 \1 1 0"),
    ("req-is-success-plus-fail", "verify", "after/buddy_monitor", r"^2 (\d+) \d+ 0", r"2 \1 99 0"),
    (
        "req-is-success-plus-fail",
        "verify",
        "after/buddy_monitor",
        r"^1 100000 100000 0",
        "1 100000 100001 0",
    ),
    ("counters-only-rise", "baseline", "after/buddy_monitor", r"^4 \d+ \d+", "4 7 7"),
    (
        "counters-only-rise",
        "verify",
        "after/buddy_monitor",
        "^5 6250 6250 0 0 0 0 0",
        "5 6250 6250 0 2 0 0 0",
    ),
    ("compaction-events-only-rise", "verify", "after/vmstat", "isolated 0", "isolated 5"),
    (
        "adaptive-within-compact-and-slowpath-within-req",
        "high_order_final",
        "after/buddy_monitor",
        "40 40 38 71",
        "40 40 41 71",
    ),
    (
        "adaptive-within-compact-and-slowpath-within-req",
        "high_order_final",
        "after/buddy_monitor",
        "40 40 38 71",
        "40 37 38 71",
    ),
    (
        "adaptive-within-compact-and-slowpath-within-req",
        "high_order_final",
        "after/buddy_monitor",
        "40 40 38 71",
        "146 40 38 71",
    ),
    ("frag-pct-is-a-percentage", "high_order_final", "after/buddy_monitor", "38 71", "38 101"),
    (
        "free-blocks-add-up-to-free-pages",
        "baseline",
        "before/zoneinfo",
        "nr_free_pages 212013",
        "nr_free_pages 212147",
    ),
    (
        "every-stall-has-an-outcome",
        "high_order_final",
        "after/vmstat",
        "compact_success 39",
        "compact_success 38",
    ),
    (
        "every-stall-is-a-counted-attempt",
        "high_order_final",
        "after/buddy_monitor",
        "40 40 38 71",
        "40 38 38 71",
    ),
    ("module-records-add-up", "high_order_final", "records", "succeeded=128", "succeeded=127"),
    ("module-records-add-up", "high_order_final", "records", "attempted=128", "attempted=129"),
    ("module-records-add-up", "high_order_final", "records", "i=5 ok=1", "i=5 ok=0"),
    ("module-records-add-up", "high_order_final", "records", "held_peak=128", "held_peak=129"),
    ("module-records-add-up", "high_order_final", "records", "state=done", "state=running"),
    (
        "monitor-saw-every-module-request",
        "high_order_final",
        "after/buddy_monitor",
        "^10 145 145",
        "10 144 144",
    ),
    (
        "events-match-module-records",
        "high_order_final",
        "records",
        "succeeded=128 failed=0",
        "succeeded=127 failed=1",
    ),
    (
        "events-match-module-records",
        "high_order_final",
        "after/cross_check",
        r"^(allocated(?: \d+){10}) 144",
        r"\1 145",
    ),
    (
        "probes-match-histograms",
        "baseline",
        "after/hist_alloc",
        r"(order: +4 \} hitcount: +)\d+",
        r"\g<1>7",
    ),
    (
        "probes-match-histograms",
        "high_order_final",
        "after/hist_compact",
        r"(order: +10, prio: +\d+ \} hitcount: +)\d+",
        r"\g<1>7",
    ),
    (
        "stalls-are-traced",
        "high_order_final",
        "after/cross_check",
        "vm compact_stall=39",
        "vm compact_stall=41",
    ),
    (
        "policy-keeps-to-its-least-order",
        "verify",
        "after/buddy_monitor",
        r"^2 (\d+) (\d+) 0 0 0 0 0",
        r"2 \1 \2 0 1 1 1 60",
    ),
    (
        "headline-burst-is-served-by-compaction",
        "high_order_final",
        "after/buddy_monitor",
        "40 40 38 71",
        f"40 40 {FLOOR_SMALL - 1} 71",
    ),
    (
        "headline-burst-is-served-by-compaction",
        "high_order_final",
        "before/buddyinfo",
        r" 60 $",
        " 126 ",
    ),
    (
        "headline-burst-is-served-by-compaction",
        "high_order_final",
        "records",
        "succeeded=128 failed=0",
        "succeeded=127 failed=1",
    ),
)


def test_all_checks_hold_on_a_good_run() -> None:
    results = judge(parsed())

    assert all_hold(results)
    statuses = {result.name: result.status for result in results}
    for name in NOT_HERE:
        assert statuses.pop(name) is Status.NOT_APPLICABLE
    assert set(statuses.values()) == {Status.HELD}
    assert all(result.details and result.why for result in results)


def test_check_names_are_unique() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(("name", "stage", "path", "old", "new"), MUTANTS + RECONCILE_MUTANTS)
def test_check_fails_on_its_mutant(name: str, stage: str, path: str, old: str, new: str) -> None:
    results = judge(parsed(broken(stage, path, old, new)))

    result = next(result for result in results if result.name == name)
    assert result.status is Status.FAILED
    assert result.details[0].startswith("broken: ")
    assert not all_hold(results)


def test_every_check_has_a_mutant() -> None:
    mutants = MUTANTS + RECONCILE_MUTANTS
    assert {check.name for check in CHECKS} == {mutant[0] for mutant in mutants} | NOT_HERE


def test_policy_off_must_change_nothing() -> None:
    run = whole_run()
    for when in ("before", "after"):
        path = f"{when}/sysctl"
        text = run["high_order_final"][path].replace(b"mode=2", b"mode=0")
        run["high_order_final"] = with_sums(run["high_order_final"] | {path: text})

    status = {result.name: result.status for result in judge(parsed(run))}
    assert status["policy-off-changes-nothing"] is Status.FAILED

    path = "after/buddy_monitor"
    idle = run["high_order_final"][path].replace(b"40 40 38 71", b"40 40 0 71")
    run["high_order_final"] = with_sums(run["high_order_final"] | {path: idle})
    status = {result.name: result.status for result in judge(parsed(run))}
    assert status["policy-off-changes-nothing"] is Status.HELD
    assert status["headline-burst-is-served-by-compaction"] is Status.HELD


def test_requests_in_flight_are_allowed_below_order_4_up_to_the_bound() -> None:
    run = parsed()
    bound = in_flight_bound(run)
    name = "req-is-success-plus-fail"

    def status(in_flight: int) -> Status:
        changed = broken(
            "verify", "before/buddy_monitor", "^2 25000 25000", f"2 25000 {25000 - in_flight}"
        )
        return next(each.status for each in judge(parsed(changed)) if each.name == name)

    assert status(bound) is Status.HELD
    assert status(bound + 1) is Status.FAILED
    assert status(-1) is Status.FAILED


def test_a_bug_on_the_console_fails_the_log_check() -> None:
    console = b"[    0.100000] Linux version 5.15.180\r\n[    9.100000] BUG: soft lockup\r\n"
    run = parse_run(whole_run(), identity(), console=console)

    result = next(each for each in judge(run) if each.name == "kernel-log-is-clean")
    assert result.status is Status.FAILED
    assert "console line 2: soft lockup" in result.details[0]


def test_the_document_of_a_run(golden: Golden) -> None:
    golden("run-small.json", document())


def test_an_unpatched_kernel_is_judged_without_the_monitor(golden: Golden) -> None:
    stages = {
        name: with_sums(
            {
                path: b"".join(
                    line for line in data.splitlines(keepends=True) if b"adaptive_" not in line
                )
                for path, data in files.items()
                if "monitor" not in path
            }
        )
        for name, files in whole_run().items()
    }

    run = parse_run(stages, identity(patches=()))
    results = judge(run)

    assert all_hold(results)
    golden(
        "unpatched-verdict.txt",
        "".join(f"{each.status} {each.name}: {each.details[0]}\n" for each in results),
    )
    summary = summarise(run, results)
    assert summary.headline is None
    assert decode_run(encode_run(summary)) == summary


def test_a_policy_known_in_one_snapshot_only_is_an_error() -> None:
    run = whole_run()
    text = b"vm.extfrag_threshold=500\n"
    run["baseline"] = with_sums(run["baseline"] | {"after/sysctl": text})

    with pytest.raises(RecordError, match="one snapshot only"):
        judge(parsed(run))


def test_a_check_that_compares_nothing_is_an_error() -> None:
    with pytest.raises(RecordError, match="nothing to compare"):
        Check(name="empty", why="-", judge=lambda _run: ()).result(parsed())
    failed = Check(name="x", why="-", judge=lambda _run: [Comparison(holds=False, text="1 < 2")])
    assert failed.result(parsed()).details == ("broken: 1 < 2",)


def test_the_headline_bounds_what_each_reason_explains() -> None:
    headline = explain_headline(parsed().stage("high_order_final"))

    assert (headline.req, headline.slowpath, headline.compact, headline.adaptive) == (
        128,
        40,
        40,
        38,
    )
    assert headline.available_before == 62
    assert headline.frag_pct_before == 70
    assert (headline.not_raised, headline.unraised_attempts) == (2, 2)
    assert headline.rescued_before_compaction_min == 0
    assert headline.rescued_before_compaction_max == 2
    assert not headline.agrees
    assert "70 %" in headline.sentences[0]


def test_the_headline_that_agrees_says_so() -> None:
    run = broken("high_order_final", "after/buddy_monitor", "40 40 38 71", "40 40 40 71")

    headline = explain_headline(parsed(run).stage("high_order_final"))

    assert headline.agrees
    assert headline.rescued_before_compaction_max == 0
    assert "agree at 40" in headline.sentences[-1]


@pytest.mark.parametrize(
    ("counters", "least", "most"),
    [("40 30 30", 10, 10), ("40 30 0", 10, 39), ("40 0 0", 40, 40), ("40 60 20", 0, 20)],
)
def test_rescues_before_compaction_stay_within_what_counters_allow(
    counters: str, least: int, most: int
) -> None:
    run = broken("high_order_final", "after/buddy_monitor", "40 40 38", counters)

    headline = explain_headline(parsed(run).stage("high_order_final"))

    assert headline.rescued_before_compaction_min == least
    assert headline.rescued_before_compaction_max == most


def test_a_headline_without_records_is_an_error() -> None:
    final = parsed().stage("high_order_final")

    with pytest.raises(RecordError, match="records are absent"):
        explain_headline(replace(final, records=None))


def test_the_paper_scale_asks_for_more() -> None:
    run = broken("high_order_final", "after/buddy_monitor", "40 40 38 71", "40 40 5 71")

    def headline_status(scale: str) -> Status:
        return judge(parse_run(run, identity(scale=scale)))[-1].status

    assert headline_status("small") is Status.HELD
    assert headline_status("paper") is Status.FAILED

# SPDX-License-Identifier: GPL-2.0-only
"""The reconciling checks: where they apply, what slack they leave, and what they refuse."""

import pytest
from synthetic_run import PATCHES, broken, identity, parsed, whole_run, with_sums, without

from harness.checks.base import Status
from harness.checks.compaction import CHECKS as COMPACTION
from harness.checks.counters import in_flight_bound
from harness.checks.decisions import CHECKS as DECISIONS
from harness.checks.last_resort import CHECKS as LAST_RESORT
from harness.checks.priorities import CHECKS as PRIORITIES
from harness.checks.reconcile import CHECKS as RECONCILE
from harness.checks.registry import all_hold, judge
from harness.errors import RecordError
from harness.record.run import RunRecord
from harness.record.saved_run import parse_run

NAMES = {check.name for check in (*RECONCILE, *COMPACTION, *PRIORITIES, *DECISIONS, *LAST_RESORT)}
BY_CROSS_CHECK = {
    "texts-show-what-was-counted",
    "requests-match-trace-events",
    "attempts-match-compaction-tracepoint",
    "priorities-match-policy",
    "decisions-recompute",
}
FINAL = "high_order_final"


def statuses(run: RunRecord) -> dict[str, Status]:
    return {result.name: result.status for result in judge(run)}


def test_a_prefix_of_the_series_has_no_details_to_judge() -> None:
    run = parse_run(without("monitor_"), identity(patches=PATCHES[:6]))

    results = {result.name: result for result in judge(run)}
    assert all_hold(tuple(results.values()))
    assert {name for name in NAMES if results[name].status is not Status.NOT_APPLICABLE} == set()


def test_a_prefix_that_has_some_details_has_none_to_judge() -> None:
    run = parse_run(without("monitor_slowpath", "monitor_frag"), identity(patches=PATCHES[:7]))

    assert all(snapshot.details is None for snapshot in run.snapshots)


def test_the_whole_series_without_details_is_an_error() -> None:
    with pytest.raises(RecordError, match="absent although the kernel has them all"):
        parsed(without("monitor_"))


def test_a_series_before_the_last_resort_is_judged_without_it() -> None:
    older = {
        name: with_sums(
            {
                path: _without_the_step(path, data)
                for path, data in files.items()
                if "last_resort" not in path
            }
        )
        for name, files in whole_run().items()
    }

    found = statuses(parse_run(older, identity(patches=PATCHES[:10])))
    assert found["last-resort-serves-what-it-made"] is Status.NOT_APPLICABLE
    assert {found[name] for name in NAMES - {"last-resort-serves-what-it-made"}} == {Status.HELD}
    with pytest.raises(RecordError, match="monitor_last_resort is absent"):
        parsed(older)


def _without_the_step(path: str, data: bytes) -> bytes:
    lines = data.decode("utf-8").splitlines(keepends=True)
    if path.endswith("/cross_check"):
        return "".join(line for line in lines if "step_last_resort" not in line).encode()
    if path.endswith("/monitor_success_by_step"):
        words = [line.split(" ") for line in lines]
        return "".join(" ".join((*row[:7], *row[8:])) for row in words).encode()
    return data


def test_a_last_resort_that_one_snapshot_lacks_is_an_error() -> None:
    run = whole_run()
    run["baseline"] = without("monitor_last_resort")["baseline"]

    with pytest.raises(RecordError, match="baseline/before: monitor_last_resort"):
        parse_run(run, identity(patches=PATCHES[:11]))


def test_details_that_one_snapshot_lacks_are_an_error() -> None:
    run = whole_run()
    run["baseline"] = without("monitor_")["baseline"]

    with pytest.raises(RecordError, match="baseline/before: monitor"):
        parse_run(run, identity(patches=PATCHES[:7]))


def test_without_cross_checkses_the_texts_are_judged() -> None:
    run = parsed(without("cross_check", "decisions", "hist_"))

    found = statuses(run)
    assert {name for name in NAMES if found[name] is Status.NOT_APPLICABLE} == BY_CROSS_CHECK
    assert {found[name] for name in NAMES - BY_CROSS_CHECK} == {Status.HELD}


def test_a_cross_check_without_its_decisions_is_an_error() -> None:
    with pytest.raises(RecordError, match="decisions: absent"):
        parsed(without("decisions"))


def test_a_switched_stage_is_reported_once_and_not_judged() -> None:
    run = broken(FINAL, "after/monitor_switches", "0", "1")
    path = "after/hist_alloc"
    run[FINAL] = with_sums(run[FINAL] | {path: run["verify"][path]})

    failed = {name for name, status in statuses(parsed(run)).items() if status is Status.FAILED}
    # What needs no monitor is judged all the same.
    assert failed == {"monitor-was-not-switched", "probes-match-histograms"}


def test_a_run_that_was_never_counted_leaves_nothing_to_judge() -> None:
    run = {
        name: with_sums(
            {
                path: data + b"vm.buddy_monitor=0\n" if path.endswith("/sysctl") else data
                for path, data in files.items()
            }
        )
        for name, files in whole_run().items()
    }

    found = statuses(parsed(run))
    assert found["monitor-was-not-switched"] is Status.FAILED
    assert {found[name] for name in NAMES - {"monitor-was-not-switched"}} == {Status.NOT_APPLICABLE}


def test_the_metric_needs_one_snapshot_that_was_still() -> None:
    restless = {
        name: with_sums(
            {
                path: b"tries=5 still=0\n" if path.endswith("/still") else data
                for path, data in files.items()
            }
        )
        for name, files in whole_run().items()
    }

    with pytest.raises(RecordError, match="metric-matches-unusable-index: nothing to compare"):
        judge(parsed(restless))


def test_a_metric_of_a_moving_snapshot_is_not_compared() -> None:
    run = broken("baseline", "after/monitor_frag_pct", r"^(Node 0, zone DMA) 0", r"\1 9")
    run["baseline"] = with_sums(run["baseline"] | {"after/still": b"tries=5 still=0\n"})

    assert statuses(parsed(run))["metric-matches-unusable-index"] is Status.HELD


@pytest.mark.parametrize(("extra", "status"), [(0, Status.HELD), (1, Status.FAILED)])
def test_texts_of_small_orders_may_differ_by_what_is_in_flight(extra: int, status: Status) -> None:
    bound = in_flight_bound(parsed())
    run = broken(FINAL, "after/monitor_success_by_step", r"^2 (\d+) 0", rf"2 \1 {bound + extra}")

    assert statuses(parsed(run))["steps-sum-to-success"] is status


def test_a_control_group_may_refuse_what_the_fast_path_found() -> None:
    run = broken(FINAL, "after/monitor_success_by_step", "^10 105", "10 104")
    reasons = run[FINAL]["after/monitor_fail_by_reason"].replace(b"\n10 0 0 ", b"\n10 0 1 ")
    run[FINAL] = with_sums(run[FINAL] | {"after/monitor_fail_by_reason": reasons})

    assert statuses(parsed(run))["fast-path-is-what-the-slowpath-missed"] is Status.HELD


def test_an_attempt_asleep_at_the_instant_has_no_result_yet() -> None:
    run = broken(FINAL, "after/cross_check", r"^(monitor success .*) 145$", r"\1 144")
    text = run[FINAL]["after/cross_check"].replace(
        b"monitor compact_skipped 0 0 0 0 0 0 0 0 0 0 1", b""
    )
    row = b"monitor compact_skipped 0 0 0 0 0 0 0 0 0 0 0"
    text = text.replace(b"\n\n", b"\n" + row + b"\n")
    run[FINAL] = with_sums(run[FINAL] | {"after/cross_check": text})

    assert statuses(parsed(run))["compact-splits-into-skipped-and-stall"] is Status.HELD


@pytest.mark.parametrize(("hits", "status"), [(0, Status.HELD), (1, Status.FAILED)])
def test_without_the_policy_no_costly_order_compacts_at_full_priority(
    hits: int, status: Status
) -> None:
    run = broken("baseline", "after/cross_check", r"^(compact_call prio=0 .*) 0$", rf"\1 {hits}x")
    text = run["baseline"]["after/cross_check"].replace(f"{hits}x".encode(), str(hits).encode())
    off = {
        f"{when}/sysctl": run["baseline"][f"{when}/sysctl"].replace(b"mode=2", b"mode=0")
        for when in ("before", "after")
    }
    run["baseline"] = with_sums(run["baseline"] | off | {"after/cross_check": text})

    assert statuses(parsed(run))["priorities-match-policy"] is status


def test_decisions_are_not_held_against_sysctls_that_changed_meanwhile() -> None:
    run = broken(FINAL, "before/sysctl", "threshold=50", "threshold=20")

    assert statuses(parsed(run))["decisions-recompute"] is Status.HELD

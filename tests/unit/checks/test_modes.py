# SPDX-License-Identifier: GPL-2.0-only
"""The policy's modes that raise no call to full priority, or act at the end of the ladder."""

import re
from collections.abc import Mapping

import pytest
from synthetic_cross_checks import CALM, RAISED
from synthetic_run import Files, parsed, whole_run, with_sums

from harness.checks.base import Status
from harness.checks.headline import explain_headline
from harness.checks.registry import judge
from harness.texts.proc.sysctl import PolicyMode

FINAL = "high_order_final"
LIGHT, LAST, CLEAR = PolicyMode.LIGHT, PolicyMode.LAST, PolicyMode.CLEAR
PRIORITIES, DECISIONS = "priorities-match-policy", "decisions-recompute"
LAST_RESORT, HEADLINE = "last-resort-serves-what-it-made", "headline-burst-is-served-by-compaction"
FULL, SOFT, ASYNC = (f"compact_call prio={prio}" for prio in (0, 1, 2))
STEP, ADAPTIVE = "monitor step_last_resort", "monitor adaptive"


def in_mode(mode: PolicyMode) -> dict[str, Files]:
    """The run, with another mode set during its last stage."""
    run = whole_run()
    for when in ("before", "after"):
        path = f"{when}/sysctl"
        run[FINAL][path] = run[FINAL][path].replace(b"mode=2", f"mode={mode}".encode())
    return run


def status(run: dict[str, Files], name: str) -> Status:
    run[FINAL] = with_sums(run[FINAL])
    return next(result.status for result in judge(parsed(run)) if result.name == name)


def set_rows(run: dict[str, Files], rows: Mapping[str, int], order: int = 10) -> None:
    """Set values of one order in the cross-check module's last snapshot."""
    text = run[FINAL]["after/cross_check"].decode()
    for name, value in rows.items():
        text, found = re.subn(
            rf"^({name}(?: \d+){{{order}}}) \d+", rf"\1 {value}", text, flags=re.MULTILINE
        )
        assert found == 1, name
    run[FINAL]["after/cross_check"] = text.encode()


RAISED_TO_LIGHT = {FULL: 0, SOFT: 38, ASYNC: 2, ADAPTIVE: 38}
ONE_MORE = {FULL: 5, SOFT: 38, ASYNC: 40, ADAPTIVE: 5, STEP: 5}
CLEARED = {FULL: 0, SOFT: 38, ASYNC: 40, ADAPTIVE: 5, STEP: 5}
ONE_FAILED = {"monitor success": 144, "monitor fail": 1}


@pytest.mark.parametrize(
    ("mode", "rows", "expected"),
    [
        (LIGHT, RAISED_TO_LIGHT, Status.HELD),
        (LIGHT, RAISED_TO_LIGHT | {FULL: 1}, Status.FAILED),
        (LIGHT, RAISED_TO_LIGHT | {SOFT: 37}, Status.FAILED),
        (LAST, ONE_MORE, Status.HELD),
        (LAST, ONE_MORE | {FULL: 6}, Status.FAILED),
        (LAST, ONE_MORE | {ADAPTIVE: 4}, Status.FAILED),
        # One call more, of a request that was neither served by it nor failed
        (LAST, ONE_MORE | {FULL: 6, ADAPTIVE: 6}, Status.FAILED),
        (LAST, ONE_MORE | {FULL: 6, ADAPTIVE: 6} | ONE_FAILED, Status.HELD),
        # Served by the last resort without it
        (LAST, ONE_MORE | {STEP: 6}, Status.FAILED),
        (CLEAR, CLEARED, Status.HELD),
        (CLEAR, CLEARED | {FULL: 1}, Status.FAILED),
        (CLEAR, CLEARED | {ADAPTIVE: 4}, Status.FAILED),
        (CLEAR, CLEARED | {ADAPTIVE: 6}, Status.FAILED),
        (CLEAR, CLEARED | {ADAPTIVE: 6} | ONE_FAILED, Status.HELD),
    ],
)
def test_which_compactions_a_mode_makes(
    mode: PolicyMode, rows: dict[str, int], expected: Status
) -> None:
    run = in_mode(mode)
    set_rows(run, rows)

    assert status(run, PRIORITIES) is expected


@pytest.mark.parametrize("rows", [RAISED_TO_LIGHT, RAISED_TO_LIGHT | {SOFT: 40, ASYNC: 0}])
def test_where_all_were_raised_to_light_none_was_asynchronous(rows: dict[str, int]) -> None:
    run = in_mode(LIGHT)
    set_rows(run, rows)
    text = run[FINAL]["after/decisions"].decode().replace(CALM, RAISED)
    run[FINAL]["after/decisions"] = text.replace("mode=2", "mode=3").encode()

    assert status(run, PRIORITIES) is (Status.FAILED if rows[ASYNC] else Status.HELD)


@pytest.mark.parametrize(("mode", "rows"), [(LAST, ONE_MORE), (CLEAR, CLEARED)])
def test_nothing_is_done_at_the_end_for_orders_that_are_not_costly(
    mode: PolicyMode, rows: dict[str, int]
) -> None:
    run = in_mode(mode)
    set_rows(run, rows)
    set_rows(run, {ADAPTIVE: 1}, order=3)

    assert status(run, PRIORITIES) is Status.FAILED


@pytest.mark.parametrize(
    ("mode", "raised", "calm", "order", "expected"),
    [
        (LIGHT, 3, 0, 10, Status.HELD),
        (LIGHT, 3, 3, 10, Status.FAILED),  # at the threshold
        (LIGHT, 2, 0, 10, Status.FAILED),
        (LAST, 4, 4, 10, Status.HELD),
        (LAST, 4, 0, 10, Status.FAILED),  # the threshold is no matter
        (CLEAR, 5, 5, 10, Status.HELD),
        (CLEAR, 5, 5, 3, Status.FAILED),  # not costly
        (CLEAR, 6, 5, 10, Status.FAILED),
    ],
)
def test_which_decisions_a_mode_takes(
    mode: PolicyMode, raised: int, calm: int, order: int, expected: Status
) -> None:
    run = in_mode(mode)
    text = run[FINAL]["after/decisions"].decode()
    text = text.replace("mode=2", f"mode={raised}").replace("mode=0", f"mode={calm}")
    run[FINAL]["after/decisions"] = text.replace("order=10", f"order={order}", 1).encode()

    assert status(run, DECISIONS) is expected


@pytest.mark.parametrize(
    ("mode", "order", "expected"),
    [
        (LAST, 10, Status.HELD),
        (LAST, 3, Status.FAILED),  # not costly
        (CLEAR, 3, Status.FAILED),
        (6, 10, Status.FAILED),  # no mode has this number
    ],
)
def test_a_decision_that_no_setting_leads_to(mode: int, order: int, expected: Status) -> None:
    """Where the mode changed in the stage, the sysctls do not tell which one it was."""
    run = whole_run()
    sysctl = run[FINAL]["after/sysctl"]
    run[FINAL]["after/sysctl"] = sysctl.replace(b"mode=2", b"mode=4")
    text = run[FINAL]["after/decisions"].decode().replace("mode=2", f"mode={mode}", 1)
    at = text.index(f"mode={mode}")
    line = text.rindex("order=10", 0, at)
    text = f"{text[:line]}order={order}{text[line + len('order=10') :]}"
    run[FINAL]["after/decisions"] = text.encode()

    assert status(run, DECISIONS) is expected


def test_an_order_that_is_not_costly_is_decided_off() -> None:
    run = in_mode(CLEAR)
    text = run[FINAL]["after/decisions"].decode().replace("mode=2", "mode=5")
    text = text.replace("order=10 gfp=11456 cutoff=3 threshold=50 frag_pct=50 mode=0", "LOW", 1)
    text = text.replace("mode=0", "mode=5")
    text = text.replace("LOW", "order=3 gfp=11456 cutoff=3 threshold=50 frag_pct=50 mode=0")
    run[FINAL]["after/decisions"] = text.encode()

    assert status(run, DECISIONS) is Status.HELD


def last_resort(
    mode: PolicyMode, row: str, *, served: int = 5, adaptive: int = 6, order: int = 10
) -> Status:
    """Judge a run with `row`: tried backed_off ranges inspected scanned made."""
    run = in_mode(mode)
    files = run[FINAL]
    for path, pattern, new in (
        ("after/monitor_last_resort", f"^{order} .*", f"{order} {row}"),
        ("after/monitor_success_by_step", r"^(10 .*) 0 0 0 0$", rf"\1 {served} 0 0 0"),
        ("after/buddy_monitor", "40 40 38 71", f"40 40 {adaptive} 71"),
    ):
        text = files[path].decode()
        files[path] = re.sub(pattern, new, text, count=1, flags=re.MULTILINE).encode()
    return status(run, LAST_RESORT)


def test_the_last_resort_adds_up() -> None:
    assert last_resort(CLEAR, "6 3 6 900 100 5") is Status.HELD
    assert last_resort(CLEAR, "12 3 6 900 100 5") is Status.HELD  # in both zones
    for row in (
        "4 3 6 900 100 5",  # more made than tried
        "6 3 6 900 100 4",  # served what was not made
        "6 3 6 900 100 6",  # made what served nobody
        "5 3 6 900 100 5",  # adaptive without a try
        "13 3 6 900 100 5",  # more tries than zones
        "6 3 6 900 35101 5",  # vmstat has 39 * 900 for all compaction
    ):
        assert last_resort(CLEAR, row) is Status.FAILED, row
    # Nothing but the tries themselves says that more was made than tried.
    assert last_resort(CLEAR, "4 3 6 900 100 5", adaptive=4) is Status.FAILED
    idle = "0 0 0 0 0 0"
    assert last_resort(CLEAR, "1 0 0 9 0 0", served=0, adaptive=0, order=3) is Status.FAILED
    assert last_resort(LAST, idle) is Status.HELD
    assert last_resort(LAST, "0 1 0 0 0 0") is Status.FAILED
    assert last_resort(LIGHT, idle) is Status.FAILED
    assert last_resort(LIGHT, idle, served=0) is Status.HELD


@pytest.mark.parametrize(
    ("mode", "adaptive", "expected", "said"),
    [
        (LIGHT, 38, Status.HELD, "first compaction"),
        (LIGHT, 0, Status.FAILED, "first compaction"),
        # The ladder served all: nothing was left for the end.
        (LAST, 0, Status.HELD, "one additional compaction"),
        (CLEAR, 0, Status.HELD, "not a compaction attempt"),
    ],
)
def test_the_headline_says_what_the_mode_does(
    mode: PolicyMode, adaptive: int, expected: Status, said: str
) -> None:
    run = in_mode(mode)
    text = run[FINAL]["after/buddy_monitor"].decode()
    text = text.replace("40 40 38 71", f"40 40 {adaptive} 71")
    run[FINAL]["after/buddy_monitor"] = text.encode()

    assert status(run, HEADLINE) is expected
    sentences = explain_headline(parsed(run).stage(FINAL)).sentences
    assert said in sentences[-1]
    at_the_end = any("at the end of the retry ladder" in sentence for sentence in sentences)
    assert at_the_end == mode.at_the_end

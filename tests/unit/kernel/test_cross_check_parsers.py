# SPDX-License-Identifier: GPL-2.0-only
"""What debugfs and the cross-check module say: a kernel's own texts are read, others refused."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import RecordError
from harness.texts.guest.cross_check import (
    CROSS_CHECK_FILES,
    parse_cross_check,
    parse_cross_checks,
    parse_decisions,
)
from harness.texts.pages import Order
from harness.texts.proc.monitor_details import (
    DETAIL_FILES,
    LAST_RESORT_FILE,
    parse_monitor_details,
    parse_still,
    parse_unusable_index,
)
from harness.texts.proc.trace_hist import parse_trace_hist

DATA = Path(__file__).parents[2] / "data" / "cross-check-5.15"
Parser = Callable[[str], object]
LARGEST = Order(10)


def golden(name: str) -> str:
    return (DATA / f"{name}.txt").read_text()


DETAILS = {name: golden(name) for name in (*DETAIL_FILES, LAST_RESORT_FILE)}
CROSS_CHECKS = {name: golden(name) for name in CROSS_CHECK_FILES}


def detail(name: str) -> Parser:
    return lambda text: parse_monitor_details(DETAILS | {name: text})


def cross_check_file(name: str) -> Parser:
    return lambda text: parse_cross_checks(CROSS_CHECKS | {name: text})


PARSERS: dict[str, Parser] = {
    **{name: detail(name) for name in DETAILS},
    **{name: cross_check_file(name) for name in CROSS_CHECK_FILES},
    "unusable_index": parse_unusable_index,
    "still": parse_still,
}
# A file of zones whose last is lost is found by buddyinfo, one of a line by its digest.
MAY_LOSE_LINES = {"monitor_frag_pct", "unusable_index"}


@pytest.mark.parametrize("name", PARSERS)
def test_text_cut_inside_a_line_is_refused(name: str) -> None:
    text = golden(name)
    PARSERS[name](text)

    for cut in range(0, len(text), max(len(text) // 50, 1)):
        if not text[:cut].endswith("\n"):
            with pytest.raises(RecordError):
                PARSERS[name](text[:cut])


@pytest.mark.parametrize("name", sorted(PARSERS.keys() - MAY_LOSE_LINES))
def test_text_without_its_last_lines_is_refused(name: str) -> None:
    lines = golden(name).splitlines(keepends=True)

    for kept in range(len(lines)):
        with pytest.raises(RecordError):
            PARSERS[name]("".join(lines[:kept]))


@pytest.mark.parametrize("name", PARSERS)
@settings(deadline=None)  # nine files are parsed for one
@given(data=st.data())
def test_any_damage_gives_a_value_or_record_error(name: str, data: st.DataObject) -> None:
    text = golden(name)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 200)))
    damaged = text[:start] + data.draw(st.text(max_size=20)) + text[end:]
    for candidate in (damaged, damaged + "\n"):
        with contextlib.suppress(RecordError):
            PARSERS[name](candidate)


@pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)
@given(text=st.text())
def test_any_text_gives_a_value_or_record_error(parse: Parser, text: str) -> None:
    for candidate in (text, text + "\n"):
        with contextlib.suppress(RecordError):
            parse(candidate)


def test_the_monitors_tables_are_read() -> None:
    details = parse_monitor_details(DETAILS)

    assert details.item("step_fast", LARGEST) == 154
    assert details.item("step_compact_first", LARGEST) == 38
    assert details.item("compact_stall", LARGEST) == 38
    assert details.item("fail_nofail_atomic", LARGEST) == 0
    assert sum(details.slowpath_latency.row(LARGEST)) == 38
    assert details.slowpath_latency.value("log2_ns_25", LARGEST) == 12
    assert [(zone.zone, zone.values[10]) for zone in details.frag_pct] == [
        ("DMA", 20),
        ("DMA32", 31),
    ]
    assert (details.switches, details.invalid_requests) == (0, 0)
    with pytest.raises(RecordError, match="no column"):
        details.item("step_slow", LARGEST)
    with pytest.raises(RecordError, match="no table"):
        details.item("req", LARGEST)
    with pytest.raises(RecordError, match="no row"):
        details.slowpath_latency.row(Order(2))


def test_the_last_resort_is_read_where_there_is_one() -> None:
    text = DETAILS[LAST_RESORT_FILE].replace("10 0 0 0 0 0 0", "10 9 8 7 6 5 4")
    steps = "monitor_success_by_step"
    older = re.sub(r"^((?:\S+ ){7})\S+ ", r"\1", DETAILS[steps], flags=re.MULTILINE)
    some = {name: DETAILS[name] for name in DETAIL_FILES}

    table = parse_monitor_details(DETAILS | {LAST_RESORT_FILE: text}).last_resort
    assert table is not None
    assert [table.value(name, LARGEST) for name in ("tried", "scanned", "made")] == [9, 5, 4]
    # A kernel may have mode last only, and one before it neither: what it lacks served nothing.
    assert parse_monitor_details(some).last_resort is None
    before = parse_monitor_details(some | {steps: older})
    assert before.item("step_last_resort", LARGEST) == 0
    assert before.success_by_step == parse_monitor_details(some).success_by_step
    with pytest.raises(RecordError, match="success_by_step"):
        parse_monitor_details(DETAILS | {steps: older})


def test_a_cross_check_of_an_older_kernel_is_read() -> None:
    text = golden("cross_check")
    older = re.sub("monitor step_last_resort.*\n", "", text)

    assert older != text
    assert parse_cross_check(older) == parse_cross_check(text)
    with pytest.raises(RecordError, match="step_oom is absent"):
        parse_cross_check(re.sub("monitor step_oom.*\n", "", text))


def test_the_cross_check_is_read() -> None:
    cross_checks = parse_cross_checks(CROSS_CHECKS)
    instant = cross_checks.instant

    assert instant.item("req", LARGEST) == instant.allocated[10] == 192
    assert instant.calls(LARGEST) == instant.compact_calls[0][10] == instant.decisions[10] == 38
    assert instant.events == {"compact_stall": 38, "compact_success": 38, "compact_fail": 0}
    assert cross_checks.decisions.kept[-1].frag_pct == 93
    assert cross_checks.decisions.kept[-1].free[0] == 21260
    assert cross_checks.allocations.count(10) == 192
    assert cross_checks.allocations.count(7) == 0
    assert cross_checks.compactions.count(10, 0) == cross_checks.compactions.hits == 38
    with pytest.raises(RecordError, match="no counter"):
        instant.item("requests", LARGEST)


def test_a_kernel_without_the_series_has_a_cross_check_without_a_monitor() -> None:
    lines = golden("cross_check").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("monitor"))

    assert parse_cross_check(text).monitor == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("monitor step_oom 0", "monitor step_oops 0", "step_oom is absent"),
        ("end\n", "later 1\nend\n", "'later' is not known"),
        ("cpus=1", "cpus=1\ncpus=1", "given twice"),
        ("vm compact_stall=", "vm compact_stalls=", "vm has"),
        ("snapshot 1", "snapshot 2", "another format"),
    ],
)
def test_a_cross_check_of_another_kind_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        parse_cross_check(golden("cross_check").replace(old, new))


def test_decisions_since_an_earlier_reading_are_the_last_ones() -> None:
    text = golden("decisions")
    none = parse_decisions("cross_check decisions 1 seen=0 kept=0\nend\n")
    some = parse_decisions(text)
    header, *lines = text.splitlines(keepends=True)
    earlier = parse_decisions(header.replace("38", "35") + "".join(lines[:35]) + "end\n")

    assert some.since(some) == ()
    assert some.since(none) == some.kept
    assert some.since(earlier) == some.kept[-3:]
    with pytest.raises(RecordError, match="kept=37"):
        parse_decisions(text.replace("kept=38", "kept=37"))


def test_an_empty_histogram_is_read_and_another_ones_keys_are_refused() -> None:
    text = golden("hist_compact")
    entry = next(line for line in text.splitlines(keepends=True) if line.startswith("{"))
    empty = text.replace(entry, "").replace("Entries: 1", "Entries: 0").replace("38", "0")

    assert parse_trace_hist(empty, keys=("order", "prio")).hits == 0
    with pytest.raises(RecordError, match="keys"):
        parse_trace_hist(text, keys=("order",))
    with pytest.raises(RecordError, match="triggers"):
        parse_trace_hist(empty, keys=("order",))
    with pytest.raises(RecordError, match="listed twice"):
        parse_trace_hist(text.replace(entry, entry * 2), keys=("order", "prio"))


@pytest.mark.parametrize(("old", "new"), [(" 0.066", " 0.66"), (" 0.066", " 66"), ("DMA32", "DMA")])
def test_an_index_of_another_form_is_refused(old: str, new: str) -> None:
    with pytest.raises(RecordError):
        parse_unusable_index(golden("unusable_index").replace(old, new))


def test_percent_above_100_is_refused() -> None:
    text = DETAILS["monitor_frag_pct"].replace(" 20\n", " 101\n")

    with pytest.raises(RecordError, match="101 per cent"):
        parse_monitor_details(DETAILS | {"monitor_frag_pct": text})

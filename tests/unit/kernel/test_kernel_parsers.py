# SPDX-License-Identifier: GPL-2.0-only
"""What holds for every parser: both kernels' texts are read, any other text is refused."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RecordError
from harness.texts.guest.guest_report import parse_guest_report
from harness.texts.guest.module_records import parse_module_records
from harness.texts.proc.buddy_monitor import parse_buddy_monitor
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.clock import parse_clock
from harness.texts.proc.kernel_log import parse_kernel_log
from harness.texts.proc.meminfo import parse_meminfo
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.proc.sysctl import parse_sysctl
from harness.texts.proc.vmstat import parse_vmstat
from harness.texts.proc.zoneinfo import parse_zoneinfo

DATA = Path(__file__).parents[2] / "data"
KERNELS = ("kernel-5.15", "kernel-6.1")
RECORDS = """high_order_test 2
order=10 requests=3 hold_ms=0 delay_ms=0 most_held=3 hold_until_fail=1 gfp=kernel max_mib=700 \
wait=0 decision_probe=1 compact_probe=1
state=done stop_reason=first_failure attempted=2 succeeded=1 failed=1 held_peak=1
records=2
i=0 ok=1 latency_ns=1234 pfn=123456 decided=0 attempts=0 frag_pct=0
i=1 ok=0 latency_ns=98765 pfn=0 decided=1 attempts=2 frag_pct=97
end records=2
"""
Parser = Callable[[str], object]
# Files whose loss of whole lines at the end the parser itself notices.
GUARDED: dict[str, Parser] = {
    "buddy_monitor": parse_buddy_monitor,
    "pagetypeinfo": parse_pagetypeinfo,
    "zoneinfo": parse_zoneinfo,
    "vmstat": parse_vmstat,
}
# The rest is guarded by sha256sums, and buddyinfo by zoneinfo's zones.
OTHERS: dict[str, Parser] = {
    "buddyinfo": parse_buddyinfo,
    "meminfo": parse_meminfo,
    "sysctl": parse_sysctl,
    "time": parse_clock,
    "dmesg": parse_kernel_log,
}
ALL: tuple[Parser, ...] = (
    *GUARDED.values(),
    *OTHERS.values(),
    parse_module_records,
    parse_guest_report,
)


def golden(kernel: str, name: str) -> str:
    return (DATA / kernel / f"{name}.txt").read_text()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", [*GUARDED, *OTHERS])
def test_text_cut_inside_a_line_is_refused(kernel: str, name: str) -> None:
    parse = (GUARDED | OTHERS)[name]
    text = golden(kernel, name)
    parse(text)

    for cut in range(0, len(text), max(len(text) // 50, 1)):
        if not text[:cut].endswith("\n"):
            with pytest.raises(RecordError):
                parse(text[:cut])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", GUARDED)
def test_text_without_its_last_lines_is_refused(kernel: str, name: str) -> None:
    lines = golden(kernel, name).splitlines(keepends=True)
    if name == "pagetypeinfo":  # page_owner's third table is optional, and not used
        lines = lines[: lines.index("\n", 5) + 5]
        GUARDED[name]("".join(lines))

    for kept in range(len(lines)):
        with pytest.raises(RecordError):
            GUARDED[name]("".join(lines[:kept]))


def test_module_records_without_their_last_lines_are_refused() -> None:
    lines = RECORDS.splitlines(keepends=True)
    parse_module_records(RECORDS)

    for kept in range(len(lines)):
        with pytest.raises(RecordError):
            parse_module_records("".join(lines[:kept]))


@pytest.mark.parametrize("parse", ALL)
@given(text=st.text())
def test_any_text_gives_a_value_or_record_error(parse: Parser, text: str) -> None:
    for candidate in (text, text + "\n"):
        with contextlib.suppress(RecordError):
            parse(candidate)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", [*GUARDED, *OTHERS])
@given(data=st.data())
def test_any_damage_gives_a_value_or_record_error(
    kernel: str, name: str, data: st.DataObject
) -> None:
    text = golden(kernel, name)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 200)))
    damaged = text[:start] + data.draw(st.text(max_size=20)) + text[end:]
    with contextlib.suppress(RecordError):
        (GUARDED | OTHERS)[name](damaged)


@given(data=st.data())
def test_damaged_module_records_give_a_value_or_record_error(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(RECORDS)))
    end = data.draw(st.integers(start, len(RECORDS)))
    damaged = RECORDS[:start] + data.draw(st.text(max_size=20)) + RECORDS[end:]
    with contextlib.suppress(RecordError):
        parse_module_records(damaged)


@pytest.mark.parametrize("number", ["1_0", "+1", "-1", "\u0661", "1.0", "0x1", "", "9" * 5000])
def test_only_plain_decimal_numbers_count(number: str) -> None:
    with pytest.raises(RecordError):
        parse_buddyinfo(f"Node 0, zone DMA {number} 0 0 0 0 0 0 0 0 0 0\n")

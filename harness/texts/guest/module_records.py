# SPDX-License-Identifier: GPL-2.0-only
"""The records of kmod/high_order_test.c, format 2: what each request of a burst met.

high_order_test 2
order=.. requests=.. hold_ms=.. delay_ms=.. most_held=.. hold_until_fail=.. gfp=.. max_mib=..
  wait=.. decision_probe=.. compact_probe=..                        (the same line)
state=.. stop_reason=.. attempted=.. succeeded=.. failed=.. held_peak=..
records=N
i=0 ok=1 latency_ns=.. pfn=.. decided=.. attempts=.. frag_pct=..    (N such lines)
end records=N
"""

from dataclasses import dataclass

from harness.texts.pages import Order, order_of
from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

_WHAT = "records"
FORMAT_LINE = "high_order_test 2"
_HEADER_LINES = 4
# The worker still runs in any other state, and the records are not final.
FINAL_STATES = ("holding", "done")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRecord:
    """One request: its latency in ns of the guest's clocksource, and the block's first pfn."""

    succeeded: bool
    latency_ns: int
    pfn: int  # 0 when it failed
    # Decisions of adaptive compaction: 1 for an eligible request that got slow, else 0.
    decided: int
    attempts: int  # at direct compaction, with __GFP_IO
    frag_pct: int  # as the decision had it; 0 without one


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRecords:
    """One run of the module: its parameters, its own totals, and every request."""

    order: Order
    requests: int
    hold_ms: int
    delay_ms: int
    most_held: int
    hold_until_fail: bool
    gfp: str
    max_mib: int
    decision_probe: bool  # whether this kernel has the trace event behind decided
    state: str
    stop_reason: str
    attempted: int
    succeeded: int
    failed: int
    held_peak: int
    allocations: tuple[AllocationRecord, ...]


def parse_module_records(text: str) -> ModuleRecords:
    """Parse the whole file; RecordError unless all declared records are there, in order."""
    lines = whole_lines(text, _WHAT)
    if lines[0] != FORMAT_LINE:
        raise damaged(_WHAT, f"the first line is {shown(lines[0])}, not {FORMAT_LINE!r}")
    if len(lines) <= _HEADER_LINES:
        raise damaged(_WHAT, f"cut short after {len(lines)} lines")
    declared = _declared(lines[3], "records=")
    body = lines[_HEADER_LINES:-1]
    if _declared(lines[-1], "end records=") != declared or len(body) != declared:
        raise damaged(_WHAT, f"{declared} records declared, {len(body)} found, or the end differs")
    allocations = tuple(_allocation(line, index) for index, line in enumerate(body))
    return _with_header(lines[1], lines[2], allocations)


def _declared(line: str, prefix: str) -> int:
    if not line.startswith(prefix):
        raise damaged(_WHAT, f"{shown(line)} stands where {prefix}N belongs")
    return natural(line.removeprefix(prefix), _WHAT)


def _allocation(line: str, index: int) -> AllocationRecord:
    values = key_values(line.split(" "), _WHAT)
    if natural(required(values, "i", _WHAT), _WHAT) != index:
        raise damaged(_WHAT, f"{shown(line)} stands where record {index} belongs")
    return AllocationRecord(
        succeeded=_flag(required(values, "ok", _WHAT), "ok"),
        latency_ns=natural(required(values, "latency_ns", _WHAT), _WHAT),
        pfn=natural(required(values, "pfn", _WHAT), _WHAT),
        decided=natural(required(values, "decided", _WHAT), _WHAT),
        attempts=natural(required(values, "attempts", _WHAT), _WHAT),
        frag_pct=natural(required(values, "frag_pct", _WHAT), _WHAT),
    )


def _flag(word: str, key: str) -> bool:
    if word not in ("0", "1"):
        raise damaged(_WHAT, f"{key}={shown(word)} is neither 0 nor 1")
    return word == "1"


def _with_header(
    parameters_line: str, totals_line: str, allocations: tuple[AllocationRecord, ...]
) -> ModuleRecords:
    parameters = key_values(parameters_line.split(" "), _WHAT)
    totals = key_values(totals_line.split(" "), _WHAT)

    def parameter(key: str) -> int:
        return natural(required(parameters, key, _WHAT), f"{_WHAT} {key}")

    def total(key: str) -> int:
        return natural(required(totals, key, _WHAT), f"{_WHAT} {key}")

    return ModuleRecords(
        order=order_of(parameter("order"), _WHAT),
        requests=parameter("requests"),
        hold_ms=parameter("hold_ms"),
        delay_ms=parameter("delay_ms"),
        most_held=parameter("most_held"),
        hold_until_fail=_flag(required(parameters, "hold_until_fail", _WHAT), "hold_until_fail"),
        gfp=required(parameters, "gfp", _WHAT),
        max_mib=parameter("max_mib"),
        decision_probe=_flag(required(parameters, "decision_probe", _WHAT), "decision_probe"),
        state=required(totals, "state", _WHAT),
        stop_reason=required(totals, "stop_reason", _WHAT),
        attempted=total("attempted"),
        succeeded=total("succeeded"),
        failed=total("failed"),
        held_peak=total("held_peak"),
        allocations=allocations,
    )

# SPDX-License-Identifier: GPL-2.0-only
"""What kmod/alloc_torture reports of its cases, as vm/guest/scripts/run_torture.sh prints it.

    alloc_torture 1 cpus=N page_owner=0|1 policy=0|1 [last_resort=0|1] [lists=0|1]
        [nolock=0|1]
    case=NAME order=N requests=N ok=N failed=N pages=N quiet=0|1 [elsewhere=N invalid_req=N
        invalid_fail=N req=N ... fail_nofail_atomic=N]                 one line for each order
    blocks=N kept=N freed=N plugged=N                                  kmod/unmovable_comb
    ranges=N own=N foreign=N open=N
    reads=N ahead=N       of /proc/buddy_monitor, and its lines with more outcomes than requests
    end cases=N

Items rose or, where a counter lost something, fell: their changes are signed. They are absent
from a kernel without the monitor, and step_last_resort from one without that step.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import RecordError
from harness.items import Item
from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

_WHAT = "torture output"
_FORMAT = "alloc_torture 1"
_COMB_SAID = 2  # when it is made and when it is taken away
_SIGNED = re.compile(r"-?[0-9]{1,19}")
_LATER_ITEM = Item.STEP_LAST_RESORT.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the monitor's counters changed by while a case ran."""

    items: Mapping[Item, int]  # of the case's order
    elsewhere: int  # the sizes of all changes of the other orders, together
    invalid_req: int
    invalid_fail: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case and order. `ok`, `failed`: calls that gave all they were asked for, or nothing."""

    case: str
    order: int  # may be one that does not exist
    requests: int
    ok: int
    failed: int
    pages: int
    quiet: bool  # nobody else could allocate meanwhile
    counted: Counted | None  # None: a kernel without the monitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Comb:
    """Aligned ranges of the order that was to be impossible, by what keeps them from being free."""

    ranges: int
    own: int
    plugged: int
    foreign: int
    open: int  # nothing does


@dataclass(frozen=True, slots=True, kw_only=True)
class Torture:
    """The whole output."""

    cpus: int
    page_owner: bool
    policy: bool  # whether the kernel has the policy's knobs
    last_resort: bool  # and among its modes those that act at the end
    lists: bool  # whether the kernel gives batches as a list, too (up to 6.13)
    nolock: bool  # whether it has requests that wait for no lock
    results: tuple[CaseResult, ...]
    comb: Comb
    reads: int  # of /proc/buddy_monitor while interrupts allocated; 0 without the monitor
    ahead: int  # lines of them that had more outcomes than requests


def parse_torture(text: str) -> Torture:
    """Parse the output of run_torture.sh; RecordError if it is not whole."""
    lines = whole_lines(text, _WHAT)
    head = lines[0].removeprefix(_FORMAT)
    if head == lines[0]:
        raise damaged(_WHAT, f"{shown(lines[0])} where {shown(_FORMAT)} belongs")
    world = key_values(head.split(), _WHAT)
    results = tuple(_result(line) for line in lines if line.startswith("case="))
    _check_end(lines, results)
    reader = _reader(lines)
    return Torture(
        cpus=_natural(world, "cpus"),
        page_owner=_flag(world, "page_owner"),
        policy=_flag(world, "policy"),
        last_resort=_flag({"last_resort": "0"} | world, "last_resort"),
        lists=_flag({"lists": "1"} | world, "lists"),
        nolock=_flag({"nolock": "0"} | world, "nolock"),
        results=results,
        comb=_comb(lines),
        reads=_natural(reader, "reads"),
        ahead=_natural(reader, "ahead"),
    )


def _reader(lines: Sequence[str]) -> dict[str, str]:
    said = [line for line in lines if line.startswith("reads=")] or ["reads=0 ahead=0"]
    if len(said) != 1:
        raise damaged(_WHAT, f"{len(said)} lines of what was read")
    return key_values(said[0].split(), _WHAT)


def _check_end(lines: Sequence[str], results: Sequence[CaseResult]) -> None:
    cases = len({result.case for result in results})
    if lines[-1] != f"end cases={cases}":
        raise damaged(_WHAT, f"{cases} cases, and the last line is {shown(lines[-1])}")
    if len({(result.case, result.order) for result in results}) != len(results):
        raise damaged(_WHAT, "a case is there twice")


def _comb(lines: Sequence[str]) -> Comb:
    """Read both lines of the comb's state, which it says when it starts and when it ends."""
    blocks = [line for line in lines if line.startswith("blocks=")]
    ranges = [line for line in lines if line.startswith("ranges=")]
    if any(len(said) != _COMB_SAID or len(set(said)) != 1 for said in (blocks, ranges)):
        raise damaged(_WHAT, f"the comb's state is {shown(repr(blocks + ranges))}")
    values = key_values(f"{blocks[0]} {ranges[0]}".split(), _WHAT)
    return Comb(
        ranges=_natural(values, "ranges"),
        own=_natural(values, "own"),
        plugged=_natural(values, "plugged"),
        foreign=_natural(values, "foreign"),
        open=_natural(values, "open"),
    )


def _result(line: str) -> CaseResult:
    values = key_values(line.split(" "), _WHAT)
    return CaseResult(
        case=required(values, "case", _WHAT),
        order=_natural(values, "order"),
        requests=_natural(values, "requests"),
        ok=_natural(values, "ok"),
        failed=_natural(values, "failed"),
        pages=_natural(values, "pages"),
        quiet=_flag(values, "quiet"),
        counted=_counted(values) if "elsewhere" in values else None,
    )


def _counted(values: dict[str, str]) -> Counted:
    known = {"case", "order", "requests", "ok", "failed", "pages", "quiet"}
    known |= {"elsewhere", "invalid_req", "invalid_fail", *Item}
    if unknown := sorted(values.keys() - known):
        raise damaged(_WHAT, f"{shown(unknown[0])} is no item we know")
    return Counted(
        items={item: _signed({_LATER_ITEM: "0"} | values, item) for item in Item},
        elsewhere=_natural(values, "elsewhere"),
        invalid_req=_signed(values, "invalid_req"),
        invalid_fail=_signed(values, "invalid_fail"),
    )


def _natural(values: dict[str, str], key: str) -> int:
    return natural(required(values, key, _WHAT), f"{_WHAT} {key}")


def _signed(values: dict[str, str], key: str) -> int:
    word = required(values, key, _WHAT)
    if not _SIGNED.fullmatch(word):
        raise damaged(f"{_WHAT} {key}", f"{shown(word)} is not a whole number")
    return int(word)


def _flag(values: dict[str, str], key: str) -> bool:
    word = required(values, key, _WHAT)
    if word not in {"0", "1"}:
        raise RecordError(f"{_WHAT}: {key} is {shown(word)}, not 0 or 1; repeat the run")
    return word == "1"

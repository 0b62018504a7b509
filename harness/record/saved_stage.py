# SPDX-License-Identifier: GPL-2.0-only
"""One stage's saved texts as a StageRecord: read once and believed only when whole.

    RUN/raw/<stage>/{command,prepare,output,exit_status,records,cleanup,sha256sums}
    RUN/raw/<stage>/{before,after}/{buddyinfo,buddy_monitor,...}

Everything here maps bytes to values; the caller reads the files. Absent, cut or altered
data is a RecordError.
"""

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TypeVar

from harness.errors import RecordError
from harness.record.run import Snapshot, StageRecord
from harness.texts.guest.cross_check import ALWAYS_THERE, CROSS_CHECK_FILES, parse_cross_checks
from harness.texts.guest.module_records import parse_module_records
from harness.texts.proc.buddy_monitor import parse_buddy_monitor
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.clock import parse_clock
from harness.texts.proc.kernel_log import parse_kernel_log
from harness.texts.proc.meminfo import parse_meminfo
from harness.texts.proc.monitor_details import (
    DETAIL_FILES,
    LAST_RESORT_FILE,
    parse_monitor_details,
    parse_still,
    parse_unusable_index,
)
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.proc.sysctl import parse_sysctl
from harness.texts.proc.vmstat import parse_vmstat
from harness.texts.proc.zoneinfo import parse_zoneinfo
from harness.texts.text import damaged, natural, shown, whole_lines
from harness.values import BURST_COMMAND, SUMS

_Value = TypeVar("_Value")
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(\S.*)")


def parse_stage(files: Mapping[str, bytes], *, name: str) -> StageRecord:
    """Parse one stage from path inside its directory -> content; RecordError if not whole."""
    try:
        return _parse_stage(files, name)
    except RecordError as error:
        message = str(error)
        raise RecordError(message if message.startswith(name) else f"{name}: {message}") from error


def _parse_stage(files: Mapping[str, bytes], name: str) -> StageRecord:
    sums = _verified_sums(files)
    (command,) = _lines(files, "command", 1)
    (status,) = _lines(files, "exit_status", 1)
    exit_status = natural(status.strip(), "exit_status")
    records = files.get("records")
    if records is None and command.startswith(BURST_COMMAND):
        raise damaged("records", f"absent, the command ended with exit status {exit_status}")
    return StageRecord(
        name=name,
        command=command,
        prepare_output=lossy(files.get("prepare", b"")),
        output=lossy(_content(files, "output")),
        exit_status=exit_status,
        records=None if records is None else parse_module_records(_text(files, "records")),
        before=_parse_snapshot(files, name, "before"),
        after=_parse_snapshot(files, name, "after"),
        digest=sha256("".join(sums).encode()).hexdigest(),
    )


def _parse_snapshot(files: Mapping[str, bytes], stage: str, when: str) -> Snapshot:
    monitor_path = f"{when}/buddy_monitor"
    try:
        snapshot = Snapshot(
            label=f"{stage}/{when}",
            buddyinfo=parse_buddyinfo(_text(files, f"{when}/buddyinfo")),
            monitor=(
                parse_buddy_monitor(_text(files, monitor_path)) if monitor_path in files else None
            ),
            details=_parsed_together(
                files,
                when,
                DETAIL_FILES,
                parse_monitor_details,
                some=True,
                later=(LAST_RESORT_FILE,),
            ),
            cross_checks=_parsed_together(
                files, when, CROSS_CHECK_FILES, parse_cross_checks, some=False
            ),
            unusable=(
                parse_unusable_index(_text(files, f"{when}/unusable_index"))
                if f"{when}/unusable_index" in files
                else None
            ),
            still=parse_still(_text(files, f"{when}/still")),
            pagetypeinfo=parse_pagetypeinfo(_text(files, f"{when}/pagetypeinfo")),
            zoneinfo=parse_zoneinfo(_text(files, f"{when}/zoneinfo")),
            vmstat=parse_vmstat(_text(files, f"{when}/vmstat")),
            meminfo=parse_meminfo(_text(files, f"{when}/meminfo")),
            log=parse_kernel_log(lossy(_content(files, f"{when}/dmesg"))),
            sysctls=parse_sysctl(_text(files, f"{when}/sysctl")),
            clock=parse_clock(_text(files, f"{when}/time")),
        )
    except RecordError as error:
        raise RecordError(f"{stage}/{when}: {error}") from error
    _check_same_zones(snapshot)
    return snapshot


def _parsed_together(
    files: Mapping[str, bytes],
    when: str,
    names: tuple[str, ...],
    parse: Callable[[Mapping[str, str]], _Value],
    *,
    some: bool,
    later: tuple[str, ...] = (),
) -> _Value | None:
    """Parse files that belong together; None without them, or with `some` of them.

    Those that `later` kernels have are parsed with them, if they are there.
    """
    absent = [name for name in names if f"{when}/{name}" not in files]
    there = [name for name in names if name not in absent and name not in ALWAYS_THERE]
    if absent and not some and there:
        raise damaged(absent[0], f"absent, but not {' and '.join(there)}")
    if absent:
        return None
    present = (*names, *(name for name in later if f"{when}/{name}" in files))
    return parse({name: _text(files, f"{when}/{name}") for name in present})


def _check_same_zones(snapshot: Snapshot) -> None:
    """Three files list the populated zones; one cut between two lines is found here."""
    free = {(area.node, area.zone) for area in snapshot.buddyinfo.zones}
    types = {(blocks.node, blocks.zone) for blocks in snapshot.pagetypeinfo.pageblocks}
    zones = {(zone.node, zone.name) for zone in snapshot.zoneinfo.populated}
    if free != zones or types != zones:
        raise damaged(
            snapshot.label,
            f"zones differ: buddyinfo {sorted(free)}, pagetypeinfo {sorted(types)}, "
            f"zoneinfo {sorted(zones)}",
        )


def _verified_sums(files: Mapping[str, bytes]) -> list[str]:
    """Return `digest  path` lines sorted by path, after checking every file against them."""
    declared: dict[str, str] = {}
    for line in whole_lines(_text(files, SUMS), SUMS):
        match = _SUM_LINE.fullmatch(line)
        if match is None or match[2] in declared:
            raise damaged(SUMS, f"{shown(line)} is not a digest and a path, or is repeated")
        declared[match[2]] = match[1]
    actual = {path: sha256(data).hexdigest() for path, data in files.items() if path != SUMS}
    for path in sorted(declared.keys() | actual.keys()):
        if path not in actual:
            raise damaged(path, f"absent, but listed in {SUMS}")
        if path not in declared:
            raise damaged(path, f"not listed in {SUMS}")
        if declared[path] != actual[path]:
            raise damaged(path, f"sha256 {actual[path][:12]}, written as {declared[path][:12]}")
    return [f"{declared[path]}  {path}\n" for path in sorted(declared)]


def _content(files: Mapping[str, bytes], path: str) -> bytes:
    if path not in files:
        raise damaged(path, "absent")
    return files[path]


def _text(files: Mapping[str, bytes], path: str) -> str:
    try:
        return _content(files, path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, f"not UTF-8 at byte {error.start}") from error


def lossy(content: bytes) -> str:
    """Programs and devices may print any byte: what they say is shown, not parsed."""
    return content.decode("utf-8", errors="replace")


def _lines(files: Mapping[str, bytes], path: str, expected: int) -> list[str]:
    lines = whole_lines(_text(files, path), path)
    if len(lines) != expected:
        raise damaged(path, f"{len(lines)} lines where {expected} belongs")
    return lines

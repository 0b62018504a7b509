# SPDX-License-Identifier: GPL-2.0-only
"""/proc/meminfo: memory of the whole machine in KiB (fs/proc/meminfo.c meminfo_proc_show)."""

import re
from dataclasses import dataclass

from harness.texts.text import damaged, natural, shown, whole_lines

_WHAT = "meminfo"
_LINE = re.compile(r"([A-Za-z0-9_()]+): +([0-9]+)(?: kB)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemInfo:
    """The values used, in KiB."""

    total_kib: int
    free_kib: int
    available_kib: int
    swap_kib: int = 0  # 0 too on a kernel without swap


def parse_meminfo(text: str) -> MemInfo:
    """Parse the whole file; RecordError if a line is malformed or a needed value absent."""
    values: dict[str, int] = {}
    for line in whole_lines(text, _WHAT):
        match = _LINE.fullmatch(line)
        if match is None or match[1] in values:
            raise damaged(_WHAT, f"{shown(line)} is not a value or is given twice")
        values[match[1]] = natural(match[2], _WHAT)
    for name in ("MemTotal", "MemFree", "MemAvailable"):
        if name not in values:
            raise damaged(_WHAT, f"{name} is absent")
    return MemInfo(
        total_kib=values["MemTotal"],
        free_kib=values["MemFree"],
        available_kib=values["MemAvailable"],
        swap_kib=values.get("SwapTotal", 0),
    )

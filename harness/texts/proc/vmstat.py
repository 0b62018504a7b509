# SPDX-License-Identifier: GPL-2.0-only
"""/proc/vmstat: counters of the whole machine (mm/vmstat.c vmstat_show, vmstat_text).

nr_* are states in pages; compact_* and pg* are events since boot. The kernel ends the
file with `nr_unstable 0` in 5.15 and 6.1 alike, so a missing tail is noticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.texts.text import damaged, natural, of_another_kernel, shown, whole_lines

_WHAT = "vmstat"
_LAST_LINE = "nr_unstable 0"
# The last counters of kernels before 5.8, by their configuration (enum vm_event_item); from 5.13
# on others follow each of them, and the last line above.
_OLDER_ENDS = (
    "swap_ra_hit",
    "balloon_migrate",
    "nr_tlb_local_flush_one",
    "unevictable_pgs_stranded",
)
# Events of direct compaction and of mm/compaction.c: absent without CONFIG_COMPACTION,
# and then there is nothing to judge here.
COMPACTION_EVENTS = (
    "compact_stall",
    "compact_fail",
    "compact_success",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "compact_isolated",
)
_REQUIRED = ("nr_free_pages", *COMPACTION_EVENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class VmStat:
    """All counters by the kernel's name."""

    counters: Mapping[str, int]

    def counter(self, name: str) -> int:
        """Return one counter; RecordError if this kernel does not have it."""
        if name not in self.counters:
            raise damaged(_WHAT, f"{name} is absent")
        return self.counters[name]

    def compaction_events(self) -> dict[str, int]:
        """Return every compact_* counter."""
        return {name: value for name, value in self.counters.items() if name.startswith("compact_")}


def parse_vmstat(text: str) -> VmStat:
    """Parse the whole file; RecordError if cut short or without a needed counter."""
    lines = whole_lines(text, _WHAT)
    if lines[-1].partition(" ")[0] in _OLDER_ENDS:
        raise of_another_kernel(_WHAT, f"it ends with {shown(lines[-1])}, as before 5.8")
    if lines[-1] != _LAST_LINE:
        raise damaged(_WHAT, f"cut short, it ends with {shown(lines[-1])}")
    counters: dict[str, int] = {}
    for line in lines:
        name, space, value = line.partition(" ")
        if not name or not space or name in counters:
            raise damaged(_WHAT, f"{shown(line)} is not a counter or is given twice")
        counters[name] = natural(value, _WHAT)
    stat = VmStat(counters=counters)
    for name in _REQUIRED:
        stat.counter(name)
    return stat

# SPDX-License-Identifier: GPL-2.0-only
"""Where a report says that it happened: the function that two reports of one fault share."""

import re
from collections.abc import Sequence

from harness.texts.alarms.records import Record

REPORT_RECORDS = 80  # of one report, at most
_FUNCTION = re.compile(
    r"(?:^|[ /(])(?P<name>[A-Za-z_][\w.]{1,80})\+0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8}"
)
_INSTRUCTION = re.compile(r"^(?:RIP: [0-9a-f]{4}:|pc : )(?P<name>[A-Za-z_][\w.]{1,80})\+0x")
_COMPILERS = re.compile(r"\.(?:(?:isra|constprop|part|cold|llvm).*|[0-9]+)$")
# What every report passes through on its way: the reporters themselves.
_REPORTERS = re.compile(
    r"^(?:_*(?:dump_stack|show_stack|show_regs|show_trace|warn|die|v?panic|report_bug|handle_bug)\w*"
    r"|(?:asm_)?exc_\w+|\w*(?:print|report|check)_\w*(?:bug|error|trailer|stall|stack|report|address"
    r"|deadlock|usage|invalid|consistency)\w*|k(?:asan|msan|csan|fence)_\w+|_*(?:asan|msan|tsan)_\w+"
    r"|_*lock_acquire\w*|lock_release\w*|validate_chain|mark_lock\w*|lockdep_\w+|_*might_\w+|slab_\w+"
    r"|object_err|slab_err|refcount_warn_\w+|sysfs_warn_dup|print_bad_pte|note_interrupt|handle_irq_\w+"
    r"|ubsan_\w+|_*ubsan\w*|bad_page|_raw_\w+|do_trap|do_error_trap|nmi_\w+"
    r"|do_raw_\w+|register_lock_class|debug_\w+|fail_dump|should_fail\w*|_*schedule\w*"
    r"|io_schedule\w*|context_switch|ret_from_fork\w*|kthread|entry_SYSCALL\w*|do_syscall_64)$"
)


def place_of(report: Sequence[Record]) -> str:
    """Return the function that a report, from its heading on, speaks of; empty if none."""
    heading, *rest = (record.text for record in report)
    for named in (_FUNCTION.search(heading), *map(_INSTRUCTION.match, rest), *map(_called, rest)):
        name = _COMPILERS.sub("", named["name"]) if named else ""
        if name and not _REPORTERS.match(name):
            return name
    return ""


def _called(text: str) -> re.Match[str] | None:
    """Return a line of a trace; "? name" is a guess of the unwinder's."""
    return None if text.lstrip().startswith("?") else _FUNCTION.search(text)

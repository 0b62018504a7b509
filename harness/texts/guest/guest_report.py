# SPDX-License-Identifier: GPL-2.0-only
"""What the verify stage's command says about the kernel that really runs.

`uname_r=` is utsname()->release (uname -r); `module_srcversion=` is
/sys/module/high_order_test/srcversion (kernel/module.c). The text of
/proc/buddy_monitor follows in the same output and is read elsewhere.
"""

from dataclasses import dataclass

from harness.texts.text import damaged, shown, whole_lines

_WHAT = "verify output"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestReport:
    """The running kernel and the loaded module, by their own word."""

    uname_r: str
    module_srcversion: str


def parse_guest_report(text: str) -> GuestReport:
    """Find the two lines; RecordError if one is absent, empty or there twice."""
    lines = whole_lines(text, _WHAT)
    return GuestReport(
        uname_r=_only(lines, "uname_r="), module_srcversion=_only(lines, "module_srcversion=")
    )


def _only(lines: list[str], prefix: str) -> str:
    found = [line.removeprefix(prefix).strip() for line in lines if line.startswith(prefix)]
    if len(found) != 1 or not found[0]:
        raise damaged(_WHAT, f"{shown(prefix)} should be there once, found {found[:3]}")
    return found[0]

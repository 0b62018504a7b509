# SPDX-License-Identifier: GPL-2.0-only
"""What make says: the first real error, and warnings. Pure."""

import re

_ERROR = re.compile(
    r"^[^\s:]+:\d+(:\d+)?: (fatal )?error: .*|^ERROR: modpost: .*|^.*: undefined reference to .*"
    r"|^error: .*|^.*No space left on device.*",
    re.MULTILINE,
)
_WARNING = re.compile(r"^[^\s:]+:\d+(:\d+)?: warning: .*", re.MULTILINE)
_MAKE = re.compile(r"^make(\[\d+\])?: \*\*\* .*", re.MULTILINE)


def first_error(log: str) -> str:
    """Return the first compiler-shaped error line, else make's own first complaint."""
    for pattern in (_ERROR, _MAKE):
        if match := pattern.search(log):
            return match.group(0).strip()
    return "no error line; see the end of the log"


def warnings(log: str) -> tuple[str, ...]:
    """Return compiler warnings in order."""
    return tuple(match.group(0) for match in _WARNING.finditer(log))

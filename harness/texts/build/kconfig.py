# SPDX-License-Identifier: GPL-2.0-only
"""Kconfig values: what a fragment asks for and what `.config` holds. Pure."""

import re
from collections.abc import Mapping

_SET = re.compile(r"^(CONFIG_\w+)=(.*)$")
_UNSET = re.compile(r"^# (CONFIG_\w+) is not set$")

NOT_SET = "n"


def parse_config(text: str) -> dict[str, str]:
    """Return option -> value (y, m, n, a number or a quoted string); others are absent."""
    options = {}
    for line in text.splitlines():
        if match := _SET.match(line):
            options[match.group(1)] = match.group(2)
        elif match := _UNSET.match(line):
            options[match.group(1)] = NOT_SET
    return options


def dropped(requested: Mapping[str, str], actual: Mapping[str, str]) -> tuple[str, ...]:
    """Say which requested options `make olddefconfig` did not keep, and what is there instead.

    An option asked to be off is kept when it is off or unknown to this kernel.
    """
    return tuple(
        f"{option}={value} (is {actual.get(option, 'absent')})"
        for option, value in requested.items()
        if actual.get(option, NOT_SET) != value
    )

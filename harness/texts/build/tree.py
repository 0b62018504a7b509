# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel source tree says of itself. Pure."""

import re
from dataclasses import dataclass

from harness.errors import UserError

_FIELD = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *=[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelVersion:
    """The release a kernel's Makefile states."""

    release: str  # 5.15.180
    version: str  # 5.15


def parse_makefile(text: str) -> KernelVersion:
    """Read the release from a kernel's top Makefile.

    Raises UserError when it is not one.
    """
    fields = {name: value.strip() for name, value in _FIELD.findall(text[:4096])}
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= fields.keys():
        raise UserError("its Makefile has no VERSION, PATCHLEVEL and SUBLEVEL")
    version = f"{fields['VERSION']}.{fields['PATCHLEVEL']}"
    return KernelVersion(
        release=f"{version}.{fields['SUBLEVEL']}{fields.get('EXTRAVERSION', '')}", version=version
    )

# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel source tree says of itself. Pure."""

import re
from dataclasses import dataclass

from harness.errors import UserError

# git blob ids of mm/page_alloc.c in upstream's own releases.
UPSTREAM_PAGE_ALLOC = {
    "5.15.180": "c177d3ab3bd04af6157cd063683d04bf680405dd",
}

_FIELD = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *=[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelVersion:
    """The release a kernel's Makefile states."""

    release: str  # 5.15.180
    line: str  # 5.15: what a patch series is written for


def parse_makefile(text: str) -> KernelVersion:
    """Read the release from a kernel's top Makefile.

    Raises UserError when it is not one.
    """
    fields = {name: value.strip() for name, value in _FIELD.findall(text[:4096])}
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= fields.keys():
        raise UserError("its Makefile names no VERSION, PATCHLEVEL and SUBLEVEL")
    line = f"{fields['VERSION']}.{fields['PATCHLEVEL']}"
    return KernelVersion(
        release=f"{line}.{fields['SUBLEVEL']}{fields.get('EXTRAVERSION', '')}", line=line
    )


def is_upstream(release: str, page_alloc_blob: str) -> bool | None:
    """Whether mm/page_alloc.c is upstream's own; None where upstream's blob is not known."""
    known = UPSTREAM_PAGE_ALLOC.get(release)
    return None if known is None else known == page_alloc_blob

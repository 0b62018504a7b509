# SPDX-License-Identifier: GPL-2.0-only
"""A kernel's own list of what to check before a patch is sent. Pure.

Documentation/process/submit-checklist.rst: numbered entries, since 6.1 below titles; the
entries of a) to d) belong to the number above them.
"""

import re
from collections.abc import Iterator

PLACE = "Documentation/process/submit-checklist.rst"
_ENTRY = re.compile(r"^ {0,3}(?:\d+|[a-z])\) +(?=\S)", re.MULTILINE)
_HEADING_WORDS = 3
_TITLE = re.compile(r"^\S.*\n([=~-])\1{3,}$", re.MULTILINE)


def entries(text: str) -> tuple[str, ...]:
    """Return the entries' texts in order, each on one line; empty where there are none."""
    return tuple(_entries(_TITLE.sub("", text)))


def _entries(text: str) -> Iterator[str]:
    found = list(_ENTRY.finditer(text))
    for at, match in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(text)
        words = " ".join(text[match.end() : end].split())
        # A number that only stands above letters says nothing itself.
        if not words.endswith(":") or len(words.split()) > _HEADING_WORDS:
            yield words

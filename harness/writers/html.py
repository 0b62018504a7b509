# SPDX-License-Identifier: GPL-2.0-only
"""What html.j2 needs beside a page to write it as one HTML file. Pure.

The file loads nothing: its style and its script are in it, and its policy allows these two by
their digests and nothing else, so that no text of a guest or a user can become one of them.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from harness.writers.page import Page, Section
from harness.writers.screen import SIGNS
from harness.writers.table import Table
from harness.writers.words import counted

_CODE = re.compile("`([^`]+)`")
# Sixteen hex digits of a key, or all of them: what one copies.
_DIGEST = re.compile("[0-9a-f]{16}|[0-9a-f]{40}|[0-9a-f]{64}")
# What HTML cannot carry, and what would turn the order of the letters around it.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_LARGE_ROWS = 40
_LIST_POINTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """A section with those of a deeper level that follow it."""

    section: Section
    inner: tuple[Section, ...]


def names(page: Page, *, style: str, script: str) -> dict[str, object]:
    """Return all names that the template uses."""
    identifiers = count(1)
    return {
        "page": page,
        "style": style,
        "script": script,
        "policy": policy(style, script),
        "sections": nested(page.sections),
        "signs": {tone.value: sign for tone, sign in SIGNS.items()},
        "kind": lambda block: type(block).__name__,
        "counted": counted,
        "prose": prose,
        "is_digest": lambda text: bool(_DIGEST.fullmatch(text)),
        "is_large": is_large,
        "is_long": lambda points: len(points) > _LIST_POINTS,
        "fresh": lambda: f"i{next(identifiers)}",
    }


def clean(value: object) -> object:
    """Replace in a text what no HTML file can carry or show as it is; leave what is no text."""
    # A str only: what is marked as safe already is of a class of its own.
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", value) if type(value) is str else value


def prose(text: str) -> Iterator[tuple[bool, str]]:
    """Take a text apart at its backticks: whether a part is code, and the part."""
    for at, part in enumerate(_CODE.split(text)):
        if part:
            yield at % 2 == 1, part


def is_large(table: Table) -> bool:
    """Say whether a table is folded until it is asked for."""
    return len(table.rows) > _LARGE_ROWS


def nested(sections: Sequence[Section]) -> tuple[Nested, ...]:
    """Put sections of a deeper level into the one before them."""
    found: list[tuple[Section, list[Section]]] = []
    for each in sections:
        if found and each.level > found[-1][0].level:
            found[-1][1].append(each)
        else:
            found.append((each, []))
    return tuple(Nested(section=one, inner=tuple(inner)) for one, inner in found)


def policy(style: str, script: str) -> str:
    """Return the policy that allows these two by their digests, and nothing else."""
    style_digest, script_digest = (
        base64.b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{style_digest}'; script-src 'sha256-{script_digest}'"
    )

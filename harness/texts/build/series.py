# SPDX-License-Identifier: GPL-2.0-only
"""Patch series: quilt's order file and mails. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from unidiff import PatchSet
from unidiff.errors import UnidiffParseError

from harness.errors import UserError

_TRAILER = re.compile(r"^(Signed-off-by|Reviewed-by|Tested-by|Acked-by):", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One mail of a series."""

    name: str
    subject: str
    touched: tuple[str, ...]  # paths below the kernel tree
    trailers: tuple[str, ...]
    change: str  # the diff, without the message: all that a tree depends on


def parse_series(text: str) -> tuple[str, ...]:
    """Return the patch names of a quilt `series` file in order.

    Raises UserError for a name listed twice.
    """
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    names = tuple(line for line in lines if line)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"series lists {', '.join(twice)} twice; remove one of the lines")
    return names


def parse_patch(name: str, text: str) -> Patch:
    """Read one mail: its subject and the files its diff touches.

    Raises UserError when there is no diff in it.
    """
    try:
        diff = PatchSet(text)
    except UnidiffParseError as error:
        raise UserError(f"{name} is not a readable patch: {error}; export it again") from error
    if not diff:
        raise UserError(f"{name} changes no file; is it cut short? Export it again")
    return Patch(
        name=name,
        subject=_subject(text),
        touched=tuple(sorted({file.path for file in diff})),
        trailers=tuple(match.group(1) for match in _TRAILER.finditer(text)),
        change=str(diff),
    )


def prefix(patches: Sequence[str], upto: str | None) -> tuple[str, ...]:
    """Return the patches up to and including `upto` (a name, its number, or 0 for none).

    Raises UserError when there is no such patch.
    """
    if upto is None:
        return tuple(patches)
    if upto == "0":
        return ()
    for index, name in enumerate(patches, start=1):
        if upto in (name, str(index), name.partition("-")[0]):
            return tuple(patches[:index])
    raise UserError(f"the series has no patch {upto}; it has {', '.join(patches)}")


def _subject(text: str) -> str:
    match = re.search(r"^Subject: (.*(?:\n[ \t].*)*)", text, re.MULTILINE)
    return " ".join(match.group(1).split()) if match else ""

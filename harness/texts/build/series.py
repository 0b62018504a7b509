# SPDX-License-Identifier: GPL-2.0-only
"""Patch series: quilt's order file, and what a mail's message says. Pure."""

import re
from collections import Counter
from collections.abc import Sequence

from harness.errors import UserError

_TRAILER = re.compile(r"^(Signed-off-by|Reviewed-by|Tested-by|Acked-by):", re.MULTILINE)
# git and we strip one folder from each name, as quilt does by itself.
_LEVEL = "-p1"


def parse_series(data: bytes) -> tuple[str, ...]:
    """Return the patch names of a quilt `series` file in order; what follows a # is a remark.

    Raises UserError for a name listed twice and for an option that changes what is applied.
    """
    lines = (line.partition(b"#")[0].split() for line in data.splitlines())
    names = tuple(_name(words) for words in lines if words)
    if twice := sorted(name for name, times in Counter(names).items() if times > 1):
        raise UserError(f"series lists {', '.join(twice)} twice; remove one of the lines")
    return names


def _name(words: list[bytes]) -> str:
    try:
        name, *options = (word.decode() for word in words)
    except UnicodeDecodeError as error:
        raise UserError(
            f"series lists {b' '.join(words)!r}, which is not UTF-8; rename the patch"
        ) from error
    if options not in ([], [_LEVEL]):
        raise UserError(
            f"series gives {name} the options {' '.join(options)}; only {_LEVEL} is known: "
            "refresh the patch (quilt refresh -p1) and reverse it by hand if need be"
        )
    return name


def trailers(message: str) -> tuple[str, ...]:
    """Return the kinds of signature that a message carries."""
    return tuple(match.group(1) for match in _TRAILER.finditer(message))


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

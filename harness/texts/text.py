# SPDX-License-Identifier: GPL-2.0-only
"""Reading saved text without guessing: whole lines, plain decimal numbers, exact keys.

Every parser of this package is total: any text gives a value or a RecordError.
"""

import re
from collections.abc import Iterable

from harness.errors import RecordError

NEXT_STEP = "the saved text is damaged: repeat the run"

# 20 digits hold every unsigned 64-bit value; int() alone also takes "1_0" and Arabic digits.
_NATURAL = re.compile(r"[0-9]{1,20}")
_SHOWN_CHARACTERS = 60
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def shown(text: str) -> str:
    """Return `text` as it may stand in a one-line message."""
    short = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return ascii(short)


def without_credentials(text: str) -> str:
    """Return `text` with what stands before the host's name of an address taken out."""
    return _CREDENTIALS.sub("***@", text)


def damaged(what: str, fact: str) -> RecordError:
    """Return the error that says which text is damaged, how, and what to do."""
    return RecordError(f"{what}: {fact}; {NEXT_STEP}")


def of_another_kernel(what: str, fact: str) -> RecordError:
    """Return the error that says which text no kernel that is read here writes, and what to do."""
    return RecordError(
        f"{what}: {fact}; it is whole, but of a kernel that is not read here: "
        "use 5.15 or newer, with blocks of up to order 10"
    )


def whole_lines(text: str, what: str) -> list[str]:
    """Return the lines of `text`; RecordError if it is empty or its last line is cut."""
    if not text:
        raise damaged(what, "empty")
    if not text.endswith("\n"):
        last = text.rsplit("\n", maxsplit=1)[-1]
        raise damaged(what, f"cut short, the last line {shown(last)} has no end")
    return text[:-1].split("\n")


def natural(word: str, what: str) -> int:
    """Return a decimal number of at least 0; RecordError for anything else."""
    if not _NATURAL.fullmatch(word):
        raise damaged(what, f"{shown(word)} is not a plain decimal number")
    return int(word)


def naturals(line: str, expected: int, what: str) -> tuple[int, ...]:
    """Return exactly `expected` numbers of a line."""
    words = line.split()
    if len(words) != expected:
        raise damaged(what, f"{len(words)} columns where {expected} belong in {shown(line)}")
    return tuple(natural(word, what) for word in words)


def key_values(words: Iterable[str], what: str) -> dict[str, str]:
    """Return `key=value` words as a mapping; RecordError for another form or a key said twice."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise damaged(what, f"{shown(word)} is not key=value")
        if key in found:
            raise damaged(what, f"{shown(key)} is given twice")
        found[key] = value
    return found


def required(values: dict[str, str], key: str, what: str) -> str:
    """Return the value of `key`; RecordError if it is absent or empty."""
    value = values.get(key, "")
    if not value:
        raise damaged(what, f"{key} is absent")
    return value

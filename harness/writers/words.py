# SPDX-License-Identifier: GPL-2.0-only
"""Numbers with the nouns they count, for sentences. Pure."""

_HISSING = ("s", "x", "ch", "sh")


def counted(number: int, noun: str) -> str:
    """Print a number and its noun: of one as it is, of others with the ending of many."""
    ending = "es" if noun.endswith(_HISSING) else "s"
    return f"{number:,} {noun}{'' if number == 1 else ending}"

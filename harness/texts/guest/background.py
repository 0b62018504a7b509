# SPDX-License-Identifier: GPL-2.0-only
"""What goes on beside a burst until it has ended, and how much of it was done."""

from dataclasses import dataclass
from enum import StrEnum

from harness.texts.guest.background_load import parse_background_load
from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

FILE = "background"  # of an arm's directory, by vm/guest/turns/in_turns.sh
OPTION = "--background"  # of the same
FORMAT_LINE = "background 1"
_LINES = 3


class Background(StrEnum):
    """Who uses pages beside a burst, by the words of plans."""

    REQUESTS = "requests"  # small ones of the kernel's (kmod/background_load.c)
    FAULTS = "faults"  # a program touches memory and gives it back
    CACHE_READS = "cache_reads"  # a program reads a file, and drops its pages from the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundDone:
    """How much was done: requests, or pages faulted or read."""

    kind: Background
    done: int
    failures: int | None  # of requests alone; a program that cannot go on fails the arm


def parse_background(text: str) -> BackgroundDone:
    """Parse the whole file; RecordError if it is cut or of no known kind."""
    lines = whole_lines(text, FILE)
    if lines[0] != FORMAT_LINE:
        load = parse_background_load(text)
        return BackgroundDone(kind=Background.REQUESTS, done=load.done, failures=load.failures)
    if len(lines) != _LINES or lines[-1] != "end":
        raise damaged(FILE, f"it has {len(lines)} lines and ends {shown(lines[-1])}")
    values = key_values(lines[1].split(), FILE)
    kind = required(values, "kind", FILE)
    if kind not in {Background.FAULTS, Background.CACHE_READS}:
        raise damaged(FILE, f"{shown(kind)} is nothing that a program does")
    pages = natural(required(values, "pages", FILE), FILE)
    return BackgroundDone(kind=Background(kind), done=pages, failures=None)

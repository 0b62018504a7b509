# SPDX-License-Identifier: GPL-2.0-only
"""What compilers, sparse, checkpatch and patch say of a series, made comparable. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# gcc and sparse name line and column, objtool names a place in a function.
_COMPLAINT = re.compile(
    r"^(?P<path>[^\s:]+)(?::\d+){0,2}: (?P<text>(?:fatal )?(?:warning|error): .*)$", re.MULTILINE
)
_PLACE = re.compile(r"\+0x[0-9a-f]+")
_STYLE = re.compile(
    r"^(?P<path>[^:\n]+):(?P<line>\d{1,9}): (?:ERROR|WARNING|CHECK):(?P<kind>\w+): (?P<text>.*)$",
    re.MULTILINE,
)
# A line of gcc -fstack-usage: file, line and column, function, bytes, kind.
_STACK = re.compile(r"^[^\t\n]*:(?P<function>[^:\t\n]+)\t(?P<size>\d{1,9})\t", re.MULTILINE)
_HUNK = re.compile(r"^Hunk #\d+ succeeded at .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A warning or error, without the line that it is on."""

    path: str  # below the kernel's source
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class StyleComplaint:
    """What checkpatch has against a line of a patch."""

    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.kind}: {self.text}"


def complaints(log: str, source: str) -> tuple[Complaint, ...]:
    """Return what gcc, sparse and objtool say, in order; `source` is how the log calls the tree."""
    prefix = source.rstrip("/") + "/"
    return tuple(
        Complaint(match["path"].removeprefix(prefix), _PLACE.sub("", match["text"]))
        for match in _COMPLAINT.finditer(log)
    )


def new_complaints(
    before: Iterable[Complaint], after: Iterable[Complaint], touched: Iterable[str]
) -> tuple[Complaint, ...]:
    """Return what is complained about after a change and was not before.

    In the files a change touches, each occurrence counts. Others are headers, complained
    about once for every object that includes them: there only what is said counts. What
    is new is returned once.
    """
    old, own = Counter(before), frozenset(touched)
    new = []
    for complaint in after:
        if complaint in old and (complaint.path not in own or old[complaint] > 0):
            old[complaint] -= 1
        else:
            new.append(complaint)
    return tuple(dict.fromkeys(new))


def style_complaints(log: str) -> tuple[StyleComplaint, ...]:
    """Return what `checkpatch.pl --terse --show-types` said."""
    return tuple(
        StyleComplaint(int(match["line"]), match["kind"], match["text"])
        for match in _STYLE.finditer(log)
    )


def displaced_hunks(log: str) -> tuple[str, ...]:
    """Return the lines of GNU patch about hunks that did not apply just where they say."""
    return tuple(match.group(0) for match in _HUNK.finditer(log))


def stacks(usage: str) -> tuple[tuple[str, int], ...]:
    """Return functions and the bytes of their stacks from what gcc -fstack-usage wrote."""
    return tuple((match["function"], int(match["size"])) for match in _STACK.finditer(usage))


def deep_stacks(
    before: Mapping[str, int], after: Mapping[str, int], most_bytes: int
) -> tuple[str, ...]:
    """Name the functions with more than `most_bytes` of stack, and more than they had."""
    return tuple(
        f"{name}: {size} bytes of stack, {before.get(name, 'no such function')} before"
        for name, size in after.items()
        if size > most_bytes and size > before.get(name, 0)
    )

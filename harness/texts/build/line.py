# SPDX-License-Identifier: GPL-2.0-only
"""A kernel line: what the series and the guest need on it alone (patches/lines/LINE). Pure.

line.toml is read into Structs, which refuse a word that is misspelt:

    versions = ["6.1"]            # VERSION.PATCHLEVEL of the kernels it covers
    series = true                 # false: `config` holds, but the series is not made for it
    kernel = "debian:6.1"         # what `fetch` brings for it, where all lines are reviewed
    rules = ["fallback_claims"]   # where its allocator differs (harness.texts.build.rules)

    [[known]]                     # sources whose files are known, by git's blob ids
    release = "6.1.192"
    whose = "Debian"
    blobs."mm/page_alloc.c" = "85b1..."

    [config]                      # added to vm/config/FLAVOUR.config
    guest = '''
    CONFIG_ARCH_RANDOM=y
    '''

    [[rename]]                    # what the series names otherwise, whole words, in this order
    old = "MAX_ORDER"
    new = "NR_PAGE_ORDERS"

Beside it, a NAME.toml for each patch NAME.patch of the series of which a change is another one
on this line (harness.texts.build.edit); a difference of context alone needs none.

A kernel that no line covers is a line of its own without the series: it can be used as it is.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from harness.encoding import UNREADABLE
from harness.errors import UserError
from harness.texts.build.rules import Rule

UPSTREAM = "upstream"
PAGE_ALLOC = "mm/page_alloc.c"


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source that is known by its files."""

    release: str
    whose: str  # UPSTREAM, or who changes and packages it
    blobs: dict[str, str]  # git blob id by path


class Rename(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words of the series, and what this kernel line has for them."""

    old: str
    new: str


class _LineFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    versions: list[str]
    series: bool = True
    kernel: str | None = None
    known: list[Known] = []
    config: dict[str, str] = {}
    refused: dict[str, str] = {}
    rename: list[Rename] = []
    rules: list[Rule] = []


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One kernel line."""

    name: str
    versions: tuple[str, ...]
    series: bool  # whether the series is made for it
    known: tuple[Known, ...]
    config: Mapping[str, str]  # fragment by flavour
    refused: Mapping[str, str] = {}  # flavours that it cannot have, and why
    renames: tuple[Rename, ...] = ()
    rules: tuple[Rule, ...] = ()
    kernel: str | None = None  # a source of it, as `fetch` is asked for one

    def page_alloc_is_upstream(self, release: str, blob: str) -> bool | None:
        """Whether this is upstream's own mm/page_alloc.c; None where upstream's is not known."""
        upstream = [
            each.blobs[PAGE_ALLOC]
            for each in self.known
            if (each.release, each.whose) == (release, UPSTREAM) and PAGE_ALLOC in each.blobs
        ]
        return blob in upstream if upstream else None


def parse_line(name: str, data: bytes) -> Line:
    """Read a line.toml; `name` is that of its folder. UserError if it is none."""
    try:
        file = msgspec.convert(tomllib.loads(data.decode()), type=_LineFile)
    except UNREADABLE as error:
        raise UserError(f"line {name}: line.toml: {error}; correct it") from error
    if not file.versions:
        raise UserError(f"line {name}: line.toml names no versions; say which kernels it covers")
    return Line(
        name=name,
        versions=tuple(file.versions),
        series=file.series,
        known=tuple(file.known),
        config=file.config,
        refused=file.refused,
        renames=tuple(file.rename),
        rules=tuple(file.rules),
        kernel=file.kernel,
    )


def stock_line(version: str) -> Line:
    """Return the line of a kernel of which nothing is known; its name is its version."""
    return Line(
        name=version,
        versions=(version,),
        series=False,
        known=(),
        config={},
        rules=(Rule.NOT_KNOWN,),
    )


def renamed_text(text: str, renames: Sequence[Rename]) -> str:
    """Put a line's own names into lines of the series, or of an edit of it."""
    for each in renames:
        words = re.escape(each.old)
        text = each.new.join(re.split(rf"(?<!\w){words}(?!\w)", text))
    return text


def line_of(version: str, lines: Iterable[Line]) -> Line | None:
    """Return the line that covers `version` (6.1); UserError if two lines do."""
    found = [line for line in lines if version in line.versions]
    if len(found) > 1:
        names = ", ".join(line.name for line in found)
        raise UserError(f"the lines {names} all cover Linux {version}; let one of them do")
    return found[0] if found else None

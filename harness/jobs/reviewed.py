# SPDX-License-Identifier: GPL-2.0-only
"""review: what is under review, and what a gate answers."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.encoding import UNREADABLE, encode
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.git_repo import NOBODY
from harness.host.series import Series
from harness.jobs.export import mails
from harness.report.checklist import State
from harness.stages.patch import patch
from harness.texts.build.additions import Change, File
from harness.values import KernelSource, PatchedTree

TOOL_LIMIT_S = 120.0
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """The series under review and the source it is for."""

    source: KernelSource
    series: Series
    cache: Cache
    basis: str  # digest of the tools and of the code that judge it
    boots: bool = False  # build each prefix whole and boot it
    fresh: bool = False  # take no answer from the cache

    @property
    def patches(self) -> tuple[str, ...]:
        """The names of its patches."""
        return self.series.patches

    def tree(self, upto: str | None = None) -> PatchedTree:
        """Return the source with the series, or a prefix of it, applied."""
        return patch(self.source, self.cache, upto=upto, series=self.series)

    @property
    def touched(self) -> frozenset[str]:
        """The files that the series adds or changes."""
        return frozenset(self.tree().touched)

    def change(self) -> Change:
        """Return the touched files' texts, without and with the series."""
        old, new = self.source.tree, self.tree().tree
        return {name: File(_text(old / name), _text(new / name)) for name in self.touched}

    def recall(self, asked: str, kind: type[_Found]) -> _Found | None:
        """Return what was found for the same question, unless all is to be found anew."""
        text = None if self.fresh else self.cache.recall(asked)
        try:
            return None if text is None else msgspec.json.decode(text, type=kind)
        except UNREADABLE:
            return None

    def remember(self, asked: str, found: object) -> None:
        """Keep what was found, for `recall`."""
        self.cache.remember(asked, encode(found).decode())

    @contextlib.contextmanager
    def mails(self) -> Iterator[Mapping[str, Path]]:
        """Give the patches as they are exported for this source, by name."""
        with self.cache.building("review-mails") as scratch:
            written = mails(
                self.source, self.series, self.cache, author=NOBODY, target=scratch / "mails"
            )
            yield dict(zip(self.patches, written, strict=True))


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace") if path.is_file() else ""


@dataclass(frozen=True, slots=True)
class Findings:
    """A gate's answer: what is wrong, and what else is worth saying.

    Where there is nothing to judge, or nothing to judge it with, `state` and the first note say so.
    """

    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    state: State = State.HELD  # where nothing is wrong


def not_applicable(why: str) -> Findings:
    """Answer that the series has nothing of what the gate is about."""
    return Findings(notes=(why,), state=State.NOT_APPLICABLE)


def not_judged(why: str) -> Findings:
    """Answer that this machine cannot tell."""
    return Findings(notes=(why,), state=State.NOT_JUDGED)


Gate = Callable[[Reviewed], Findings]


def tool_deadline(what: str) -> Deadline:
    """Give a tool that reads a few files its time."""
    return Deadline.after(TOOL_LIMIT_S, what)

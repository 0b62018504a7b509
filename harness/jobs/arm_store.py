# SPDX-License-Identifier: GPL-2.0-only
"""Texts of arms and states in the cache, by their keys: what executed once is not run again.

A key names all that executes (harness.record.key), and arms are repeatable. So an arm of a base
that was judged against before is there, whatever the change is that it is held against now.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.compare.results import packed, unpacked
from harness.host.cache import Cache

_TEXTS = "texts.tar.gz"
_ARMS, _STATES = "arms", "states"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """One entry: how many texts there are."""

    texts: int


class ArmStore:
    """What arms and preparing guests saved, by key."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def arm(self, key: str) -> dict[str, bytes] | None:
        """Return an arm's texts; None if it was not run here."""
        return self._load(_ARMS, key)

    def state(self, key: str) -> dict[str, bytes] | None:
        """Return what a boot's preparing guest saved; None if it was not run here."""
        return self._load(_STATES, key)

    def keep_arm(self, key: str, files: Mapping[str, bytes]) -> None:
        """Keep an arm's texts."""
        self._keep(_ARMS, key, files)

    def keep_state(self, key: str, files: Mapping[str, bytes]) -> None:
        """Keep what a preparing guest saved."""
        self._keep(_STATES, key, files)

    def _load(self, kind: str, key: str) -> dict[str, bytes] | None:
        if self._cache.load(kind, key, _Kept) is None:
            return None
        self._cache.require_unaltered(kind, key, [_TEXTS])
        path = self._cache.entry(kind, key) / _TEXTS
        return unpacked(path.read_bytes(), str(path))

    def _keep(self, kind: str, key: str, files: Mapping[str, bytes]) -> None:
        if self._cache.load(kind, key, _Kept):
            return
        with self._cache.building(kind) as scratch:
            entry = scratch / "entry"
            entry.mkdir()
            (entry / _TEXTS).write_bytes(packed(files))
            self._cache.publish(entry, kind, key, _Kept(texts=len(files)))

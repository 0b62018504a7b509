# SPDX-License-Identifier: GPL-2.0-only
"""The arms of a comparison by column, beside the files that stand for them.

DIR/results.parquet/part-N.parquet    arms as they end; of two rows of an arm the later counts

A file for each arm is what a sweep goes on from; 100,000 of them take a minute to read. So who
gathers takes from here what has such a file. A part that is not there, for the command was killed,
is no loss.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from harness.compare.burst_seen import BurstSeen
from harness.compare.measures import Measure, measured
from harness.compare.outcome import Outcome
from harness.compare.results import ArmResult
from harness.encoding import UNREADABLE
from harness.errors import RecordError
from harness.host import columns
from harness.host.columns import Kind
from harness.record import schema

logger = logging.getLogger("compare")

COLUMNS = "results.parquet"
_OUTCOME, _SEEN = "outcome", "seen"
_NAME = ("state", "burst", "arm", "seed")
_NAMED = {
    "state": Kind.WORD,
    "burst": Kind.WORD,
    "arm": Kind.WORD,
    "seed": Kind.COUNT,
    "key": Kind.TEXT,
    "digest": Kind.TEXT,
}
# For who reads them with another tool: every measure by its name, as plans have it.
_MEASURES = {measure.value: Kind.NUMBER for measure in Measure}
_KINDS = {**_NAMED, **_MEASURES, _OUTCOME: Kind.BYTES, _SEEN: Kind.BYTES}
_ROWS_MAX = 1000  # of a part while the sweep runs
_EVERY_S = 30.0

Name = tuple[str, str, str, int]  # state, burst, arm, seed


@dataclass(slots=True)
class ArmColumns:
    """Writes arms as they end, from any thread."""

    folder: Path  # the comparison's
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _written_s: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, result: ArmResult) -> None:
        """Take one; it is written with others, at most half a minute later."""
        row = _row(result)
        with self._lock:
            self._rows.append(row)
            if len(self._rows) >= _ROWS_MAX or time.monotonic() - self._written_s > _EVERY_S:
                self._flush()

    def close(self) -> None:
        """Write what is left, and make one part of all."""
        with self._lock:
            self._flush()
            parts = _parts(self.folder)
            if len(parts) < 2:  # noqa: PLR2004 - it is one
                return
            try:
                columns.merge(parts, self._next(), _NAME, schema.COMPARISON.number)
            except RecordError as error:
                logger.warning("%s", error)
                return
            for part in parts:
                part.unlink()

    def _flush(self) -> None:
        self._written_s = time.monotonic()
        if self._rows:
            found = {name: [row[name] for row in self._rows] for name in _KINDS}
            columns.write(self._next(), _KINDS, found, schema.COMPARISON.number)
            self._rows.clear()

    def _next(self) -> Path:
        number = max((_number(part) for part in _parts(self.folder)), default=0) + 1
        return self.folder / COLUMNS / f"part-{number:06}.parquet"


def kept_arms(folder: Path) -> dict[Name, ArmResult]:
    """Read all arms that are there by column, without what their guests saw.

    None at all where this host has no pyarrow; a damaged part is told and left out.
    """
    arms: dict[Name, ArmResult] = {}
    decode = msgspec.json.Decoder(Outcome).decode
    for part, found in _read(folder, (*_NAMED, _OUTCOME)):
        try:
            outcomes = [decode(each) for each in found.pop(_OUTCOME)]
        except UNREADABLE as error:
            logger.warning("%s is damaged (%s); its arms' own files are read", part, error)
            continue
        for name, key, digest, outcome in zip(
            _names(found), found["key"], found["digest"], outcomes, strict=True
        ):
            state, burst, arm, seed = name
            arms[name] = ArmResult(
                state=state,
                burst=burst,
                seed=seed,
                arm=arm,
                key=key,
                digest=digest,
                outcome=outcome,
            )
    return arms


def with_seen(
    folder: Path, arms: Mapping[Name, ArmResult], wanted: Collection[Name]
) -> dict[Name, ArmResult]:
    """Return some of the arms with what their guests saw, which is most of what is kept."""
    seen: dict[Name, ArmResult] = {}
    for _, found in _read(folder, (*_NAME, _SEEN), wanted):
        for name, said in zip(_names(found), found[_SEEN], strict=True):
            if name in arms and said is not None:
                picture = msgspec.json.decode(said, type=BurstSeen)
                outcome = replace(arms[name].outcome, seen=picture)
                seen[name] = replace(arms[name], outcome=outcome)
    return seen


def _read(
    folder: Path, names: tuple[str, ...], wanted: Collection[Name] | None = None
) -> Iterator[tuple[Path, dict[str, list[Any]]]]:
    parts = _parts(folder)
    if not parts or not columns.is_there():
        return
    for part in parts:
        try:
            found = columns.read(
                part,
                names,
                schema.COMPARISON.number,
                key=() if wanted is None else _NAME,
                wanted=wanted or (),
            )
        except RecordError as error:
            logger.warning("%s", error)
            continue
        if found is not None:
            yield part, found


def _parts(folder: Path) -> list[Path]:
    return sorted((folder / COLUMNS).glob("part-*.parquet"), key=_number)


def _number(part: Path) -> int:
    digits = part.stem.removeprefix("part-")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _names(found: Mapping[str, list[Any]]) -> Iterator[Name]:
    return zip(*(found[name] for name in _NAME), strict=True)


def _row(result: ArmResult) -> dict[str, Any]:
    outcome = result.outcome
    return {
        "state": result.state,
        "burst": result.burst,
        "arm": result.arm,
        "seed": result.seed,
        "key": result.key,
        "digest": result.digest,
        **{measure.value: measured(measure, outcome) for measure in Measure},
        _OUTCOME: msgspec.json.encode(replace(outcome, seen=None)),
        _SEEN: None if outcome.seen is None else msgspec.json.encode(outcome.seen),
    }

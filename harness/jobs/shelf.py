# SPDX-License-Identifier: GPL-2.0-only
"""What lies in a folder of runs: an entry for each, read from as little as tells it.

Of thousands of folders only small files are read, and the beginning of a report; one that has not
changed is not read again.
"""

import os
import re
import stat
import threading
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.compare.results import ARMS, ASKED, CHANGES, KERNELS, PLAN, RESULTS, STATES
from harness.encoding import UNREADABLE
from harness.errors import RecordError
from harness.host.inside import directory, head_of, write_locks
from harness.jobs.shelf_files import (
    IDENTITY,
    KERNELS_FILE,
    address_of,
    answer,
    decoded,
    is_fresh,
    is_locked,
    kernel_of,
    started,
    time_of,
)
from harness.record import schema
from harness.stages.boot import STATUS_LOG
from harness.stages.check import KEY
from harness.stages.report import RUN_DOCUMENT
from harness.values import CONSOLE_LOG, RAW
from harness.writers.screen import Tone
from harness.writers.site import Entry, Kind, State

_HEAD_BYTES = 64 << 10
_PLAN_NAME = re.compile(rb'^name = "([^"\n]*)"', re.MULTILINE)
_OF_COMPARISON = frozenset({ARMS, ASKED, CHANGES, KERNELS, RESULTS, STATES})
_OF_JUDGEMENT = frozenset({ASKED, CHANGES, "verdict.md"})
_OF_RUN = frozenset({CONSOLE_LOG, KEY, RAW, RUN_DOCUMENT, STATUS_LOG})


@dataclass(slots=True)
class Shelf:
    """A folder, and what is known of what lies in it."""

    folder: Path
    _known: dict[str, tuple[tuple[int, int], Entry]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def entries(self) -> tuple[tuple[Entry, ...], int]:
        """Return all runs, comparisons and judgements, and how many others lie beside them."""
        locks = write_locks()
        with self._lock, directory(self.folder) as root:
            names = sorted(os.listdir(root))  # noqa: PTH208 - a descriptor
            found = [self._entry(root, name, locks) for name in names]
            for gone in self._known.keys() - set(names):
                del self._known[gone]
        here = tuple(one for one in found if one is not None)
        return here, len(found) - len(here)

    def is_itself_a_run(self) -> bool:
        """Whether the folder is what should lie in one."""
        names = {each.name for each in self.folder.iterdir()}
        return bool(names & {KEY, KERNELS, RESULTS}) and not names.isdisjoint({RAW, PLAN})

    def entry(self, name: str) -> Entry | None:
        """Return one of them; None if there is none of that name."""
        try:
            with self._lock, directory(self.folder) as root:
                return self._entry(root, name, write_locks())
        except OSError:
            return None

    def _entry(self, root: int, name: str, locks: Collection[tuple[int, int]]) -> Entry | None:
        try:
            found = os.stat(name, dir_fd=root, follow_symlinks=False)
        except OSError:
            return None  # gone meanwhile
        if stat.S_ISLNK(found.st_mode):
            return _linked(root, name)
        if not stat.S_ISDIR(found.st_mode):
            return None
        form = (found.st_ino, found.st_mtime_ns)
        known = self._known.get(name)
        if known is not None and known[0] == form:
            return known[1]
        entry = _read(self.folder, root, name, found, locks)
        if entry is not None and entry.state is State.FINISHED:
            self._known[name] = (form, entry)
        return entry


def _linked(root: int, name: str) -> Entry | None:
    """Tell of a link to a folder, which is not followed."""
    try:
        is_folder = stat.S_ISDIR(os.stat(name, dir_fd=root).st_mode)
    except OSError:
        return None
    return _broken(name, Kind.RUN, "a symbolic link, which is not followed") if is_folder else None


def _read(
    folder: Path, root: int, name: str, found: os.stat_result, locks: Collection[tuple[int, int]]
) -> Entry | None:
    is_held = (found.st_dev, found.st_ino) in locks
    kind = Kind.RUN
    try:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
        try:
            names = frozenset(os.listdir(handle))  # noqa: PTH208 - a descriptor
            if names & _OF_COMPARISON:
                kind = Kind.JUDGEMENT if names & _OF_JUDGEMENT else Kind.COMPARISON
                return _comparison(
                    folder / name, handle, names, kind=kind, found=found, locks=locks
                )
            if names & _OF_RUN or is_held:
                return _run(name, handle, names, found, is_held=is_held)
        finally:
            os.close(handle)
    except (OSError, RecordError, *UNREADABLE) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _broken(name, kind, what, when=time_of(found.st_mtime))
    return None


def _run(
    name: str, handle: int, names: Collection[str], found: os.stat_result, *, is_held: bool
) -> Entry:
    when = started(handle, names) or time_of(found.st_mtime)
    if KEY not in names:
        is_live = is_held or is_fresh(handle, names, (STATUS_LOG, CONSOLE_LOG, "results.tar"))
        return _unfinished(
            name, Kind.RUN, f"it has no {KEY}: it did not reach its end", when, is_live=is_live
        )
    identity = decoded(handle, KEY, IDENTITY)
    schema.RUN.require(identity.schema, KEY)
    for each in (CONSOLE_LOG, RAW):
        if each not in names:
            raise RecordError(f"it has no {each}; repeat the run")
    tone, word, sentence = answer(handle, names)
    return Entry(
        name=name,
        address=address_of(name),
        kind=Kind.RUN,
        state=State.FINISHED,
        tone=tone,
        word=word,
        sentence=sentence,
        kernel=kernel_of((identity.provenance,)),
        plan=f"{identity.scale}, {identity.key.mode}, seed {identity.key.seed}",
        when=when,
        key=identity.digest,
    )


def _comparison(
    folder: Path,
    handle: int,
    names: Collection[str],
    *,
    kind: Kind,
    found: os.stat_result,
    locks: Collection[tuple[int, int]],
) -> Entry:
    first = next((each for each in (KERNELS, RESULTS) if each in names), None)
    began = os.stat(first, dir_fd=handle, follow_symlinks=False) if first else found
    when = time_of(began.st_mtime)
    plan = kernel = ""
    if PLAN in names:
        told = _PLAN_NAME.search(head_of(handle, PLAN, _HEAD_BYTES))
        plan = told[1].decode(errors="replace") if told else ""
    if KERNELS in names:
        made = decoded(handle, KERNELS, KERNELS_FILE)
        kernel = kernel_of([one.provenance for one in made.kernels if one.provenance is not None])
    is_live = is_locked(folder, locks)
    if is_live or RESULTS not in names:
        why = "no results of it are gathered: it did not reach its end"
        entry = _unfinished(folder.name, kind, why, when, is_live=is_live)
        return replace(entry, plan=plan, kernel=kernel)
    if PLAN not in names:
        raise RecordError(f"it has no {PLAN}; run the comparison again")
    tone, word, sentence = answer(handle, names)
    return Entry(
        name=folder.name,
        address=address_of(folder.name),
        kind=kind,
        state=State.FINISHED,
        tone=tone,
        word=word,
        sentence=sentence,
        kernel=kernel,
        plan=plan,
        when=when,
    )


def _unfinished(name: str, kind: Kind, why: str, when: str, *, is_live: bool) -> Entry:
    state = State.RUNNING if is_live else State.STOPPED
    return Entry(
        name=name,
        address=address_of(name),
        kind=kind,
        state=state,
        tone=Tone.MIXED if is_live else Tone.COST,
        word=state.value,
        sentence="" if is_live else why,
        when=when,
    )


def _broken(name: str, kind: Kind, why: str, *, when: str = "") -> Entry:
    return Entry(
        name=name,
        address=address_of(name),
        kind=kind,
        state=State.BROKEN,
        tone=Tone.BAD,
        word=State.BROKEN.value,
        sentence=why,
        when=when,
    )

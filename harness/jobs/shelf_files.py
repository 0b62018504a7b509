# SPDX-License-Identifier: GPL-2.0-only
"""What single files of a run folder tell in short: of each as little is read as tells it."""

import datetime as dt
import os
import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote_from_bytes

import msgspec

from harness.encoding import UNREADABLE
from harness.errors import RecordError
from harness.host.cache import Cache
from harness.host.inside import head_of, whole
from harness.host.pages import REPORT_HTML
from harness.jobs.comparison import lock_name
from harness.stages.report import RUN_DOCUMENT
from harness.stages.run import HOST_FACTS
from harness.writers.screen import Tone
from harness.writers.site import answer_in

_HEAD_BYTES = 64 << 10
_TAIL_BYTES = 4 << 10
# A guest that says nothing for longer is given up by its harness.
_FRESH_S = 90.0
_VERDICT = re.compile(rb'"verdict": "(\w+)"\s*\}\s*\Z')

_Read = TypeVar("_Read")


class Origin(msgspec.Struct, frozen=True):
    """Where a kernel came from."""

    kernel_release: str
    kernel_origin: str


class Key(msgspec.Struct, frozen=True):
    """What of a replay key is listed."""

    seed: int
    mode: str


class Identity(msgspec.Struct, frozen=True):
    """What of key.json is listed."""

    schema: int
    digest: str
    key: Key
    provenance: Origin
    scale: str


class Kernel(msgspec.Struct, frozen=True):
    """What of a comparison's kernel is listed."""

    provenance: Origin | None = None  # None: of an earlier form, which its report reads


class Kernels(msgspec.Struct, frozen=True):
    """What of kernels.json is listed."""

    schema: int
    kernels: tuple[Kernel, ...]


class Host(msgspec.Struct, frozen=True):
    """What of host.json is listed."""

    started_at: str


IDENTITY, KERNELS_FILE, HOST = (
    msgspec.json.Decoder(Identity),
    msgspec.json.Decoder(Kernels),
    msgspec.json.Decoder(Host),
)


def answer(handle: int, names: Collection[str]) -> tuple[Tone, str, str]:
    """Return the answer of a report, or the verdict alone, or that there is none."""
    if REPORT_HTML in names:
        text = head_of(handle, REPORT_HTML, _HEAD_BYTES).decode(errors="replace")
        if answer := answer_in(text):
            return answer
    if RUN_DOCUMENT in names:
        # The last field of a document whose fields are sorted: the rest is not read.
        found = _VERDICT.search(head_of(handle, RUN_DOCUMENT, _TAIL_BYTES, tail=True))
        if found is None:
            raise RecordError(f"{RUN_DOCUMENT} is cut short; `buddylab report` writes it again")
        holds = found[1] == b"all_checks_hold"
        return (Tone.GOOD, "all checks hold", "") if holds else (Tone.BAD, "a check failed", "")
    return Tone.SAME, "not told", "open its report, which is then made"


def decoded(handle: int, name: str, decoder: "msgspec.json.Decoder[_Read]") -> _Read:
    """Decode a file of JSON; RecordError if it is damaged."""
    try:
        return decoder.decode(whole(handle, name))
    except UNREADABLE as error:
        raise RecordError(f"{name} is damaged ({error})") from error


def started(handle: int, names: Collection[str]) -> str:
    """Return when a run began; empty if nothing tells it."""
    if HOST_FACTS not in names:
        return ""
    try:
        told = dt.datetime.fromisoformat(decoded(handle, HOST_FACTS, HOST).started_at)
        return time_of(told.timestamp())
    except (RecordError, OSError, ValueError, OverflowError):
        return ""  # no part of a run's result


def is_fresh(handle: int, names: Collection[str], files: Collection[str]) -> bool:
    """Whether one of some files was written a moment ago, by whatever machine it was."""
    times = [
        os.stat(each, dir_fd=handle, follow_symlinks=False).st_mtime
        for each in files
        if each in names
    ]
    return bool(times) and abs(time.time() - max(times)) < _FRESH_S


def is_locked(folder: Path, locks: Collection[tuple[int, int]]) -> bool:
    """Whether a comparison holds its lock; one of another cache is not seen."""
    if not locks:
        return False
    try:
        found = (Cache.default().root / "locks" / f"{lock_name(folder)}.lock").stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) in locks


def kernel_of(origins: Collection[Origin]) -> str:
    """Name kernels by release and origin."""
    return "; ".join(
        dict.fromkeys(f"{one.kernel_release} ({one.kernel_origin})" for one in origins)
    )


def address_of(name: str) -> str:
    """Quote a name, which may be of any bytes, as one part of a path."""
    return quote_from_bytes(os.fsencode(name), safe="")


def time_of(seconds: float) -> str:
    """Print a time, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M")

# SPDX-License-Identifier: GPL-2.0-only
"""What a guest that failed leaves for a person: its console, QEMU's own words, its status lines.

Of one that hung also its registers and backtraces (harness/host/standstill.py).

It is gathered as a value, since the guest's folder goes with the boot, and kept where the results
are; the error then names that place.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.host.files import atomic_write
from harness.host.standstill import BACKTRACES, REGISTERS
from harness.stages.boot import QEMU_LOG, STATUS_LOG
from harness.values import CONSOLE_LOG

_NAMES = (CONSOLE_LOG, QEMU_LOG, STATUS_LOG, REGISTERS, BACKTRACES)
# Of a console that was flooded, the end: it is what tells.
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The texts by their names, and where they were while the guest ran."""

    folder: Path
    texts: Mapping[str, bytes]


def gather(folder: Path) -> Evidence:
    """Read what is there; a guest that never started has left nothing."""
    texts = {name: _end_of(folder / name) for name in _NAMES}
    return Evidence(
        folder=folder, texts={name: text for name, text in texts.items() if text is not None}
    )


def keep(evidence: Evidence, place: Path, error: HarnessError) -> None:
    """Write the texts below `place`, and let `error` say that they are there.

    An empty console is kept, too: that the guest said nothing is told by it, and the error
    names it.
    """
    kept = []
    for name, text in evidence.texts.items():
        # What cannot be written is perhaps what failed the guest: it is the error that counts.
        with contextlib.suppress(OSError):
            atomic_write(place / name, text)
            kept.append(name)
    if not kept:
        return
    said = str(error)
    for name in kept:
        said = said.replace(str(evidence.folder / name), str(place / name))
    if str(place) not in said:
        said = f"{said}\n  what the guest and QEMU said: {place}"
    error.args = (said,)


def forget(place: Path) -> None:
    """Remove what an earlier failure left there."""
    for name in _NAMES:
        (place / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it was never made, or holds something of its reader's
        place.rmdir()


def _end_of(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _MOST_BYTES))
            return file.read(_MOST_BYTES)
    except OSError:
        return None

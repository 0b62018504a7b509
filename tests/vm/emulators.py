# SPDX-License-Identifier: GPL-2.0-only
"""Which QEMUs of a run are alive."""

from pathlib import Path


def emulators(folder: Path) -> list[int]:
    """Return the QEMUs whose ports lead into `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"qemu-system" in words and str(folder).encode() in words:
            found.append(int(path.parent.name))
    return found

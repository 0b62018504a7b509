# SPDX-License-Identifier: GPL-2.0-only
"""A run folder of texts that were never a guest's, as it is before it is judged."""

from pathlib import Path

import synthetic_run

from harness.stages.check import save_key

CONSOLE = (
    b"[    0.000000] Linux version 5.15.180 (gcc) #1 SMP\r\n[   40.000000] reboot: Power down\r\n"
)


def write_run(path: Path) -> Path:
    """Write a run folder as it is before it is judged."""
    for stage, files in synthetic_run.whole_run().items():
        for name, content in files.items():
            file = path / "raw" / stage / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    (path / "console.log").write_bytes(CONSOLE)
    save_key(path, synthetic_run.identity())
    return path

# SPDX-License-Identifier: GPL-2.0-only
"""How tests meet a command in the midst of its work, and end it."""

import contextlib
import os
import signal
import subprocess  # noqa: TID251 - the command as a user types it
import time
from collections.abc import Callable
from pathlib import Path

from command_line import LIMIT_S, descendants

from harness.errors import Exit


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once it holds; fail where that takes too long."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def signalled(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send the signal to the harness alone; return what it said, all its children gone."""
    below = descendants(process.pid)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=LIMIT_S)
    assert "Traceback" not in said, said
    assert process.returncode == Exit.INTERRUPTED, said
    wait_for(lambda: not any(Path("/proc", str(pid)).exists() for pid in below))
    return said


def killed_at_once(process: subprocess.Popen[str]) -> None:
    """End a process and all below it such that none sees another end and tidies up."""
    everybody = {process.pid} | descendants(process.pid)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    process.communicate(timeout=LIMIT_S)


def hold(fake_kernel: Path, target: str, mark: Path) -> None:
    """Make the target say that it runs, and then take for ever (with a child of its own)."""
    makefile = fake_kernel / "Makefile"
    text = makefile.read_text()
    line = f'\t@if [ -n "$(BUDDYLAB_HOLD)" ]; then touch {mark}; sleep 600; fi\n'
    changed = text.replace(f"\n{target}:\n\t$(fail)\n", f"\n{target}:\n\t$(fail)\n{line}")
    assert changed != text
    makefile.write_text(changed)

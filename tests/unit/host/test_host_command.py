# SPDX-License-Identifier: GPL-2.0-only
"""What a command said is told of it alone."""

from pathlib import Path

import pytest

from harness.host.command import CommandFailedError, lines_of
from harness.host.deadline import Deadline


def test_a_failed_command_is_told_without_what_others_said_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    deadline = Deadline.after(30.0, "sh")
    assert list(lines_of(["sh", "-c", "echo error: one"], deadline=deadline, log_path=log))
    with pytest.raises(CommandFailedError) as failed:
        list(lines_of(["sh", "-c", "echo two; exit 1"], deadline=deadline, log_path=log))

    assert failed.value.completed.output == "two\n"
    assert "error: one\n" in log.read_text()

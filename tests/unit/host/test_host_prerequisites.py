# SPDX-License-Identifier: GPL-2.0-only
"""doctor: what is missing is listed first, then got by whoever may, else told."""

import logging
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.errors import Exit
from harness.host import prerequisites
from harness.host.prerequisites import Need

ABSENT = Need(package="gizmo", program="no-such-program-here", why="turns the handle")


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "NEEDS", (ABSENT,))


def _program(directory: Path, name: str, text: str) -> None:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.usefixtures("lacking")
def test_without_root_or_sudo_the_line_is_printed_and_nothing_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _program(tmp_path / "bin", "apt-get", f"touch {tmp_path}/tried")
    _program(tmp_path / "bin", "sudo", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert main(["doctor", "--install"]) == Exit.HOST
    assert "as root: apt-get install --no-install-recommends gizmo" in caplog.text
    assert not (tmp_path / "tried").exists()


@pytest.mark.usefixtures("lacking", "cache")
def test_root_installs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    got = tmp_path / "bin/no-such-program-here"
    log = tmp_path / "log"
    _program(tmp_path / "bin", "apt-get", f'echo "$@" >> {log}; ln -sf /bin/true {got}')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)

    with caplog.at_level(logging.INFO):
        assert main(["doctor", "--install"]) == Exit.OK
    assert log.read_text().splitlines() == [
        "-q update",
        "install --yes -q --no-install-recommends gizmo",
    ]
    assert caplog.text.index("missing: gizmo") < caplog.text.index("installing: gizmo")
    assert "installed: gizmo\nQEMU " in capsys.readouterr().out


@pytest.mark.usefixtures("lacking")
def test_installation_that_changes_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _program(tmp_path / "bin", "apt-get", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)

    assert main(["doctor", "--install"]) == Exit.HOST
    assert "still missing after the installation: gizmo" in caplog.text

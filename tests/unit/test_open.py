# SPDX-License-Identifier: GPL-2.0-only
"""open: shows what is there, writes what an earlier version did not, refuses the rest."""

import shutil
from pathlib import Path

import pytest
from saved_folder import write_run

from harness.cli.main import main
from harness.compare.results import RESULTS
from harness.errors import Exit

KEPT = min(Path("docs/results").glob("*/" + RESULTS), key=lambda path: path.stat().st_size).parent


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that writes down what it is to show."""
    program, seen = tmp_path / "browser", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\necho "$1" >>{seen}\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    return seen


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)


def test_a_comparison_of_an_earlier_version_gets_its_file_and_is_shown(
    tmp_path: Path, browser: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(KEPT, tmp_path / "kept")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert main(["open", str(folder)]) == Exit.OK
    path = folder / "report.html"
    assert capsys.readouterr().out == f"{path}\n"
    assert browser.read_text() == f"{path.as_uri()}\n"
    assert "<h1>Comparison: " in path.read_text()
    path.unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.usefixtures("nothing")
def test_a_run_is_judged_where_it_has_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = write_run(tmp_path / "run")

    assert main(["open", str(folder)]) == Exit.OK
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    assert "all checks hold" in (folder / "report.html").read_text()
    assert "no browser here" in caplog.text
    assert not (folder / "report.md").exists()


@pytest.mark.usefixtures("nothing")
def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "report.html").write_text("mine")

    assert main(["open", str(folder)]) == Exit.OK
    assert (folder / "report.html").read_text() == "mine"


@pytest.mark.usefixtures("nothing")
def test_a_folder_of_something_else_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["open", str(tmp_path)]) == Exit.USAGE
    assert main(["open", str(tmp_path / "absent")]) == Exit.USAGE
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []

# SPDX-License-Identifier: GPL-2.0-only
"""check and report on a saved folder: whole, or cut short in every way; never a false pass."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_run
from saved_folder import write_run

from harness.cli.main import main
from harness.errors import Exit, RecordError
from harness.stages.check import check, read_identity, save_key

REPORTS = ("run.json", "report.md", "report.html", "junit.xml", "run.ktap")
STAGES = [name for name, _command in synthetic_run.STAGES]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that every test copies: judging it takes longer."""
    path = write_run(tmp_path_factory.mktemp("reported") / "run")
    assert main(["report", str(path)]) == Exit.OK
    return path


@pytest.fixture
def folder(tmp_path: Path, reported: Path) -> Path:
    """A run folder as `buddylab run` leaves it, reports and all."""
    return shutil.copytree(reported, tmp_path / "run")


def test_whole_folder_holds_and_nothing_is_written_by_check(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    assert main(["check", str(folder)]) == Exit.OK
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_report_writes_the_same_again(folder: Path) -> None:
    texts = {name: (folder / name).read_bytes() for name in REPORTS}
    for name in texts:
        (folder / name).unlink()

    assert main(["report", str(folder)]) == Exit.OK
    assert {name: (folder / name).read_bytes() for name in texts} == texts


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 2}, "its digest [0-9a-f]{64} is not of its key"),
        ({"seed": -1}, "seed is -1"),
        ({"memory_mib": 0}, "memory_mib is 0"),
        ({"icount_shift": 11}, "icount_shift is 11"),
        ({"vmlinux_digest": "none"}, "vmlinux_digest is 'none'"),
        ({"plan": ("verify\t-\t-\t60\t0\ttrue",)}, "its key is not of its stages"),
    ],
)
def test_a_key_of_no_run_is_refused(
    folder: Path, change: dict[str, object], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the sums beside it, and the key's own digest, were made to fit."""
    identity = read_identity(folder)
    key = replace(identity.key, **change)  # type: ignore[arg-type]
    digest = identity.digest if change == {"seed": 2} else key.digest
    save_key(folder, replace(identity, key=key, digest=digest))

    assert main(["check", str(folder)]) == Exit.STAGE
    assert re.search(f"key.json was altered: {said}", caplog.text)


def refuses(folder: Path, capsys: pytest.CaptureFixture[str], *verbs: str) -> None:
    """Neither verb passes the folder, and `report` writes no report about it."""
    for name in REPORTS:
        if "report" in verbs:
            (folder / name).unlink(missing_ok=True)
    for verb in verbs:
        capsys.readouterr()
        assert main([verb, str(folder)]) == Exit.STAGE
        assert capsys.readouterr().out == ""
    if "report" in verbs:
        assert not (folder / "run.json").exists()
        assert not (folder / "report.md").exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def garble(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + path.read_bytes())


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


DAMAGES = [cut, empty, alter, garble, remove]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize(
    "name",
    [
        "key.json",
        "console.log",
        "raw/verify/output",
        "raw/baseline/sha256sums",
        "raw/stress_ng/exit_status",
        "raw/high_order_final/after/buddy_monitor",
        "raw/high_order_final/records",
    ],
)
def test_damaged_file_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Callable[[Path], None]
) -> None:
    damage(folder / name)

    with pytest.raises(RecordError) as caught:
        check(folder)
    assert Path(name).parts[-1 if name.count("/") != 2 else 1] in str(caught.value)
    refuses(folder, capsys, "check", "report")


@pytest.mark.parametrize("name", ["raw", *(f"raw/{stage}" for stage in STAGES)])
def test_missing_stage_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    remove(folder / name)

    with pytest.raises(RecordError, match=r"the stage is absent; repeat the run"):
        check(folder)
    refuses(folder, capsys, "check", "report")


def test_stage_of_another_run_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(folder / "raw/baseline", folder / "raw/extra")

    refuses(folder, capsys, "check", "report")


@pytest.mark.parametrize("damage", [cut, empty, garble], ids=lambda damage: damage.__name__)
def test_damaged_run_document_is_an_error_until_it_is_written_again(
    folder: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    damage(folder / "run.json")

    with pytest.raises(RecordError, match=r"(?s)run\.json.*`buddylab report"):
        check(folder)
    refuses(folder, capsys, "check")
    assert main(["report", str(folder)]) == Exit.OK
    assert main(["check", str(folder)]) == Exit.OK


@pytest.mark.parametrize("live", [True, False], ids=["live", "repeatable"])
def test_interrupted_run_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], *, live: bool
) -> None:
    """What a run leaves that was ended in its second stage: live, and repeatable."""
    left = ["key.json", *(f"raw/{stage}" for stage in STAGES[1:])] if live else ["key.json", "raw"]
    for name in left:
        remove(folder / name)

    with pytest.raises(RecordError, match=r"no key\.json: the run did not reach its end; repeat"):
        check(folder)
    refuses(folder, capsys, "check", "report")


@pytest.mark.parametrize("kind", ["absent", "file", "empty"])
def test_no_run_folder_at_all(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "file":
        path.write_text("")
    elif kind == "empty":
        path.mkdir()

    for verb in ("check", "report"):
        assert main([verb, str(path)]) == Exit.USAGE
    assert not path.is_dir() or list(path.iterdir()) == []

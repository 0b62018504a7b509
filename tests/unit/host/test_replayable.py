# SPDX-License-Identifier: GPL-2.0-only
"""Run folders that are to be replayed: whole, repeatable, and with what executed at hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_run
from saved_folder import CONSOLE, write_run

from harness.cli.main import main
from harness.errors import Exit, RecordError, UserError
from harness.host.cache import Cache
from harness.jobs.replayable import cached, guest_command, saved_run
from harness.record import schema
from harness.record.key import run_identity
from harness.stages.check import save_key
from harness.stages.fetch import name_of
from harness.values import RunMode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = write_run(tmp_path / "run")
    (path / "status.log").write_bytes(b"buddylab done exit=0\n")
    return path


def test_a_whole_folder_is_taken_with_all_that_its_guest_said(folder: Path) -> None:
    it = saved_run(folder)
    assert it.title == "run of scale small, seed 1"
    assert it.identity == synthetic_run.identity()
    assert it.texts is not None
    assert it.texts["console.log"] == CONSOLE
    assert it.expected.files.keys() == it.texts.keys()
    assert {name.partition("/")[0] for name in it.texts} == {"console.log", "status.log", "raw"}


def test_texts_that_no_parser_of_today_reads_are_replayed_as_well(folder: Path) -> None:
    """A run is held to its bytes, not to what they mean."""
    stage = folder / "raw/baseline"
    files = {path.relative_to(stage).as_posix(): path.read_bytes() for path in stage.rglob("*/*")}
    top = {path.name: path.read_bytes() for path in stage.iterdir() if path.is_file()}
    files |= top | {"before/vmstat": b"of another kernel\n"}
    for name, content in synthetic_run.with_sums(files).items():
        (stage / name).write_bytes(content)
    assert main(["check", str(folder)]) == Exit.STAGE
    assert saved_run(folder).texts


def altered(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize("harm", [Path.unlink, altered])
@pytest.mark.parametrize(
    "name", ["console.log", "key.json", "raw/baseline/before/vmstat", "raw/verify/sha256sums"]
)
def test_a_folder_that_is_not_whole_is_refused(
    folder: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(folder / name)
    with pytest.raises(RecordError):
        saved_run(folder)


def test_a_folder_without_status_or_of_something_else_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "status.log").unlink()
    with pytest.raises(RecordError, match="has no status.log"):
        saved_run(folder)
    (tmp_path / "thesis").mkdir()
    with pytest.raises(UserError, match="is not a run folder"):
        saved_run(tmp_path / "thesis")


def test_a_live_run_is_refused(folder: Path) -> None:
    key = replace(synthetic_run.key(), mode=RunMode.LIVE)
    identity = run_identity(key, synthetic_run.provenance(), synthetic_run.planned(), scale="small")
    save_key(folder, identity)
    with pytest.raises(RecordError, match="is of a live run, which cannot be repeated"):
        saved_run(folder)


@pytest.mark.parametrize("verb", ["replay", "bundle"])
def test_what_is_not_in_the_cache_is_told_with_what_makes_it(
    folder: Path, cache: Cache, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    assert cached(synthetic_run.key(), cache) is None
    assert main([verb, str(folder)]) == Exit.USAGE
    made = synthetic_run.provenance()
    assert f"commit {made.project_commit} of this project makes them again" in caplog.text
    command = f"buddylab guest --counters percpu --upto {made.patches[-1]} --kernel 5.15.180"
    assert command in caplog.text


def test_a_kernel_of_a_repository_is_told_with_its_commit() -> None:
    made = replace(synthetic_run.provenance(), kernel_origin=f"local commit {'ab' * 20}")

    command = guest_command(made, name_of(made.kernel_origin))
    assert (
        f" --kernel DIR@{'ab' * 20}  (a source whose digest is {made.source_digest[:16]})"
        in command
    )


def test_a_run_of_an_earlier_schema_names_the_commit_that_reads_it(folder: Path) -> None:
    number = f'"schema": {schema.RUN.number}'
    text = (folder / "key.json").read_text()
    assert number in text
    (folder / "key.json").write_text(text.replace(number, '"schema": 1', 1))
    with pytest.raises(RecordError, match="schema 1, .* commit c3e457c of this project reads it"):
        saved_run(folder)

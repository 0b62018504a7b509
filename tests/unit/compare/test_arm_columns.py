# SPDX-License-Identifier: GPL-2.0-only
"""Arms by column are those of their own files, whatever was cut short or damaged."""

from dataclasses import replace
from pathlib import Path

import fake_guest
import pytest
from pretended_comparison import TEXT, SavedTexts, compared

from harness.compare.drawn import without_undrawn
from harness.compare.plan_text import parse_plan
from harness.compare.results import ArmResult, Results, parse_results, placed
from harness.encoding import encode
from harness.host import columns
from harness.host.files import atomic_write
from harness.jobs import comparison
from harness.jobs.arm_columns import COLUMNS, ArmColumns, kept_arms
from harness.jobs.comparison import result_path

pytest.importorskip("pyarrow")
_DRAWN = Path(__file__).parents[3] / "docs/results/machines-2-7.3/results.json.gz"
# What some guest saw of its burst.
SEEN = next(
    one.outcome.seen
    for one in parse_results(_DRAWN.read_bytes(), str(_DRAWN)).arms
    if one.outcome.seen
)


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Results:
    fake_guest.install(monkeypatch, tmp_path, "good")
    return compared(tmp_path, SavedTexts(tmp_path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def add(folder: Path, arms: tuple[ArmResult, ...], each: int) -> None:
    """Write a part of every so many arms, as a sweep does that takes long."""
    for at in range(0, len(arms), each):
        written = ArmColumns(folder)
        for arm in arms[at : at + each]:
            written.add(arm)
        written._flush()


def gathered(folder: Path, results: Results) -> Results:
    return comparison.gathered(folder, parse_plan(TEXT, "small"), results.kernels)


def parts(folder: Path) -> list[Path]:
    return sorted((folder / COLUMNS).iterdir())


def test_arms_come_by_column_as_from_their_files(folder: Path, results: Results) -> None:
    for run, arm in placed(results):
        outcome = replace(arm.outcome, seen=SEEN)
        atomic_write(result_path(folder, run), encode(replace(arm, outcome=outcome)))
    here = gathered(folder, results)
    drawn = [one.outcome.seen for one in without_undrawn(here).arms]
    assert 0 < sum(one is not None for one in drawn) < len(drawn)
    add(folder, here.arms, 4)
    assert len(parts(folder)) == 2

    assert without_undrawn(gathered(folder, results)) == without_undrawn(here)
    ArmColumns(folder).close()
    assert len(parts(folder)) == 1
    assert without_undrawn(gathered(folder, results)) == without_undrawn(here)


def test_what_has_a_column_is_not_read_from_its_file(folder: Path, results: Results) -> None:
    add(folder, results.arms, 6)
    for path in (folder / "arms").rglob("*.json"):
        path.write_text("not read")

    assert gathered(folder, results).arms == results.arms


def test_what_is_in_no_part_is_read_from_its_file(folder: Path, results: Results) -> None:
    add(folder, results.arms[:2], 2)

    assert gathered(folder, results).arms == results.arms


def test_an_arm_whose_file_was_removed_is_to_be_run_again(folder: Path, results: Results) -> None:
    add(folder, results.arms, 6)
    first = next(iter(sorted((folder / "arms").rglob("*.json"))))
    first.unlink()

    assert len(gathered(folder, results).arms) == len(results.arms) - 1


def test_the_later_of_two_rows_counts(folder: Path, results: Results) -> None:
    add(folder, (replace(results.arms[0], digest="before"), *results.arms), 1)
    for _ in range(2):
        assert {one.digest for one in kept_arms(folder).values()} == {
            one.digest for one in results.arms
        }
        ArmColumns(folder).close()
    assert len(parts(folder)) == 1


def test_a_damaged_part_is_told_and_no_loss(
    folder: Path, results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    add(folder, results.arms, 3)
    parts(folder)[0].write_bytes(b"PAR1")

    assert gathered(folder, results).arms == results.arms
    assert "is damaged" in caplog.text
    assert "remove it" in caplog.text
    ArmColumns(folder).close()  # what is whole stays as it is
    assert len(parts(folder)) == 2


def test_without_pyarrow_the_files_are_read(
    folder: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(folder, results.arms, 6)
    monkeypatch.setattr(columns, "is_there", lambda: False)

    assert kept_arms(folder) == {}
    assert gathered(folder, results).arms == results.arms


def test_a_table_of_another_form_is_not_read(tmp_path: Path) -> None:
    kinds = {"name": columns.Kind.WORD, "value": columns.Kind.NUMBER}
    path = tmp_path / "a.parquet"
    columns.write(path, kinds, {"name": ["a", "b"], "value": [1.5, None]}, 3)

    assert columns.read(path, ("name", "value"), 3) == {"name": ["a", "b"], "value": [1.5, None]}
    assert columns.read(path, ("value",), 4) is None
    found = columns.read(path, ("name", "value"), 3, key=("name",), wanted={("b",)})
    assert found == {"name": ["b"], "value": [None]}

# SPDX-License-Identifier: GPL-2.0-only
"""The shipped JSON Schemas: made from the code, and true of what is written."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import synthetic_run
from saved_folder import write_run
from valid_json import SCHEMAS, faults

from harness.cli.main import main
from harness.cli.schemas import DOCUMENTS, schema_text
from harness.cli.verbs.schema import NAMES
from harness.compare.results import parse_results
from harness.encoding import encode
from harness.errors import Exit

SMALLEST = min(Path("docs/results").glob("*/results.json.gz"), key=lambda one: one.stat().st_size)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_made_from_the_code(name: str, golden: Callable[[str, str], None]) -> None:
    text = schema_text(name)

    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    golden(str(SCHEMAS / f"{name}.json"), text)


def test_each_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(NAMES) == sorted(DOCUMENTS) == sorted(one.stem for one in SCHEMAS.glob("*"))
    for name in NAMES:
        assert main(["schema", name]) == Exit.OK
        assert capsys.readouterr().out == (SCHEMAS / f"{name}.json").read_text()


def test_a_run_is_as_its_schema_says() -> None:
    assert faults("run", json.loads(synthetic_run.document())) == []


def test_a_key_is_as_its_schema_says(tmp_path: Path) -> None:
    assert faults("key", json.loads((write_run(tmp_path / "run") / "key.json").read_text())) == []


def test_results_are_as_their_schema_says() -> None:
    whole = json.loads(encode(parse_results(SMALLEST.read_bytes(), "it")))

    assert faults("results", whole) == []
    assert faults("results", spoil(whole, "arms.0.seed", "one")) != []
    assert faults("results", spoil(whole, "plan", None)) != []


def spoil(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Put a value where `path` leads; None takes away what is there."""
    spoilt = copy.deepcopy(document)
    *way, last = path.split(".")
    place: Any = spoilt
    for each in way:
        place = place[int(each)] if each.isdigit() else place[each]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return spoilt


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", 1),
        ("verdict", "perhaps"),
        ("key", None),
        ("key.cpus", "one"),
        ("stages.0.exit_status", None),
        ("stages.0.before.free", {}),
        ("checks.0.status", "skipped"),
        ("checks.0.details", "text"),
    ],
)
def test_a_run_that_is_broken_is_not(path: str, value: object) -> None:
    whole = json.loads(synthetic_run.document())

    assert faults("run", spoil(whole, path, value)) != []

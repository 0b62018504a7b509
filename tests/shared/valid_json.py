# SPDX-License-Identifier: GPL-2.0-only
"""Whether JSON is what its schema promises."""

import json
from pathlib import Path

import jsonschema

SCHEMAS = Path(__file__).parents[2] / "harness/schemas"


def faults(name: str, document: object) -> list[str]:
    """Return where a document is not as harness/schemas/NAME.json says, and why."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{one.json_path}: {one.message}" for one in validator.iter_errors(document)]

# SPDX-License-Identifier: GPL-2.0-only
"""JSON Schemas (draft 2020-12) of what programs read, made from the values that are written.

They lie in harness/schemas, where `buddylab schema` and others find them; a test compares.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.cli.compared import CompareAnswer
from harness.cli.judged import JudgeAnswer
from harness.compare.results import Results
from harness.record import schema as numbers
from harness.record.key import RunIdentity
from harness.report.document import Run

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Document:
    """Something that is written as JSON: its type, and the number of its form, if it has one."""

    kind: type
    what: str
    number: int | None = None


DOCUMENTS: Mapping[str, Document] = {
    "run": Document(Run, "run.json of a run folder", numbers.RUN.number),
    "key": Document(RunIdentity, "key.json of a run folder", numbers.RUN.number),
    "results": Document(Results, "results.json.gz of a comparison, unpacked"),
    "compare": Document(CompareAnswer, "what `compare --json` prints"),
    "judge": Document(JudgeAnswer, "what `judge --json` prints"),
}


def schema_text(name: str) -> str:
    """Return a document's schema as it is kept."""
    one = DOCUMENTS[name]
    made: dict[str, Any] = msgspec.json.schema(one.kind, schema_hook=_path)
    if one.number is not None:
        # A file of another form is not read as one of this.
        made["$defs"][one.kind.__name__]["properties"]["schema"] = {"const": one.number}
    whole = {"$schema": _DRAFT, "title": one.what, **made}
    return json.dumps(whole, indent=1, sort_keys=True) + "\n"


def _path(kind: type) -> dict[str, Any]:
    if issubclass(kind, Path):
        return {"type": "string"}
    raise NotImplementedError(kind)

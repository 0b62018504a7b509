# SPDX-License-Identifier: GPL-2.0-only
"""Read a machine's texts, and the shapes that states were measured to have."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.compare.nearest_state import (
    MEASURED_SCHEMA,
    MeasuredState,
    MeasuredStates,
    measured_in,
    parse_measured,
)
from harness.compare.results import RESULTS, parse_results
from harness.compare.shape import Shape, shape_of
from harness.errors import RecordError, UserError
from harness.host.assets import asset
from harness.host.files import atomic_write
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.file_pages import parse_file_pages
from harness.texts.proc.pagetypeinfo import parse_pagetypeinfo
from harness.texts.text import NEXT_STEP

MEASURED = "states/measured.json"
_INSTEAD = "give the whole texts of one machine"
_Value = TypeVar("_Value")


def measured_states() -> MeasuredStates:
    """Read the shapes that come with the project."""
    path = asset("vm") / MEASURED
    return parse_measured(path.read_bytes(), str(path))


def shape_from(types: Path, free: Path | None, zones: Path | None) -> Shape:
    """Read a machine's texts; UserError says which of them cannot be used."""
    pagetypeinfo = _read(types, parse_pagetypeinfo)
    buddyinfo = _read(free, parse_buddyinfo) if free else None
    cache = _read(zones, parse_file_pages) if zones else None
    try:
        return shape_of(pagetypeinfo, buddyinfo, cache)
    except RecordError as error:
        raise UserError(str(error)) from error


def measure(folders: Sequence[Path]) -> Path:
    """Write the shapes that comparisons' states had; where two have a state, the later one's."""
    states: dict[str, MeasuredState] = {}
    for folder in folders:
        path = folder / RESULTS
        if not path.exists():
            raise UserError(f"{path} is absent; name the folders of whole comparisons")
        states |= measured_in(parse_results(path.read_bytes(), str(path)))
    if not states:
        raise UserError(f"no state of make_state.sh is in {', '.join(map(str, folders))}")
    in_order = tuple(states[name] for name in sorted(states))
    measured = MeasuredStates(schema=MEASURED_SCHEMA, states=in_order)
    path = asset("vm") / MEASURED
    path.parent.mkdir(exist_ok=True)
    atomic_write(path, msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n")
    return path


def _read(path: Path, parse: Callable[[str], _Value]) -> _Value:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); {_INSTEAD}") from error
    try:
        return parse(text)
    except RecordError as error:
        raise UserError(
            f"{path}: {str(error).removesuffix(f'; {NEXT_STEP}')}; {_INSTEAD}"
        ) from error

# SPDX-License-Identifier: GPL-2.0-only
"""Tables by column in Parquet files: what 100,000 rows are read from in a second.

pyarrow is of the extra `cluster`; who has none of it asks `is_there` and goes without.
"""

import importlib.util
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.errors import RecordError
from harness.host.files import atomic_write

_FORM = b"buddylab"


class Kind(StrEnum):
    """What a column holds; all but a word may be absent."""

    WORD = "word"  # one of few
    TEXT = "text"
    COUNT = "count"
    NUMBER = "number"
    BYTES = "bytes"


def is_there() -> bool:
    """Whether this host can write and read them."""
    return importlib.util.find_spec("pyarrow") is not None


def write(
    path: Path, kinds: Mapping[str, Kind], columns: Mapping[str, Sequence[Any]], form: int
) -> None:
    """Write a table whole or not at all; `form` is the number of what its columns mean."""
    import pyarrow as pa  # noqa: PLC0415, TID251 - of the extra

    types = {
        Kind.WORD: pa.dictionary(pa.int32(), pa.string()),
        Kind.TEXT: pa.string(),
        Kind.COUNT: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.BYTES: pa.binary(),
    }
    schema = pa.schema(
        [pa.field(name, types[kind]) for name, kind in kinds.items()],
        metadata={_FORM: str(form).encode()},
    )
    _write(path, pa.table({name: list(columns[name]) for name in kinds}, schema=schema))


def read(
    path: Path,
    names: Sequence[str],
    form: int,
    *,
    key: Sequence[str] = (),
    wanted: Collection[tuple[Any, ...]] = (),
) -> dict[str, list[Any]] | None:
    """Read some columns, with `key` of the rows alone whose words in it are `wanted`.

    None for a table of another form. RecordError if it is damaged.
    """
    import pyarrow as pa  # noqa: PLC0415, TID251 - of the extra

    table = _read(path, form, names)
    if table is None:
        return None
    if key:
        table = table.filter(pa.array(row in wanted for row in _rows(table, key)))
    return {name: table.column(name).to_pylist() for name in names}


def merge(parts: Sequence[Path], path: Path, names: Sequence[str], form: int) -> None:
    """Write one table of several; of rows that are alike in `names` the last counts.

    Tables of another form are left out. RecordError for a damaged one.
    """
    import pyarrow as pa  # noqa: PLC0415, TID251 - of the extra

    found = [table for part in parts if (table := _read(part, form, None)) is not None]
    if not found:
        return
    table = pa.concat_tables(found)
    last = {row: number for number, row in enumerate(_rows(table, names))}
    kept = set(last.values())
    # A filter, not a list of rows: that would join all bytes of a column to one piece.
    _write(path, table.filter(pa.array(number in kept for number in range(table.num_rows))))


def _read(path: Path, form: int, names: Sequence[str] | None) -> Any:
    import pyarrow as pa  # noqa: PLC0415, TID251 - of the extra
    from pyarrow import parquet  # noqa: PLC0415, TID251 - of the extra

    try:
        with parquet.ParquetFile(path) as file:
            if (file.schema_arrow.metadata or {}).get(_FORM) != str(form).encode():
                return None
            return file.read(columns=None if names is None else list(names))
    except (OSError, pa.ArrowException) as error:
        raise RecordError(
            f"{path} is damaged ({error}); remove it: what it had is in its arms' own files"
        ) from error


def _rows(table: Any, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(table.column(name).to_pylist() for name in names), strict=True)


def _write(path: Path, table: Any) -> None:
    from pyarrow import parquet  # noqa: PLC0415, TID251 - of the extra

    packed = io.BytesIO()
    parquet.write_table(table, packed, compression="zstd")
    atomic_write(path, packed.getvalue())

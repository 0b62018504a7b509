# SPDX-License-Identifier: GPL-2.0-only
"""What a guest sends is not trusted: damaged headers and odd names are refused in words."""

import contextlib
import io
import tarfile
from pathlib import Path

import pytest

from harness.errors import RecordError
from harness.host.results import members_below, unpack


def stream(name: str, headers: dict[str, str] | None = None) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.size = 1
        member.pax_headers = headers or {}
        archive.addfile(member, io.BytesIO(b"x"))
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    ("name", "headers", "said"),
    [
        ("arm/" + "x" * 300, None, "outside of its stages; refused"),
        ("arm/output", {"GNU.sparse.map": "0,x"}, "cut short or damaged"),
        ("arm/output", {"size": "1" + "0" * 30}, "and 1000000000000000000000000000000 bytes"),
    ],
)
def test_what_no_guest_of_ours_sends_is_refused(
    tmp_path: Path, name: str, headers: dict[str, str] | None, said: str
) -> None:
    with pytest.raises(RecordError, match=said):
        unpack(stream(name, headers), ("arm",), tmp_path)
    assert list(tmp_path.rglob("*")) == []


def test_a_file_of_holes_is_refused_before_it_is_written(tmp_path: Path) -> None:
    """It may be longer than the disk, and comes in one block."""
    sparse = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": "100000000"}
    with pytest.raises(RecordError, match="only regular files"):
        unpack(stream("arm/output", sparse | {"GNU.sparse.map": "0,1"}), ("arm",), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("headers", [{"GNU.sparse.map": "0,x"}, {"size": "-5"}])
def test_what_comes_in_advance_is_no_more_trusted(headers: dict[str, str]) -> None:
    found: dict[str, bytes] = {}
    # Python 3.13's tarfile passes over a header with a negative size.
    with contextlib.suppress(RecordError):
        found = members_below(stream("arm/before/vmstat", headers), "arm/before")
    assert found == {}

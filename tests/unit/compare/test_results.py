# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a comparison, and how two runs of one arm are held together."""

import gzip
import tracemalloc

import pytest

from harness.compare import results
from harness.compare.outcome import BackgroundLoad
from harness.compare.results import (
    differing_fields,
    first_difference,
    packed,
    parse_results,
    unpacked,
)
from harness.encoding import gunzipped
from harness.errors import RecordError
from harness.record.schema import COMPARISON

FILES = {"after/vmstat": b"a 1\nb 2\n", "records": b"x\n"}


def test_packing_keeps_all_bytes_and_adds_none_of_its_own() -> None:
    assert unpacked(packed(FILES), "it") == FILES
    assert packed(FILES) == packed(dict(reversed(FILES.items())))


def test_damage_is_told() -> None:
    with pytest.raises(RecordError, match="it is damaged"):
        unpacked(packed(FILES)[:-9], "it")
    with pytest.raises(RecordError, match="it is damaged"):
        parse_results(b"{}", "it")
    for text in (b"{}", b'{"schema": %d}' % COMPARISON.number):
        with pytest.raises(RecordError, match="it is damaged"):
            parse_results(gzip.compress(text), "it")
        with pytest.raises(RecordError, match="it is damaged"):
            parse_results(gzip.compress(text)[:-6], "it")


def test_no_more_is_unpacked_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 64 KiB that is 64 MiB unpacked takes no more memory than what is allowed."""
    monkeypatch.setattr(results, "_RESULTS_BYTES_MAX", 1 << 20)
    monkeypatch.setattr(results, "GUEST_FILE_BYTES_MAX", 1 << 20)
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(RecordError, match="it is damaged .more than 1 MiB when unpacked"):
            parse_results(bomb, "it")
        with pytest.raises(RecordError, match="it is damaged .more than 1 MiB when unpacked"):
            unpacked(bomb, "it")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_members_that_follow_each_other_are_one_text() -> None:
    parts = gzip.compress(b"one "), gzip.compress(b"two"), bytes(512)
    assert gunzipped(b"".join(parts), bytes_max=7) == b"one two"
    with pytest.raises(ValueError, match="more than 0 MiB"):
        gunzipped(b"".join(parts), bytes_max=6)


def test_another_schema_is_named_whatever_else_it_holds() -> None:
    with pytest.raises(
        RecordError,
        match=f"schema 1, .* {COMPARISON.number}; commit 0aa8662",
    ):
        parse_results(gzip.compress(b'{"schema": 1, "arms": []}'), "it")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"after/vmstat": b"a 1\nb 3\n"}, "after/vmstat line 2: saved 'b 2', now 'b 3'"),
        ({"after/vmstat": b"a 1\n"}, "after/vmstat line 2: saved 'b 2', now '(no such line)'"),
        ({"after/vmstat": b"a 1\nb 2"}, "after/vmstat: only the line ends differ"),
        ({"new": b""}, "new is there only now"),
        ({"sha256sums": b"whatever"}, ""),
    ],
)
def test_the_first_difference_is_named(change: dict[str, bytes], said: str) -> None:
    assert first_difference(FILES, {**FILES, **change}) == said


def test_a_lost_text_is_named() -> None:
    assert first_difference(FILES, {}) == "after/vmstat is there only in the saved texts"


def test_fields_that_differ() -> None:
    one, other = BackgroundLoad(attempts=9, failures=1), BackgroundLoad(attempts=9, failures=2)
    assert differing_fields(one, other) == ("failures",)
    assert differing_fields(one, one) == ()

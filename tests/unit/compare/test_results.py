# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a comparison, and how two runs of one arm are held together."""

import gzip

import pytest

from harness.compare.outcome import BackgroundLoad
from harness.compare.results import (
    differing_fields,
    first_difference,
    packed,
    parse_results,
    unpacked,
)
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

# SPDX-License-Identifier: GPL-2.0-only
"""Whatever guests, builds, mails and users write: a value or a HarnessError, soon and small."""

import contextlib
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import parsers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError

# What stands in for a piece of a text: numbers of any size and none, other types, other bytes.
ODD = (
    *(b"", b"0", b"-1", b"1_0", b"1e999", b"nan", b"9" * 25, b"9" * 5000, "\u0661".encode()),
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\r", b"\n", b"\x85", b"\t", b"=", b",", b"-", b".."),
    *(b"null", b"true", b"{}", b"[]", b"[" * 5000, b'"', b"'''", b"end\n"),
)
_WORD = re.compile(rb"[0-9]+|[A-Za-z_]+|[^0-9A-Za-z_\s]")
# Each is read often: of a longer seed, what stands in front.
_SEED_BYTES = 4_000
_LONG_BYTES = 100_000
_LONG_S = 2
_MEMORY_BYTES = 1 << 30


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Let what asks for far more memory than its input have none."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Draw a text with up to three of its words, lines or bytes put otherwise."""
    text = draw(st.sampled_from(seeds))[:_SEED_BYTES]
    for _ in range(draw(st.integers(1, 3))):
        spans = [match.span() for match in _WORD.finditer(text)]
        spans += [match.span() for match in re.finditer(rb".*\n", text)]
        begin, end = draw(st.sampled_from(spans)) if spans else (0, 0)
        new = draw(
            st.sampled_from(ODD)
            | st.binary(max_size=8)
            | st.sampled_from(spans or [(0, 0)]).map(lambda span: text[slice(*span)])  # noqa: B023
        )
        text = text[:begin] + new + text[end if draw(st.booleans()) else begin :]
    return text


def read(name: str, data: bytes) -> None:
    with contextlib.suppress(HarnessError):
        parsers.ALL[name].parse(data)


@pytest.mark.parametrize("name", parsers.ALL)
def test_what_it_is_for_is_read(name: str) -> None:
    for seed in parsers.ALL[name].seeds:
        parsers.ALL[name].parse(seed)


@pytest.mark.parametrize("name", parsers.ALL)
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_damage_gives_a_value_or_an_error(name: str, data: st.DataObject) -> None:
    read(name, data.draw(damaged(parsers.ALL[name].seeds)))


@pytest.mark.parametrize("name", parsers.ALL)
def test_each_word_put_otherwise_gives_a_value_or_an_error(name: str) -> None:
    """One after the other the first words of each kind, so that each field meets all."""
    seed = parsers.ALL[name].seeds[0][:_SEED_BYTES]
    words = {match[0]: match for match in reversed(list(_WORD.finditer(seed)))}
    for match in list(words.values())[-8:]:
        for odd in ODD:
            read(name, seed[: match.start()] + odd + seed[match.end() :])


@pytest.mark.parametrize("name", parsers.ALL)
def test_time_and_memory_grow_with_the_text_alone(name: str) -> None:
    seed = parsers.ALL[name].seeds[0]
    head, line, *_ = (*seed.splitlines(keepends=True)[:2], b"", b"")
    words = [match[0] for match in _WORD.finditer(line or head)][:4]
    for piece in (b"a: ", b"[", b"\0", b"-\n", *words, line or head, seed):
        many = piece * (_LONG_BYTES // max(len(piece), 1))
        for text in (many, head + many):
            started_s = time.process_time()
            read(name, text)
            took_s = time.process_time() - started_s
            assert took_s < _LONG_S, f"{took_s:.1f} s for {len(text)} bytes of {piece[:60]!r}"

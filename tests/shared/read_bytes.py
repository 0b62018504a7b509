# SPDX-License-Identifier: GPL-2.0-only
"""What reads some bytes, and bytes that it reads: see parsers.py."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data"


@dataclass(frozen=True, slots=True)
class Parser:
    """What reads some bytes, and bytes that it takes."""

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def texts(parse: Callable[[str], object], *seeds: str | Path) -> Parser:
    return Parser(
        lambda data: parse(data.decode(errors="replace")),
        tuple(s.read_bytes() if isinstance(s, Path) else s.encode() for s in seeds),
    )


def parser(parse: Callable[[bytes], object], *seeds: bytes | Path) -> Parser:
    return Parser(parse, tuple(s.read_bytes() if isinstance(s, Path) else s for s in seeds))

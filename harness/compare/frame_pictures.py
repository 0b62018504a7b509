# SPDX-License-Identifier: GPL-2.0-only
"""Memory as the page frames it is: a square for each pageblock, filled by what is in it. Pure."""

from collections.abc import Iterator

from harness.compare.burst_seen import DIGITS, UNITS, MemoryFrames
from harness.writers.picture import Label, Picture, Stroke, line

_WIDTH = 320
# Pageblocks side by side: of a guest of up to 1 GiB, and of a larger one.
_COLUMNS, _FINE_COLUMNS = 32, 64
_FINE_FROM = 1024
_TEXT = 34
_PAGE_KIB = 4
KEY = (
    ("frame-pinned", "pinned: the kernel's, cannot move"),
    ("frame-held", "got by the burst, held"),
    ("frame-movable", "movable"),
    ("frame-room", "free"),
)


def frames_picture(title: str, frames: MemoryFrames) -> Picture:
    """Draw pageblocks row by row, the lowest address first; each fills from below."""
    count = len(frames.types)
    columns = _COLUMNS if count < _FINE_FROM else _FINE_COLUMNS
    size = _WIDTH / columns
    rows = -(-count // columns)
    bottom = rows * size
    fine = " fine" if columns == _FINE_COLUMNS else ""
    strokes = [Stroke(path=_room(count, columns, size), look=f"frame-room{fine}")]
    strokes += [
        Stroke(path=path, look=f"frame-{kind}{fine}")
        for kind, path in _filled(frames, columns, size)
        if path
    ]
    first, second = _numbers(frames)
    return Picture(
        title=title,
        shows=_told(frames, columns),
        width=_WIDTH,
        height=round(bottom + _TEXT),
        strokes=tuple(strokes),
        labels=(
            Label(x=0, y=bottom + 14, text=first, look="soft"),
            Label(x=0, y=bottom + 28, text=second, look="soft"),
        ),
    )


def _room(count: int, columns: int, size: float) -> str:
    """Draw what is free: a row of squares is one dashed stroke."""
    full, rest = divmod(count, columns)
    lengths = [columns] * full + [rest] * bool(rest)
    return "".join(
        line((0, (row + 0.5) * size), (length * size - 1, (row + 0.5) * size))
        for row, length in enumerate(lengths)
    )


def _filled(frames: MemoryFrames, columns: int, size: float) -> Iterator[tuple[str, str]]:
    """Yield a path for each kind, upright strokes as wide as a square; the kinds lie on another."""
    levels = [0.0] * len(frames.types)
    for kind, shares in (
        ("pinned", frames.pinned_shares),
        ("held", frames.held_shares),
        ("movable", frames.movable_shares),
    ):
        path = []
        for at, digit in enumerate(shares):
            units = DIGITS.index(digit)
            if not units:
                continue
            row, column = divmod(at, columns)
            height = min(units * (size - 1) / UNITS, size - 1 - levels[at])
            x = column * size + (size - 1) / 2
            y = (row + 1) * size - 0.5 - levels[at]
            path.append(f"M{_short(x)} {_short(y)}v-{_short(max(height, 0.4))}")
            levels[at] += height
        yield kind, "".join(path)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0").removeprefix("0") or "0"


def _mib(pages: int) -> str:
    return f"{pages * _PAGE_KIB / 1024:,.0f}"


def _numbers(frames: MemoryFrames) -> tuple[str, str]:
    whole = frames.free_shares.count(DIGITS[UNITS])
    parts = {
        "free": frames.free + frames.cached,
        "movable": frames.movable,
        "got": frames.held,
        "pinned": frames.pinned + frames.reserved,
    }
    pages = " · ".join(f"{name} {_mib(count)}" for name, count in parts.items() if count)
    count = f"of {len(frames.types)} pageblocks {whole} wholly free"
    return f"MiB: {pages}", f"{count}, {_pinned(frames)} with a pinned page"


def _pinned(frames: MemoryFrames) -> int:
    return sum(digit != DIGITS[0] for digit in frames.pinned_shares)


def _told(frames: MemoryFrames, columns: int) -> str:
    kib = _PAGE_KIB << frames.pageblock_order
    types = {letter: frames.types.count(letter) for letter in "UMR" if letter in frames.types}
    names = {"U": "Unmovable", "M": "Movable", "R": "Reclaimable"}
    told = ", ".join(f"{count} {names[letter]}" for letter, count in types.items())
    return (
        f"{len(frames.types)} pageblocks of {kib} KiB by address, {columns} a row ({told}). Pages: "
        f"{frames.free:,} free, {frames.cached:,} on the lists of CPUs, "
        f"{frames.movable:,} movable, {frames.held:,} got by the burst, "
        f"{frames.pinned:,} pinned, {frames.reserved:,} reserved. "
        f"{_numbers(frames)[1]}."
    )

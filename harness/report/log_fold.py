# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's log as a report shows it: what lines were taken for, then all of them. Pure."""

from collections.abc import Iterator, Mapping

from harness.texts.proc.kernel_log import classified
from harness.writers.screen import Block, Fold, Log, LogLine, Part, Words
from harness.writers.table import table

# A guest that repeats a message for ever must not make a file that no browser opens.
_LINES_SHOWN = 2000
_LINE_CHARS = 400
_FOUND_SHOWN = 200


def log_part(logs: Mapping[str, str]) -> Iterator[Part]:
    """Yield the part of logs by their names; none without a log."""
    blocks = [block for name, text in logs.items() for block in _blocks(name, text)]
    if blocks:
        yield Part(
            title="The kernel's log",
            shows="Lines that say the kernel is broken make a check fail; an OOM kill or an "
            "allocation failure is what memory pressure may bring, and is counted.",
            blocks=tuple(blocks),
        )


def _blocks(name: str, text: str) -> Iterator[Block]:
    found = classified(text)
    kinds = {one.line_number: one.kind for one in found}
    lines = text.removesuffix("\n").split("\n")
    if found:
        rows = ((one.line_number, one.kind, one.message) for one in found[:_FOUND_SHOWN])
        yield table((f"line of {name}", "taken for", "message"), rows)
        if len(found) > _FOUND_SHOWN:
            yield Words(paragraphs=(f"and {len(found) - _FOUND_SHOWN} more",))
    else:
        yield Words(paragraphs=(f"{name}: no bug, warning, OOM kill or allocation failure.",))
    shown = [
        LogLine(number=at, text=line.rstrip("\r")[:_LINE_CHARS], kind=kinds.get(at, ""))
        for at, line in enumerate(lines, start=1)
        if at <= _LINES_SHOWN or at in kinds
    ][: 2 * _LINES_SHOWN]
    hint = f"{len(lines):,} lines"
    if len(shown) < len(lines):
        hint += f", of which the first {_LINES_SHOWN:,} and those taken for something are here"
    yield Fold(title=f"All of {name}", hint=hint, blocks=(Log(name=name, lines=tuple(shown)),))

# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU's monitor says unasked: what became of the guest as a machine.

Source: QEMU's qapi/run-state.json and docs/interop/qmp-spec. One JSON object stands on a line; what
is none, and what answers a command, is passed over.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_VALUE_CHARS = 64
_MOST_VALUES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorEvent:
    """One event, without the host's time: SHUTDOWN, RESET, STOP, GUEST_PANICKED..."""

    name: str
    values: Mapping[str, str]  # what it says of itself; JSON's words for truth and numbers

    def __str__(self) -> str:
        """Write it as a line of evidence."""
        return " ".join((self.name, *(f"{name}={said}" for name, said in self.values.items())))


def parse_events(said: bytes) -> tuple[MonitorEvent, ...]:
    """Read the events in what a monitor wrote, the oldest first. A cut line says nothing."""
    return tuple(_events(said))


def _events(said: bytes) -> Iterator[MonitorEvent]:
    for line in said.split(b"\n"):
        if b'"event"' not in line:
            continue
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            continue
        name = message.get("event") if isinstance(message, dict) else None
        if isinstance(name, str):
            data = message.get("data")
            yield MonitorEvent(name=_shown(name), values=_values(data))


def _values(data: object) -> dict[str, str]:
    """Return what is one word each; what a value consists of names nothing more."""
    if not isinstance(data, dict):
        return {}
    words = {
        _shown(name): _shown(value if isinstance(value, str) else json.dumps(value))
        for name, value in data.items()
        if isinstance(value, str | int | float | bool)
    }
    return dict(list(words.items())[:_MOST_VALUES])


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:_VALUE_CHARS])

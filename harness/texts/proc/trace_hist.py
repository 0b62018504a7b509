# SPDX-License-Identifier: GPL-2.0-only
"""A histogram trigger's text: how often an event was hit, by its fields.

kernel/trace/trace_events_hist.c, hist_trigger_show; Documentation/trace/histogram.rst. The
kernel loses no hit unless its table is full: then `dropped` says how many.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.texts.text import damaged, natural, shown, whole_lines

_ENTRY = re.compile(r"\{ (.*) \} hitcount: +([0-9]+)")
_KEY = re.compile(r"([a-z_]+): +([0-9]+)")
_TOTAL = re.compile(r"    (Hits|Entries|Dropped): ([0-9]+)")
_TRIGGER = "# trigger info: hist:keys="


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHistogram:
    """Hits by the values of the key fields, in the order in which the trigger names them."""

    counts: Mapping[tuple[int, ...], int]
    hits: int
    dropped: int

    def count(self, *key: int) -> int:
        """Return the hits of one combination of values; 0 if there was none."""
        return self.counts.get(key, 0)


def parse_trace_hist(text: str, *, keys: tuple[str, ...]) -> TraceHistogram:
    """Parse the whole file; RecordError unless it is one histogram over exactly `keys`."""
    what = f"histogram over {','.join(keys)}"
    counts: dict[tuple[int, ...], int] = {}
    totals: dict[str, int] = {}
    triggers: list[str] = []
    for line in whole_lines(text, what):
        if line.startswith(_TRIGGER):
            triggers.append(line.removeprefix(_TRIGGER).partition(":")[0])
        elif (entry := _ENTRY.fullmatch(line)) is not None:
            key = _key(entry[1], keys, what)
            if key in counts:
                raise damaged(what, f"{shown(entry[1])} is listed twice")
            counts[key] = natural(entry[2], what)
        elif (total := _TOTAL.fullmatch(line)) is not None:
            totals[total[1]] = natural(total[2], what)
        elif line.strip("# ") not in ("", "event histogram", "Totals:"):
            raise damaged(what, f"{shown(line)} is no line of a histogram")
    if triggers != [",".join(keys)]:
        raise damaged(what, f"its triggers are {[shown(trigger) for trigger in triggers]}")
    if totals.keys() != {"Hits", "Entries", "Dropped"} or totals["Entries"] != len(counts):
        raise damaged(what, f"cut short, {len(counts)} entries and totals {totals}")
    return TraceHistogram(counts=counts, hits=totals["Hits"], dropped=totals["Dropped"])


def _key(text: str, keys: tuple[str, ...], what: str) -> tuple[int, ...]:
    parts = [_KEY.fullmatch(part) for part in text.split(", ")]
    if [part[1] if part else None for part in parts] != list(keys):
        raise damaged(what, f"{shown(text)} has other keys than {', '.join(keys)}")
    return tuple(natural(part[2], what) for part in parts if part)

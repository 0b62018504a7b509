# SPDX-License-Identifier: GPL-2.0-only
"""review: the series, looked at as a kernel reviewer would, gate by gate."""

import logging
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import HarnessError, HostError, UserError
from harness.host.cache import Cache
from harness.host.command import require
from harness.host.series import Series, series_for
from harness.jobs.review_gates import GATES, PROGRAMS, Findings, Gate, Reviewed
from harness.values import KernelSource

logger = logging.getLogger("review")

_WIDTH = 100
_INDENT = 20
_DETAILS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """What a gate found."""

    gate: str
    held: bool
    details: tuple[str, ...]


def review(
    source: KernelSource,
    cache: Cache,
    *,
    only: Sequence[str] = (),
    boots: bool = False,
    series: Series | None = None,
) -> tuple[GateOutcome, ...]:
    """Put the series for `source` through all gates, or those in `only`.

    What the series does wrong fails its gate; only what the host lacks is raised.
    """
    chosen = require_gates(only)
    reviewed = Reviewed(
        source=source, series=series or series_for(source), cache=cache, boots=boots
    )
    return tuple(_outcome(name, GATES[name], reviewed) for name in chosen)


def require_gates(only: Sequence[str]) -> tuple[str, ...]:
    """Return the gates in `only`, or all; UserError for a strange one, HostError for a program."""
    if unknown := sorted({*only} - GATES.keys()):
        raise UserError(f"no gate is named {', '.join(unknown)}; there are {', '.join(GATES)}")
    chosen = tuple(name for name in GATES if not only or name in only)
    for name in chosen:
        if program := PROGRAMS.get(name):
            require(program)
    return chosen


def table(outcomes: Sequence[GateOutcome]) -> str:
    """Return what the gates found, a line for each and its details; ends with a newline."""
    lines = [f"{'gate':<12}result"]
    for outcome in outcomes:
        shown = outcome.details[:_DETAILS_SHOWN]
        if len(outcome.details) > len(shown):
            shown += (f"and {len(outcome.details) - len(shown)} more",)
        head = f"{outcome.gate:<12}{'held' if outcome.held else 'FAILED':<8}"
        for detail in shown or ("",):
            lines += textwrap.wrap(
                head + detail,
                width=_WIDTH,
                subsequent_indent=" " * (_INDENT + 2),
                break_on_hyphens=False,
            )
            head = " " * _INDENT
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _outcome(name: str, gate: Gate, reviewed: Reviewed) -> GateOutcome:
    logger.info("%s ...", name)
    started_s = time.monotonic()
    try:
        verdict = gate(reviewed)
    except HostError:
        raise
    except HarnessError as error:
        verdict = Findings((str(error),))
    held = not verdict.wrong
    logger.info("%s %s (%.0f s)", name, "held" if held else "FAILED", time.monotonic() - started_s)
    return GateOutcome(gate=name, held=held, details=(*verdict.wrong, *verdict.notes))

# SPDX-License-Identifier: GPL-2.0-only
"""Mutants: small wrong versions of the series, as patches that say who must notice. Pure.

    Subject: what mistake this is
    Caught-by: the check that must fail, by name
    Counters: percpu or atomic, where only that variant has the code (optional)

and a diff on top of the whole series.
"""

from dataclasses import dataclass
from email.parser import BytesHeaderParser

from harness.errors import UserError
from harness.values import Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One wrong version of the series."""

    name: str
    subject: str
    caught_by: str
    counters: Counters | None  # None: wrong in every variant


def parse_mutant(name: str, data: bytes) -> Mutant:
    """Read a mutant; UserError if it does not say what it is or who must catch it."""
    headers = BytesHeaderParser().parsebytes(data)
    subject, caught_by = headers.get("Subject", ""), headers.get("Caught-by", "")
    if not subject or not caught_by:
        raise UserError(f"{name} lacks a Subject: or Caught-by: line at its top; add it")
    counters = headers.get("Counters")
    if counters is not None and counters not in (Counters.PERCPU, Counters.ATOMIC):
        raise UserError(f"{name}: Counters: is {counters!r}; give percpu or atomic")
    return Mutant(
        name=name,
        subject=" ".join(subject.split()),
        caught_by=caught_by.strip(),
        counters=None if counters is None else Counters(counters),
    )

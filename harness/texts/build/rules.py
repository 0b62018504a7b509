# SPDX-License-Identifier: GPL-2.0-only
"""Rules of a kernel's allocator that are not those of 5.15. Pure.

A line names them (patches/lines/LINE/line.toml); they are stored with a build and beside a run
with what its patches provide, as rule.NAME, and asked there: by the model, and by checks.
"""

from collections.abc import Iterable
from enum import StrEnum

_KIND = "rule."


class Rule(StrEnum):
    """What this kernel does otherwise than 5.15 (all mm/page_alloc.c)."""

    # A fallback claims a pageblock if most of it suits, else takes the smallest block that does
    # and leaves the rest of it on its list (__rmqueue_claim, __rmqueue_steal).
    FALLBACK_CLAIMS = "fallback_claims"
    # An attempt that is deferred in all zones is no stall (__alloc_pages_direct_compact).
    DEFERRED_IS_SKIPPED = "deferred_is_skipped"
    # The compaction before reclaim is the first round of the retry loop (__alloc_pages_slowpath):
    # requests with __GFP_NORETRY go on if it was skipped or deferred, __GFP_MEMALLOC has it too.
    COMPACTS_IN_LOOP = "compacts_in_loop"
    # Nobody has compared its rules with those of 5.15: its bursts are not predicted.
    NOT_KNOWN = "not_known"

    @property
    def word(self) -> str:
        """How it is stored."""
        return f"{_KIND}{self}"


def rules_in(provides: Iterable[str]) -> frozenset[Rule]:
    """Return the rules among what a kernel provides; those of a later harness are none of ours."""
    words = set(provides)
    return frozenset(rule for rule in Rule if rule.word in words)

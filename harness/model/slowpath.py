# SPDX-License-Identifier: GPL-2.0-only
"""The ladder of a request that misses the fast path: its steps, its exits, what it counts.

mm/page_alloc.c __alloc_pages_slowpath of 5.15.180 with the series' counters and policy
(mm/buddy_monitor.h). The steps in order, and what each can do for a costly request:

  decision        frag_pct over the request's zones; nothing has been woken or tried yet
  min watermark   may serve it; kswapd is woken first if the class lets it
  first compact   direct reclaim and __GFP_IO only; priority ASYNC, LIGHT in mode light,
                  FULL in mode early
  NORETRY         gives up here if that was skipped or deferred in every zone (not in 7.3)
  freelist        the same look again; where direct reclaim is not allowed, the last step
  reclaim         may free pages; drains per-CPU lists and the high-atomic reserve on progress
  second compact  always counted; LIGHT (NORETRY: ASYNC), FULL in modes late and early;
                  without __GFP_IO it is counted, and skipped
  giving up       NORETRY; costly without RETRY_MAYFAIL or __GFP_IO; else round again
  last resort     what a costly request does before it gives up, RETRY_MAYFAIL before it is
                  exhausted: in mode last one more compaction, FULL; in mode clear it empties
                  ranges, which is no attempt at compaction. Not after NORETRY

What compaction and reclaim bring about depends on pages a model does not see. So a step that
could serve the request either provably cannot (every zone is `dead`), or the result is open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from harness.model.allocator import Allocator, Block
from harness.model.compaction import Deferral, Suitable, suitable
from harness.model.request import Request
from harness.texts.metrics import frag_pct
from harness.texts.proc.buddyinfo import FreeArea
from harness.texts.proc.sysctl import Policy, PolicyMode

# No rule of the allocator limits this number.
UNBOUNDED = (1 << 63) - 1


class End(Enum):
    """How a slowpath ended, as far as can be known."""

    SERVED = "served"
    FAILED = "failed"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy makes of a request on entry (buddy_policy_decide)."""

    frag_pct: int | None  # None: it is not looked at
    mode: PolicyMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One request's way through the slowpath."""

    outcome: End
    block: Block | None
    # Attempts at compaction (buddy_count_compact), at least and at most.
    compact: tuple[int, int]
    # Whether the policy raised or added one, or tried to clear a zone: once per request.
    adaptive: tuple[int, int]
    # Whether compaction or reclaim ran, so that what is free is no longer known.
    disturbed: bool
    reason: str  # why it is open; else the exit taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """All that a request's slowpath depends on, besides the zones themselves."""

    allocator: Allocator
    request: Request
    policy: Policy | None
    extfrag_threshold: int
    areas: Callable[[], tuple[FreeArea, ...]]  # what is free now, by zone
    deferrals: tuple[Deferral, ...]  # by zone
    # By zone: no block can come from it whatever is reclaimed, compacted or drained.
    dead: Callable[[], tuple[bool, ...]]
    # By zone: it has too few pages for one, even if all but the burst's own were free.
    short: Callable[[], tuple[bool, ...]]
    # The first compaction is a round of the loop: NORETRY does not give up after it.
    in_loop: bool = False  # Rule.COMPACTS_IN_LOOP

    def eligible(self) -> bool:
        """Whether the policy looks at such a request (mm/buddy_monitor.c)."""
        policy, request = self.policy, self.request
        return (
            policy is not None
            and request.order >= policy.min_order
            and request.direct_reclaim
            and request.compacts
            and not request.noretry
        )

    def decide(self) -> Decision:
        """Take the decision on entry (mm/buddy_monitor.c buddy_policy_decide)."""
        policy = self.policy
        if policy is None or not self.eligible():
            return Decision(frag_pct=None, mode=PolicyMode.OFF)
        share = frag_pct(self.areas(), policy.cutoff)
        return Decision(
            frag_pct=share,
            mode=policy.mode_for(self.request.order, share),
        )

    def climb(self, mode: PolicyMode) -> Passage:
        """Go through the ladder of a costly request, with the policy's decision taken."""
        request = self.request
        block = self.allocator.from_freelist(request, request.slow_flags)
        if request.kswapd and not all(self.dead()):
            return self._open(mode, calls=0, reason="kswapd was woken and frees pages meanwhile")
        if block is not None:
            return _served(block)
        if not request.direct_reclaim:
            return _failed(0, disturbed=False, reason="no direct reclaim")
        if not request.compacts_first:
            return self._reclaim_and_compact(mode, calls=0)
        return self._compact_first(mode) or self._reclaim_and_compact(mode, calls=1)

    def _compact_first(self, mode: PolicyMode) -> Passage | None:
        """Compact before reclaim; None: it failed, and the request goes on."""
        attempt = self._first_attempt(mode)
        if attempt is _Attempt.OPEN:
            return self._open(mode, calls=1, reason="compaction may make a block")
        if not self.request.noretry or self.in_loop or attempt is _Attempt.RAN:
            return None
        if attempt is _Attempt.UNKNOWN:
            return self._open(mode, calls=1, reason="whether compaction is deferred is unknown")
        return _failed(1, disturbed=False, reason="noretry compact")

    def _reclaim_and_compact(self, mode: PolicyMode, *, calls: int) -> Passage:
        """Go on from direct reclaim; the look before it finds what the last one found."""
        request = self.request
        if not all(self.dead()):
            return self._open(
                mode, calls=calls, reason="direct reclaim may free pages or drain per-CPU lists"
            )
        adaptive = self._acted(mode, calls=calls)
        made = calls + 1 + int(mode is PolicyMode.LAST)
        if request.retry_mayfail and request.compacts:
            return Passage(
                outcome=End.FAILED,
                block=None,
                compact=(made, UNBOUNDED),
                adaptive=adaptive,
                disturbed=True,
                reason="it may retry any number of times",
            )
        reason = "noretry" if request.noretry else "costly"
        if adaptive[0] != adaptive[1]:
            reason = "whether a zone backs off, or has pages enough after reclaim, is unknown"
        return _failed(made, adaptive=adaptive, disturbed=True, reason=reason)

    def _acted(self, mode: PolicyMode, *, calls: int) -> tuple[int, int]:
        """How often, 0 or 1, the policy acts for a request that gives up after reclaim.

        Mode clear tries no zone that backs off after a failed attempt, or whose free pages would
        miss the min watermark however they lay. Reclaim came before: what is free then is bound by
        what could be at all.
        """
        match mode:
            case PolicyMode.OFF:
                return 0, 0
            case PolicyMode.LIGHT:
                return calls, calls
            case PolicyMode.CLEAR:
                return 0, int(not all(self.short()))
            case _:
                return 1, 1

    def most_calls(self) -> int:
        """Return how often one request of this class can call compaction."""
        request, policy = self.request, self.policy
        if not request.direct_reclaim:
            return 0
        if request.retry_mayfail or not request.costly:
            return UNBOUNDED
        last = policy is not None and policy.mode is PolicyMode.LAST and self.eligible()
        return (2 if request.compacts else 1) + int(last)

    def _first_attempt(self, mode: PolicyMode) -> "_Attempt":
        """Compact before reclaim: try_to_compact_pages over the zones."""
        request = self.request
        ran = unknown = False
        zones = zip(self.allocator.zones, self.areas(), self.deferrals, self.dead(), strict=True)
        for zone, area, deferral, dead in zones:
            deferred = (
                mode is not PolicyMode.EARLY and deferral.known and deferral.deferred(request.order)
            )
            verdict = suitable(zone, area, request, request.slow_flags, self.extfrag_threshold)
            if deferred or verdict is Suitable.SKIPPED:
                continue
            if not dead:
                return _Attempt.OPEN
            if deferral.known or mode is PolicyMode.EARLY:
                ran = True
            else:
                unknown = True
        if ran:
            return _Attempt.RAN
        return _Attempt.UNKNOWN if unknown else _Attempt.SKIPPED

    def _open(self, mode: PolicyMode, *, calls: int, reason: str) -> Passage:
        """Leave the rest open: at least `calls` attempts were made."""
        raised = mode in {PolicyMode.EARLY, PolicyMode.LIGHT} and calls > 0
        possible = mode is not PolicyMode.OFF and self.most_calls() > 0
        return Passage(
            outcome=End.OPEN,
            block=None,
            compact=(calls, self.most_calls()),
            adaptive=(int(raised), int(possible)),
            disturbed=True,
            reason=reason,
        )


class _Attempt(Enum):
    SKIPPED = 0  # skipped or deferred in every zone
    RAN = 1  # in a dead zone at least
    UNKNOWN = 2  # for want of the deferral state
    OPEN = 3  # in a zone where it may succeed


def _served(block: Block) -> Passage:
    return Passage(
        outcome=End.SERVED,
        block=block,
        compact=(0, 0),
        adaptive=(0, 0),
        disturbed=False,
        reason="min watermark",
    )


def _failed(
    calls: int, *, adaptive: tuple[int, int] = (0, 0), disturbed: bool, reason: str
) -> Passage:
    return Passage(
        outcome=End.FAILED,
        block=None,
        compact=(calls, calls),
        adaptive=adaptive,
        disturbed=disturbed,
        reason=reason,
    )

# SPDX-License-Identifier: GPL-2.0-only
"""Run a burst in one possible world, and say what is known of its counters at the end."""

from collections import deque
from dataclasses import dataclass, field

from harness.model.allocator import Block
from harness.model.compaction import deferral_of
from harness.model.request import Request
from harness.model.slowpath import UNBOUNDED, Decision, End, Ladder, Passage
from harness.model.state import AllocatorState, GfpClass
from harness.model.world import Limits, World
from harness.texts.build.rules import Rule
from harness.texts.pages import Order
from harness.texts.proc.buddyinfo import FreeArea
from harness.texts.proc.sysctl import PolicyMode


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstRequest:
    """The parameters of high_order_test that decide what is asked for."""

    order: Order
    requests: int
    most_held: int
    hold_until_fail: bool
    gfp: GfpClass


@dataclass(slots=True)
class Span:
    """A number known to lie within [low, high]."""

    low: int = 0
    high: int = 0

    def add(self, low: int, high: int | None = None) -> None:
        """Raise both ends; `high` alone may be further up."""
        self.low += low
        self.high = min(UNBOUNDED, self.high + (low if high is None else high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The first slowpath entry of the burst."""

    index: int
    frag_pct: tuple[int, int] | None
    free: tuple[int, ...] | None
    mode: tuple[int, int] | None
    compact: tuple[int, int]
    success: tuple[int, int]


@dataclass(slots=True)
class Tally:
    """The counters so far; `reason` is empty while every one of them is known."""

    req: Span = field(default_factory=Span)
    success: Span = field(default_factory=Span)
    fail: Span = field(default_factory=Span)
    slowpath: Span = field(default_factory=Span)
    compact: Span = field(default_factory=Span)
    adaptive: Span = field(default_factory=Span)
    frag_pct: tuple[int, int] | None = None
    first: Entry | None = None
    reason: str = ""
    # Requests from this one on may be the first to enter the slowpath; None: all are known.
    unknown_from: int | None = None


_ANY_PCT = (0, 100)


def run(state: AllocatorState, burst: BurstRequest, request: Request, limits: Limits) -> Tally:
    """Make the requests one after the other, as high_order_perform() does."""
    return _Run(state, burst, request, limits).perform()


class _Run:
    """One run; ends where nothing more can be known."""

    def __init__(
        self, state: AllocatorState, burst: BurstRequest, request: Request, limits: Limits
    ) -> None:
        self._state = state
        self._limits = limits
        self._burst = burst
        self._request = request
        self._world = World(state, request, limits)
        self._tally = Tally()
        self._disturbed = False
        self._ladder = Ladder(
            allocator=self._world.allocator,
            request=request,
            policy=state.policy,
            extfrag_threshold=state.extfrag_threshold,
            areas=self._world.areas,
            deferrals=tuple(deferral_of(zone.defer) for zone in state.zones),
            dead=self._world.dead,
            short=self._world.short,
            in_loop=Rule.COMPACTS_IN_LOOP in state.rules,
        )

    def perform(self) -> Tally:
        """high_order_perform() of the module."""
        burst, tally, world = self._burst, self._tally, self._world
        held: deque[Block] = deque()
        for index in range(burst.requests):
            if len(held) == burst.most_held:
                if burst.hold_until_fail:
                    break
                world.give(held.popleft())
            tally.req.add(1)
            block = world.take()
            if block is None:
                block, done = self._slow(index)
                if done:
                    break
            else:
                tally.success.add(1)
            if block is not None:
                held.append(block)
            if world.uncertain_lists and self._request.kswapd:
                # mm/page_alloc.c rmqueue wakes it after steal_suitable_fallback's boost
                tally.unknown_from = index + 1
                self._leave_open(
                    index, "a fallback boosted the watermarks and woke kswapd", own=False
                )
                break
        return tally

    def _slow(self, index: int) -> tuple[Block | None, bool]:
        """One request's slowpath: its block, and whether the burst is over or unknown now."""
        tally = self._tally
        decision = self._ladder.decide()
        frag = self._frag(decision)
        undecided = self._undecided(frag)
        areas = self._world.areas()
        passage = self._ladder.climb(decision.mode)
        self._world.note(passage.block)
        tally.slowpath.add(1)
        tally.compact.add(*passage.compact)
        if undecided:
            tally.adaptive.add(0, int(passage.compact[1] > 0))
        else:
            tally.adaptive.add(*passage.adaptive)
        if frag is not None:
            tally.frag_pct = frag
        if tally.first is None:
            tally.first = self._entry(index, frag, passage, areas)
        self._disturbed |= passage.disturbed
        if passage.outcome is End.SERVED:
            tally.success.add(1)
        elif passage.outcome is End.FAILED:
            tally.fail.add(1)
            if self._ladder.most_calls() == UNBOUNDED or len(set(passage.adaptive)) > 1:
                tally.reason = passage.reason
        else:
            self._leave_open(index, passage.reason, own=True)
            return None, True
        over = passage.outcome is End.FAILED and self._burst.hold_until_fail
        return passage.block, over

    def _frag(self, decision: Decision) -> tuple[int, int] | None:
        """Return the frag_pct that is recorded, as far as the free lists are known."""
        share = decision.frag_pct
        if share is None:
            return None
        policy = self._state.policy
        split = policy is not None and policy.cutoff > self._request.order
        if self._disturbed:
            self._tally.reason = "compaction and reclaim rearrange what is free"
            return _ANY_PCT
        if split and self._world.uncertain_lists:
            self._tally.reason = "which larger block a steal cuts depends on page addresses"
            return _ANY_PCT
        if not self._limits.noise:
            return share, share
        free = sum(area.free_pages for area in self._world.areas())
        margin = 1 + -(-self._limits.noise * 100 // max(1, free))
        return max(0, share - margin), min(100, share + margin)

    def _undecided(self, frag: tuple[int, int] | None) -> bool:
        """Whether the policy's decision depends on where in its bounds frag_pct lies."""
        modes = self._modes(frag)
        return modes is not None and modes[0] != modes[1]

    def _modes(self, frag: tuple[int, int] | None) -> tuple[int, int] | None:
        """Return the decision at either end of frag_pct's bounds."""
        policy = self._state.policy
        if policy is None or frag is None:
            return None
        low, high = (policy.mode_for(self._burst.order, share) for share in frag)
        return int(low), int(high)

    def _entry(
        self,
        index: int,
        frag: tuple[int, int] | None,
        passage: Passage,
        areas: tuple[FreeArea, ...],
    ) -> Entry:
        known = not self._world.uncertain_lists and not self._limits.noise
        free = tuple(map(sum, zip(*(area.blocks for area in areas), strict=True)))
        served = int(passage.outcome is End.SERVED)
        return Entry(
            index=index,
            frag_pct=frag,
            free=free if known else None,
            mode=self._modes(frag),
            compact=passage.compact,
            success=(0, 1) if passage.outcome is End.OPEN else (served, served),
        )

    def _leave_open(self, index: int, reason: str, *, own: bool) -> None:
        """Bound what may still happen: to the request at `index` if `own`, and to those after."""
        burst, tally = self._burst, self._tally
        tally.reason = reason
        limit = min(burst.requests, burst.most_held) if burst.hold_until_fail else burst.requests
        left = limit - (index + 1)
        most = int(own) + left
        if burst.hold_until_fail:
            served = min(most, max(0, self._ceiling() - tally.success.low))
            fails = served < most
            last = tally.success.low + served + 1 if fails else limit
            tally.req.add(int(left > 0 and not own), last - tally.req.high)
            tally.success.add(0, served)
            tally.fail.add(int(fails), int(most > 0))
            left = last - (index + 1)
        else:
            tally.req.add(left)
            tally.success.add(0, most)
            tally.fail.add(0, most)
        tally.slowpath.add(0, left)
        tally.compact.add(0, left * self._ladder.most_calls())
        policy = self._state.policy
        if policy is not None and self._ladder.eligible():
            tally.adaptive.add(0, left if policy.mode is not PolicyMode.OFF else 0)
            if left:
                tally.frag_pct = _ANY_PCT

    def _ceiling(self) -> int:
        """Most blocks the burst can hold at once, by the ranges that could be made free."""
        order = self._burst.order
        most = 0
        for zone in self._state.zones:
            ranges = zone.range_of(order)
            most += zone.managed >> order if ranges is None else ranges.clearable
            if ranges is not None and order == self._state.pcp_order:
                most += zone.pcp >> order
        return most + self._limits.noise

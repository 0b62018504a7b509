# SPDX-License-Identifier: GPL-2.0-only
"""Predict what a burst of kmod/high_order_test.c does to the counters of its order.

The burst is run in two worlds, the best and the worst that the snapshot allows (see
harness.model.world). More free pages, less boost and fuller per-CPU lists never make a request
fare worse, so every world between them ends between them: where both agree a value is exact.

Exact on an idle guest, one CPU, gfp kernel_nokswapd, orders above 3 that have no per-CPU list
(all but pageblock_order): everything up to and including the first slowpath entry, and beyond
it for as long as the min watermark serves, or if compaction cannot succeed (`dead` zones).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.forecast.forecast import FirstSlowpath, Forecast, Prediction
from harness.model.burst import BurstRequest, Span, Tally, run
from harness.model.request import request_of
from harness.model.slowpath import UNBOUNDED
from harness.model.state import AllocatorState
from harness.model.world import Limits
from harness.texts.pages import COSTLY_ORDER
from harness.texts.proc.sysctl import PolicyMode

__all__ = [
    "AllocatorState",
    "BurstRequest",
    "FirstSlowpath",
    "Forecast",
    "Noise",
    "Prediction",
    "predict",
]

# Blocks beyond most_held that per-CPU lists may take in: a batch on each of two sides.
_SPARE_BLOCKS = 8
_LOW_ORDER_REASON = (
    "orders 0 to 3 come from per-CPU lists, and others in the guest ask for them all the time"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What others may do between the snapshot and the end of the burst; 0: the guest is idle."""

    pages_taken: int = 0
    pages_freed: int = 0


def predict(state: AllocatorState, burst: BurstRequest, noise: Noise | None = None) -> Prediction:
    """Return the exact rise of every counter of the burst's order, or honest bounds."""
    if burst.order <= COSTLY_ORDER:
        return _low_order(state, burst)
    others = noise or Noise()
    request = request_of(burst.gfp, burst.order, state.normal_index)
    pcp = burst.order == state.pcp_order
    stuck = 2 + (0 if burst.hold_until_fail else burst.most_held)
    lost = stuck * (state.cpus - 1) if pcp else 0
    worlds = [
        run(
            state,
            burst,
            request,
            Limits(
                best=best,
                most_blocks=min(burst.requests, burst.most_held) + lost + _SPARE_BLOCKS,
                pages_taken=others.pages_taken,
                pages_freed=others.pages_freed,
                blocks_lost=lost,
            ),
        )
        for best in (True, False)
    ]
    return _hull(burst, worlds, _parting_reason(pcp=pcp, noise=others))


def _parting_reason(*, pcp: bool, noise: Noise) -> str:
    """Why the two worlds differ, if they do."""
    if pcp:
        return "how many blocks of this order are on per-CPU lists is unknown"
    if noise.pages_taken or noise.pages_freed:
        return "others take and free pages meanwhile"
    return "steals inside pageblocks, whose boost depends on page addresses, or counter drift"


def _hull(burst: BurstRequest, worlds: list[Tally], parting: str) -> Prediction:
    reason = next((world.reason for world in worlds if world.reason), parting)

    def counter(spans: Iterable[Span]) -> Forecast:
        return _forecast([(span.low, span.high) for span in spans], reason)

    shares = [world.frag_pct for world in worlds]
    known = [share for share in shares if share is not None]
    frag = _forecast(known, reason) if known else None
    return Prediction(
        order=burst.order,
        req=counter(world.req for world in worlds),
        success=counter(world.success for world in worlds),
        fail=counter(world.fail for world in worlds),
        slowpath=_forecast(_apart(worlds), reason),
        compact=counter(world.compact for world in worlds),
        adaptive=counter(world.adaptive for world in worlds),
        frag_pct=frag,
        first_slowpath=_first(burst, worlds, reason),
    )


def _apart(worlds: list[Tally]) -> list[tuple[int, int]]:
    """Bounds of the slowpath entries; of all counters this one alone does not rise or fall evenly.

    It is the requests between the low and the min watermark, and each end may lie anywhere
    between those of the two worlds.
    """
    firsts = [world.first.index for world in worlds if world.first is not None]
    apart = max(firsts) - min(firsts) if firsts else 0
    certain = int(len(firsts) == len(worlds))
    return [
        (
            max(certain, world.slowpath.low - apart),
            min(world.req.high, world.slowpath.high + apart),
        )
        for world in worlds
    ]


def _first(burst: BurstRequest, worlds: list[Tally], reason: str) -> FirstSlowpath | None:
    entries = [world.first for world in worlds if world.first is not None]
    later = [world.unknown_from for world in worlds if world.first is None]
    unknown = [index for index in later if index is not None and index < burst.requests]
    if not entries and not unknown:
        return None
    certain = len(entries) == len(worlds)
    if unknown or not entries:
        lowest = min([*unknown, *(entry.index for entry in entries)])
        return _unknown_first(lowest, burst.requests - 1, reason)
    best = entries[0]
    same = all(entry == best for entry in entries)

    def maybe(spans: list[tuple[int, int] | None]) -> Forecast | None:
        known = [span for span in spans if span is not None]
        return _forecast(known, reason) if known else None

    return FirstSlowpath(
        index=_forecast([(entry.index, entry.index) for entry in entries], reason),
        certain=certain,
        frag_pct=maybe([entry.frag_pct for entry in entries]),
        free=best.free if same else None,
        mode=maybe([entry.mode for entry in entries]),
        compact=_forecast([entry.compact for entry in entries], reason),
        success=_forecast([entry.success for entry in entries], reason),
    )


def _unknown_first(low: int, high: int, reason: str) -> FirstSlowpath:
    return FirstSlowpath(
        index=_forecast([(low, high)], reason),
        certain=False,
        frag_pct=_forecast([(0, 100)], reason),
        free=None,
        mode=_forecast([(0, int(max(PolicyMode)))], reason),
        compact=_forecast([(0, UNBOUNDED)], reason),
        success=_forecast([(0, 1)], reason),
    )


def _forecast(spans: Iterable[tuple[int, int]], reason: str) -> Forecast:
    lows, highs = zip(*spans, strict=True)
    low, high = min(lows), max(highs)
    return Forecast(low=low, high=high, reason="" if low == high else reason)


def _low_order(state: AllocatorState, burst: BurstRequest) -> Prediction:
    """Bounds that hold whatever happens."""
    reason = _LOW_ORDER_REASON
    least = 1 if burst.hold_until_fail else burst.requests
    any_number = _forecast([(0, UNBOUNDED)], reason)
    return Prediction(
        order=burst.order,
        req=_forecast([(least, UNBOUNDED)], reason),
        success=any_number,
        fail=any_number,
        slowpath=any_number,
        compact=any_number,
        adaptive=any_number,
        frag_pct=_forecast([(0, 100)], reason) if state.policy is not None else None,
        first_slowpath=_unknown_first(0, burst.requests - 1, reason),
    )

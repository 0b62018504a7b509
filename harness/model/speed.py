# SPDX-License-Identifier: GPL-2.0-only
"""How fast the model is: a fixed mix of requests against a zone of 1 GiB, counted and timed.

Pure but for the clock, which the caller passes in: `time.perf_counter` for a benchmark.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from harness.model.allocator import Allocator, Block
from harness.model.boot import fill
from harness.model.request import request_of
from harness.model.shape import Watermarks, ZoneShape
from harness.model.state import GfpClass
from harness.model.zone import Zone
from harness.texts.pages import Order

_ZONE_PAGES = 1 << 18  # 1 GiB
_NORMAL_INDEX = 2
# Orders as a kernel asks for them: mostly pages, now and then a large block.
_ORDERS = (0,) * 24 + (1,) * 4 + (2, 2, 3, 4, 6, 9)
_ROUND = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Allocations and frees, each one operation, and how long they took."""

    operations: int
    seconds: float

    @property
    def per_second(self) -> int:
        """Operations a second, rounded down."""
        return int(self.operations / self.seconds)


def measure(clock: Callable[[], float], operations: int = 400_000, seed: int = 1) -> Speed:
    """Allocate and free about `operations` times and take the time by `clock` (in seconds).

    Each round asks for a few hundred blocks of mixed orders and types through the watermarks,
    and frees as many at random, while up to a quarter of the zone stays in use: lists are
    split, merged and stolen from all the time.
    """
    rng = random.Random(seed)  # noqa: S311  # the same mix each time
    allocator = Allocator([_zone()])
    requests = [
        request_of(gfp, Order(order), _NORMAL_INDEX)
        for gfp in (GfpClass.KERNEL, GfpClass.MOVABLE)
        for order in _ORDERS
    ]
    held: list[Block] = []
    done = 0
    spent = 0.0
    while done < operations:
        wanted = rng.choices(requests, k=_ROUND)
        rng.shuffle(held)
        freed = held[_ZONE_PAGES >> 5 :]
        del held[_ZONE_PAGES >> 5 :]
        begin = clock()
        for block in freed:
            allocator.free(block)
        blocks = [allocator.fast_path(request) for request in wanted]
        spent += clock() - begin
        held.extend(block for block in blocks if block is not None)
        done += len(freed) + len(blocks)
    return Speed(operations=done, seconds=spent)


def _zone() -> Zone:
    zone = Zone(
        ZoneShape(
            name="DMA32",
            index=1,
            start_pfn=0,
            end_pfn=_ZONE_PAGES,
            pageblock_order=9,
            managed=_ZONE_PAGES,
            marks=Watermarks(min=11000, low=14000, high=17000, reserve=(0, 0, 0, 0)),
            boost_factor=15000,
        )
    )
    fill(zone)
    return zone

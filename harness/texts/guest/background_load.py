# SPDX-License-Identifier: GPL-2.0-only
"""Results of kmod/background_load.c, and the stream of orders that its seed stands for."""

import re
from dataclasses import dataclass

from harness.texts.pages import Order, order_of
from harness.texts.text import damaged, key_values, natural, required, shown, whole_lines

OPTION = "--background-load"  # of vm/guest/scripts/run_arm.sh: how many requests
_WHAT = "background_load"
FORMAT_LINE = "background_load 1"
_ORDER_LINE = re.compile(r"order=[0-9]+ .*")
_HEAD_LINES = 3
_U64 = (1 << 64) - 1
DRAWS = 32
# How many of 32 draws are of which order (background_load.c, load_weights).
WEIGHTS: tuple[tuple[Order, int], ...] = (
    (Order(0), 16),
    (Order(1), 6),
    (Order(2), 5),
    (Order(3), 4),
    (Order(5), 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """Requests of one order; latencies in ns of alloc_pages() alone."""

    order: Order
    attempts: int
    failures: int
    latency_ns_sum: int
    latency_ns_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What the load did; `state` is done or stopped."""

    seed: int
    attempts: int
    held: int
    period_us: int
    gfp: str
    state: str
    done: int
    orders: tuple[OrderOutcome, ...]

    @property
    def failures(self) -> int:
        """Requests of all orders that got nothing."""
        return sum(outcome.failures for outcome in self.orders)


def parse_background_load(text: str) -> LoadResult:
    """Parse the whole file; RecordError if cut, or if its sums or its stream do not fit."""
    lines = whole_lines(text, _WHAT)
    if lines[0] != FORMAT_LINE or lines[-1] != "end" or len(lines) <= _HEAD_LINES:
        raise damaged(_WHAT, f"it begins {shown(lines[0])} and ends {shown(lines[-1])}")
    head = key_values([*lines[1].split(), *lines[2].split()], _WHAT)
    outcomes = tuple(_outcome(line) for line in lines[_HEAD_LINES:-1])
    result = LoadResult(
        seed=natural(required(head, "seed", _WHAT), _WHAT),
        attempts=natural(required(head, "attempts", _WHAT), _WHAT),
        held=natural(required(head, "held", _WHAT), _WHAT),
        period_us=natural(required(head, "period_us", _WHAT), _WHAT),
        gfp=required(head, "gfp", _WHAT),
        state=required(head, "state", _WHAT),
        done=natural(required(head, "done", _WHAT), _WHAT),
        orders=outcomes,
    )
    if result.state == "running":
        # Its counts may be a request apart; and what is not final is not judged.
        raise damaged(_WHAT, "it was read while running: write 1 to its file stop first")
    expected = expected_attempts(result.seed, result.done)
    seen = {outcome.order: outcome.attempts for outcome in outcomes}
    if seen != expected:
        raise damaged(_WHAT, f"{seen} attempts by order where the seed gives {expected}")
    return result


def expected_attempts(seed: int, requests: int) -> dict[Order, int]:
    """Return how many of the first `requests` are of each order, for a 32-bit `seed`."""
    counts = {order: 0 for order, _draws in WEIGHTS}
    by_draw = [order for order, draws in WEIGHTS for _ in range(draws)]
    state = (seed * 0x9E3779B97F4A7C15 & _U64) or 1
    for number in range(-8, requests):
        state = _xorshift(state)
        if number >= 0:
            counts[by_draw[(state >> 16) % DRAWS]] += 1
    return counts


def _xorshift(state: int) -> int:
    state ^= state << 13 & _U64
    state ^= state >> 7
    return state ^ (state << 17 & _U64)


def _outcome(line: str) -> OrderOutcome:
    if not _ORDER_LINE.fullmatch(line):
        raise damaged(_WHAT, f"{shown(line)} is not a line of an order")
    values = key_values(line.split(), _WHAT)

    def number(key: str) -> int:
        return natural(required(values, key, _WHAT), _WHAT)

    outcome = OrderOutcome(
        order=order_of(number("order"), _WHAT),
        attempts=number("attempts"),
        failures=number("failures"),
        latency_ns_sum=number("latency_ns_sum"),
        latency_ns_max=number("latency_ns_max"),
    )
    if outcome.failures > outcome.attempts:
        raise damaged(_WHAT, f"more failures than attempts in {shown(line)}")
    return outcome

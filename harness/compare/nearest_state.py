# SPDX-License-Identifier: GPL-2.0-only
"""The state that comes nearest to a machine's memory, of those whose shapes were measured.

What a state gives is measured, not computed from what its family promises: the kernel's own
pages, the zones' watermarks and what the makers leave over are part of the shape. Any comparison
measures the states of its plan, for it holds them to their invariants.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

import msgspec

from harness.compare.results import Results
from harness.compare.shape import (
    GUESTS_PAGEBLOCK_ORDER,
    Distance,
    Shape,
    below_cutoffs,
    distance,
    scaled,
    unmovable_share,
)
from harness.compare.state_invariants import StateResult
from harness.compare.states import is_state
from harness.encoding import UNREADABLE
from harness.errors import RecordError
from harness.texts.pages import ORDERS, PAGES_PER_MIB, Order, PageCount
from harness.writers.page import Table

SHOWN_STATES = 5
# What follows in a plan's command leaves memory as it is until the burst.
_MADE = re.compile(r"bash scripts/make_state\.sh (\S+) seed=\{seed\} start\b")
_CUTOFF = Order(3)  # the policy's own
# Nearer than this a second state is as good: half a per cent of what the parts are shares of.
_SAME = 0.005


class MeasuredState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state of make_state.sh, and the shape that it had in a guest."""

    make: str  # as plans have it
    kernel: str
    boots: int  # the shape is the median of so many
    shape: Shape


class MeasuredStates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that were measured."""

    schema: int
    states: tuple[MeasuredState, ...]


MEASURED_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """A state and how far it is from what was asked for."""

    state: MeasuredState
    distance: Distance


def parse_measured(data: bytes, what: str) -> MeasuredStates:
    """Read the measured states; RecordError if they are damaged."""
    try:
        measured = msgspec.json.decode(data, type=MeasuredStates)
    except UNREADABLE as error:
        raise RecordError(f"{what} is damaged ({error}); measure the states again") from error
    if measured.schema != MEASURED_SCHEMA or not measured.states:
        raise RecordError(f"{what} is of another form or empty; measure the states again")
    return measured


def measured_in(results: Results) -> dict[str, MeasuredState]:
    """Return by name the states that a comparison's boots were held to."""
    kernels = {one.variant: one.provenance.kernel_release for one in results.kernels.kernels}
    memory = PageCount(results.plan.memory_mib * PAGES_PER_MIB)
    found = {}
    for state in results.plan.states:
        made = _MADE.match(state.command)
        boots = [one for one in results.states if one.state == state.name and one.quantities]
        if made and is_state(made[1]) and boots:
            found[made[1]] = MeasuredState(
                make=made[1],
                kernel=kernels[boots[0].variant],
                boots=len(boots),
                shape=_shape_of_boots(boots, memory),
            )
    return found


def _shape_of_boots(boots: Sequence[StateResult], memory: PageCount) -> Shape:
    def middle(name: str) -> int:
        seen = [one.seen for boot in boots for one in boot.quantities or () if one.name == name]
        if len(seen) != len(boots):
            raise RecordError(f"{boots[0].state}: not every boot tells {name}; run it again")
        return median_low(seen)

    unmovable = middle("unmovable pageblocks")
    return Shape(
        memory=memory,
        free=tuple(middle(f"free blocks of order {order}") for order in ORDERS),
        # Reclaimable ones are not told: a guest has one or two.
        pageblocks={
            "Unmovable": unmovable,
            "Movable": (memory >> GUESTS_PAGEBLOCK_ORDER) - unmovable,
        },
        cache=PageCount(middle("reclaimable pages")),
    )


def nearest(shape: Shape, measured: MeasuredStates) -> tuple[Near, ...]:
    """Sort the measured states by their distance, the nearest first."""
    found = [Near(state=one, distance=distance(shape, one.shape)) for one in measured.states]
    return tuple(sorted(found, key=lambda near: (near.distance.total, near.state.make)))


def as_good(found: Sequence[Near]) -> tuple[Near, ...]:
    """Return the other states that the texts do not tell from the nearest."""
    limit = found[0].distance.total + _SAME
    return tuple(near for near in found[1:] if near.distance.total <= limit)


def distance_table(shape: Shape, found: Sequence[Near]) -> Table:
    """Show the machine and its nearest states, all as shares of their own memory."""
    rows = [("this memory", "", *_facts(shape), "")]
    for near in found[:SHOWN_STATES]:
        parts = near.distance
        rows.append(
            (
                near.state.make,
                f"{parts.total:.3f}",
                *_facts(near.state.shape),
                " ".join(f"{name} {part:.3f}" for name, part in _parts(parts)),
            )
        )
    return Table(
        title="distance 0: the same shares; 1: nothing in common",
        head=(
            "state",
            "distance",
            "free %",
            f"frag_pct {_CUTOFF}",
            "unmovable %",
            "cache %",
            "parts",
        ),
        rows=tuple(rows),
    )


def blocks_table(shape: Shape, near: MeasuredState) -> Table:
    """Show the free blocks by order that the guest would need, and those it has."""
    wanted = scaled(shape, near.shape.memory)
    return Table(
        title="free blocks by order, scaled to the guest's memory",
        head=("order", *(str(order) for order in ORDERS)),
        rows=(
            ("this memory", *map(str, wanted)),
            (near.make, *map(str, near.shape.free)),
        ),
    )


def state_text(near: Near) -> str:
    """Return the [[states]] of a plan that makes the state."""
    make = near.state.make
    return f'[[states]]\nname = "{make}"\nmake = "{make}"\n'


def _facts(shape: Shape) -> tuple[str, ...]:
    return (
        f"{100 * shape.free_pages / shape.memory:.1f}",
        f"{100 * below_cutoffs(shape)[_CUTOFF - 1]:.0f}",
        f"{100 * unmovable_share(shape):.1f}",
        "-" if shape.cache is None else f"{100 * shape.cache / shape.memory:.1f}",
    )


def _parts(parts: Distance) -> Iterator[tuple[str, float]]:
    yield "free", parts.free
    yield "orders", parts.orders
    yield "types", parts.types
    if parts.cache is not None:
        yield "cache", parts.cache

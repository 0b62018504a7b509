# SPDX-License-Identifier: GPL-2.0-only
"""The model zone against the plainest allocator there is: one flag for each page."""

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.errors import RecordError
from harness.model.boot import fill
from harness.model.pcp import PerCpuLists
from harness.model.shape import HIGHATOMIC, Watermarks, ZoneShape
from harness.model.zone import Zone

START, END = 5, 5 + 3 * 1024 + 77
ORDERS = st.integers(0, 10)
TYPES = st.integers(0, 2)
PICK = st.integers(0, 1 << 30)


class ZoneMachine(RuleBasedStateMachine):
    """Takes and gives at random; a bytearray knows which pages must be free."""

    claims = False  # by which rules it takes from other types

    def __init__(self) -> None:
        super().__init__()
        self.zone = Zone(
            ZoneShape(
                name="DMA32",
                index=1,
                start_pfn=START,
                end_pfn=END,
                pageblock_order=9,
                managed=END - START,
                marks=Watermarks(min=30, low=40, high=50, reserve=(0, 0, 0)),
                boost_factor=15000,
                claims=self.claims,
            )
        )
        fill(self.zone)
        self.pcp = PerCpuLists(self.zone, batch=7, high=100, huge_order=9)
        self.free = bytearray(END)
        self.free[START:END] = b"\x01" * (END - START)
        self.held: list[tuple[int, int, bool]] = []

    def _hand_out(self, pfn: int, order: int, *, listed: bool) -> None:
        pages = slice(pfn, pfn + (1 << order))
        assert pfn % (1 << order) == 0
        assert pfn >= START
        assert pages.stop <= END
        if not listed:
            assert self.free[pages] == b"\x01" * (1 << order), "a page was handed out twice"
            self.free[pages] = bytes(1 << order)
        self.held.append((pfn, order, listed))

    def _hidden(self) -> bool:
        """Whether free pages may lie where an ordinary request does not find them."""
        reserved = any(kind == HIGHATOMIC for _pfn, _order, kind in self.zone.free_blocks())
        return reserved or self.pcp.count > 0 or any(listed for _pfn, _order, listed in self.held)

    def _possible(self, order: int) -> bool:
        size = 1 << order
        whole = b"\x01" * size
        first = -(-START // size) * size
        return any(self.free[at : at + size] == whole for at in range(first, END - size + 1, size))

    @rule(order=ORDERS, kind=TYPES, nofragment=st.booleans(), movable=st.booleans())
    def take(self, *, order: int, kind: int, nofragment: bool, movable: bool) -> None:
        possible = self._possible(order)
        pfn = self.zone.rmqueue(order, kind, nofragment=nofragment, movable=movable)
        if pfn >= 0:
            self._hand_out(pfn, order, listed=False)
        elif not nofragment and not self._hidden():
            assert not possible, "a free range was not found"

    @rule(order=st.sampled_from((0, 1, 2, 3, 9)), kind=TYPES)
    def take_from_cpu_list(self, order: int, kind: int) -> None:
        before = self.zone.free_pages + self.pcp.count
        pfn = self.pcp.take(order, kind)
        if pfn >= 0:
            assert self.zone.free_pages + self.pcp.count == before - (1 << order)
            self._hand_out(pfn, order, listed=True)

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def give(self, pick: int) -> None:
        pfn, order, listed = self.held.pop(pick % len(self.held))
        if listed:
            self.pcp.free(pfn, order)
        else:
            self.zone.free(pfn, order)
            self.free[pfn : pfn + (1 << order)] = b"\x01" * (1 << order)

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def reserve(self, pick: int) -> None:
        self.zone.reserve_highatomic(self.held[pick % len(self.held)][0])

    @rule(kind=TYPES, force=st.booleans())
    def unreserve(self, *, kind: int, force: bool) -> None:
        before = self.zone.highatomic
        self.zone.unreserve_highatomic(kind, force=force)
        # More than one, where the first reaches beyond the zone and so cannot be moved
        assert 0 <= self.zone.highatomic <= before
        assert force or self.zone.highatomic == before or before > 512

    @rule()
    def drain(self) -> None:
        self.pcp.drain()
        assert self.pcp.count == 0

    def teardown(self) -> None:
        """Everything given back is everything there was, merged as far as it goes."""
        for pfn, order, _listed in self.held:
            self.zone.free(pfn, order)
        self.pcp.drain()
        whole = Zone(self.zone.shape)
        fill(whole)
        assert self.zone.blocks() == whole.blocks()
        assert self.zone.free_pages == END - START

    @invariant()
    def nothing_is_lost(self) -> None:
        held = sum(1 << order for _pfn, order, _listed in self.held)
        assert self.zone.free_pages + self.pcp.count + held == END - START

    @invariant()
    def free_blocks_are_disjoint_aligned_and_merged(self) -> None:
        listed = bytearray(END)
        heads = {}
        for pfn, order, kind in self.zone.free_blocks():
            assert pfn % (1 << order) == 0
            assert 0 <= kind <= HIGHATOMIC
            pages = slice(pfn, pfn + (1 << order))
            assert not any(listed[pages])
            listed[pages] = b"\x01" * (1 << order)
            heads[pfn] = order
        assert sum(listed) == self.zone.free_pages
        for pfn, order in heads.items():
            assert order == 10 or heads.get(pfn ^ (1 << order)) != order, "buddies not merged"
        # What the flags call free and the zone does not is on the per-CPU lists.
        absent = sum(mine and not theirs for mine, theirs in zip(self.free, listed, strict=True))
        owned = sum(1 << order for _pfn, order, one in self.held if one)
        assert absent == self.pcp.count + owned


ZoneMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
test_machine = pytest.mark.timeout(300)(ZoneMachine.TestCase)


class ClaimingZoneMachine(ZoneMachine):
    """The same with the fallbacks of 6.12 and later."""

    claims = True


ClaimingZoneMachine.TestCase.settings = ZoneMachine.TestCase.settings
test_claiming_machine = pytest.mark.timeout(300)(ClaimingZoneMachine.TestCase)


def test_a_block_cannot_be_freed_twice_or_outside() -> None:
    zone = ZoneMachine().zone
    pfn = zone.rmqueue(3, 0)
    zone.free(pfn, 3)
    for wrong in (zone.rmqueue(10, 0) * 0, END, -1):
        with pytest.raises(RecordError):
            zone.free(wrong, 3)

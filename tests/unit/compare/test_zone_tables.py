# SPDX-License-Identifier: GPL-2.0-only
"""The table by node and zone: a row of each for each arm, and none where there is one node."""

from dataclasses import replace

from made_up import BASE, plan_of, results_of

from harness.compare.outcome import Outcome
from harness.compare.zone_tables import zone_tables
from harness.compare.zones_seen import ZoneSeen


def zone(node: int, *, got: int, managed: int = 60_000) -> ZoneSeen:
    return ZoneSeen(
        node=node,
        zone="DMA32",
        managed=managed,
        cma=0,
        low=500,
        free_before=9000,
        free_after=1000 + got,
        whole_before=4,
        got=got,
    )


def with_zones(*zones: ZoneSeen) -> Outcome:
    return replace(BASE, zones=zones)


def test_each_arm_has_a_row_of_each_zone() -> None:
    off = [with_zones(zone(0, got=got), zone(1, got=9)) for got in (2, 4, 8)]
    new = [with_zones(zone(0, got=5), zone(1, got=0)) for _ in range(3)]
    (table,) = zone_tables(results_of(plan_of(), {"one": {"off": off, "new": new}}))

    assert table.title == "one, ten: by node and zone"
    assert table.head[:3] == ("arm", "zone", "blocks")
    assert [row[:3] for row in table.rows] == [
        ("off", "node 0 DMA32", "4 [2, 8]"),
        ("off", "node 1 DMA32", "9 [9, 9]"),
        ("new", "node 0 DMA32", "5 [5, 5]"),
        ("new", "node 1 DMA32", "0 [0, 0]"),
    ]
    assert table.rows[0][table.head.index("low")] == "500 [500, 500]"
    assert table.rows[0][table.head.index("free after")] == "1,004 [1,002, 1,008]"


def test_a_zone_without_pages_for_anyone_has_no_row() -> None:
    one = with_zones(zone(0, got=1), zone(1, got=0, managed=0))
    (table,) = zone_tables(results_of(plan_of(), {"one": {"off": [one]}}))

    assert [row[1] for row in table.rows] == ["node 0 DMA32"]


def test_guests_of_one_node_have_no_such_table() -> None:
    assert zone_tables(results_of(plan_of(), {"one": {"off": [BASE]}})) == ()

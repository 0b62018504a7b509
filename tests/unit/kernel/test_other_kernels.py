# SPDX-License-Identifier: GPL-2.0-only
"""Texts of kernels that are not read here are refused by the true reason."""

import pytest

from harness.errors import RecordError
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.vmstat import parse_vmstat

ZONE = "Node 0, zone   {name} {counts}\n"


def zone(name: str, orders: int) -> str:
    return ZONE.format(name=name, counts=" ".join("7" for _ in range(orders)))


def test_another_largest_order_is_no_damage() -> None:
    text = zone("DMA", 14) + zone("Normal", 14)
    with pytest.raises(RecordError, match="orders 0 to 13; it is whole, .* up to order 10"):
        parse_buddyinfo(text)
    for damaged in (zone("DMA", 11) + zone("Normal", 14), zone("DMA", 10)):
        with pytest.raises(RecordError, match="repeat the run"):
            parse_buddyinfo(damaged)


def test_the_counters_of_an_older_kernel_are_no_damage() -> None:
    counters = "nr_free_pages 615337\npgpgin 1\nswap_ra 0\nswap_ra_hit 0\n"
    with pytest.raises(RecordError, match="ends with 'swap_ra_hit 0', as before 5.8; it is whole"):
        parse_vmstat(counters)
    with pytest.raises(RecordError, match="cut short, .*repeat the run"):
        parse_vmstat("nr_free_pages 615337\npgpgin 1\n")

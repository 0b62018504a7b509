# SPDX-License-Identifier: GPL-2.0-only
"""A second opinion by real guests: a boot of each arm does and tells what the exact one does."""

import os
from pathlib import Path

import pytest

from harness import pipeline
from harness.compare.deciding import Ground
from harness.compare.measures import Measure
from harness.compare.plan_text import parse_plan
from harness.compare.second_opinion import Sign
from harness.jobs.second_opinion import asking, second_opinion

pytestmark = pytest.mark.vm

PLAN = """
name = "live"
why = "a trial"
memory_mib = 512
seeds = [1]
baseline = "off"
settle_s = 0
[[states]]
name = "movable_8"
make = "movable_8"
[[bursts]]
name = "nine"
order = 9
requests = 64
hold_until_fail = false
background_load = 200
[[arms]]
name = "off"
[[arms]]
name = "gone"
sysctls = { "vm.compaction_proactiveness" = 0 }
"""
GROUND = Ground(
    state="movable_8",
    burst="nine",
    arm="gone",
    against="off",
    question="got",
    measure=Measure.BLOCKS,
    mean=-20.0,
    base=64.0,
)


def test_a_boot_of_each_arm(tmp_path: Path) -> None:
    cache = pipeline.open_cache()
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL") or None
    built = pipeline.bootable(pipeline.KernelRequest(kernel=kernel), cache)
    plan = parse_plan(PLAN, "live")
    it = asking(plan, tmp_path / "out", (GROUND,), {plan.arms[0].kernel: built}, 1)

    opinion = second_opinion(it, "a trial", cache)

    assert [one.failure for one in opinion.booted] == ["", ""]
    assert {one.item.arm for one in opinion.booted} == {"off", "gone"}
    for one in opinion.booted:
        assert one.values is not None
        assert 0 < one.values[Measure.BLOCKS] <= 64
        assert one.values[Measure.WORK] > 0  # of nothing whole, a block is made
        assert one.values[Measure.BACKGROUND_FAILURES] == 0
        assert one.values[Measure.EXTFRAG_EVENTS] >= 0
    assert opinion.order.cpus == 2
    (told,) = opinion.told
    assert (told.sign, told.boots, told.boots_needed) == (Sign.UNTOLD, 1, 3)

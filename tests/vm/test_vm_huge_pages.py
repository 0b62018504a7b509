# SPDX-License-Identifier: GPL-2.0-only
"""Bursts of page faults for huge pages and of hugetlb's pool on a real guest."""

import pytest
from test_vm_compare import buddylab

from harness.compare.results import RESULTS, ArmResult, parse_results

pytestmark = pytest.mark.vm

PLAN = """
name = "huge_pages"
why = "Two kinds of burst from one memory; the first is run twice and must give the same bytes."
memory_mib = 512
seeds = [1]
baseline = "off"
[[states]]
name = "movable_8"
make = "movable_8"
[[bursts]]
name = "thp"
kind = "thp"
order = 9
hold_until_fail = false
background_load = 200
[[bursts]]
name = "hugetlb"
kind = "hugetlb"
order = 9
[[arms]]
name = "off"
policy = "off"
thp_defrag = "madvise"
"""


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ArmResult]:
    folder = tmp_path_factory.mktemp("huge")
    plan = folder / "huge_pages.toml"
    plan.write_text(PLAN)
    done = buddylab("compare", str(plan), "--output", str(folder / "out"))
    assert done.returncode == 0, done.stdout
    results = parse_results((folder / "out" / RESULTS).read_bytes(), RESULTS)
    return {one.burst: one for one in results.arms}


def test_huge_pages_are_got_within_the_bound_and_confirmed(arms: dict[str, ArmResult]) -> None:
    assert set(arms) == {"thp", "hugetlb"}
    for one in arms.values():
        assert one.outcome.whole_before < one.outcome.blocks <= one.outcome.bound.blocks


def test_faults_and_the_pool_are_counted_apart(arms: dict[str, ArmResult]) -> None:
    faults, pool = (arms[burst].outcome for burst in ("thp", "hugetlb"))
    assert faults.huge_pages is not None
    assert pool.huge_pages is not None
    assert faults.huge_pages.thp_fault_alloc == faults.blocks
    assert faults.huge_pages.htlb_buddy_alloc_success == 0
    assert pool.huge_pages.htlb_buddy_alloc_success == pool.blocks
    assert pool.huge_pages.thp_fault_alloc == 0
    assert faults.background_load is not None
    assert faults.background_load.attempts > 0

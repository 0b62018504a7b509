# SPDX-License-Identifier: GPL-2.0-only
"""The replay key: what executes is in it, prose and provenance are not; differences are named."""

from dataclasses import replace
from typing import Any

import pytest
import synthetic_run

from harness.record.key import key_differences, plan_lines, provenance_differences
from harness.values import BurstPlan

KEY = synthetic_run.key()
BURST = BurstPlan(order=10, requests=1, most_held=1, hold_until_fail=False)


def test_a_note_is_no_part_of_what_executes() -> None:
    plan = synthetic_run.planned()
    assert plan_lines([replace(stage, note="other words") for stage in plan]) == KEY.plan


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"command": "true"},
        {"prepare": "true"},
        {"cleanup": "true"},
        {"deadline_s": 61},
        {"burst": BURST},  # the guest waits for its prediction
    ],
)
def test_all_that_the_guest_reads_of_a_stage_is_part_of_the_key(change: dict[str, object]) -> None:
    first, *others = synthetic_run.planned()
    changed = replace(first, **change)  # type: ignore[arg-type]
    assert replace(KEY, plan=plan_lines([changed, *others])).digest != KEY.digest


def test_every_field_is_part_of_the_digest() -> None:
    values: dict[str, Any] = {
        name: ("x",) if isinstance(getattr(KEY, name), tuple) else "x"
        for name in KEY.__dataclass_fields__
    }
    changed = [replace(KEY, **{name: value}) for name, value in values.items()]
    assert len({KEY.digest, *(key.digest for key in changed)}) == len(changed) + 1
    assert [len(key_differences(KEY, key)) for key in changed] == [1] * len(changed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vmlinux_digest": "d" * 64}, f"vmlinux_digest: expected {'e' * 64}, found {'d' * 64}"),
        ({"qemu_version": "10.0.2"}, "qemu_version: expected 7.2.0, found 10.0.2"),
        (
            {"machine": "q35 -icount shift=4,sleep=off"},
            "machine: expected shift=3,sleep=off, found shift=4,sleep=off",
        ),
        ({"machine": f"{KEY.machine} -device x"}, "machine: expected (none), found -device x"),
        (
            {"kernel_command_line": "norandmaps nokaslr panic=-1"},
            "kernel_command_line: expected the same words, found in another order",
        ),
        ({"plan": ("verify\t-",)}, "plan 1: expected verify - - 60 0 uname -r; cat "),
        ({"plan": KEY.plan[:-1]}, "plan 6: expected high_order_final fragment 700 - 60 0 "),
    ],
)
def test_a_difference_names_its_field_and_both_values(change: dict[str, object], said: str) -> None:
    (difference,) = key_differences(KEY, replace(KEY, **change))  # type: ignore[arg-type]
    assert str(difference).startswith(said)


def test_differences_of_provenance_are_told_as_well() -> None:
    here = synthetic_run.provenance()
    there = replace(here, kernel_origin="debian:6.1 6.1.192-3", patches=here.patches[:1])
    assert [difference.what for difference in provenance_differences(here, there)] == [
        "kernel_origin",
        "patches 2",
    ]
    assert provenance_differences(here, here) == ()


def test_a_source_that_its_user_alone_has_is_named_by_its_content() -> None:
    made = synthetic_run.provenance()

    assert made.origin_told == made.kernel_origin == "5.15.180"
    local = replace(made, kernel_origin="local", source_digest="ab12" * 16)
    assert local.origin_told == "local source ab12ab12"
    commit = f"local commit {'ab' * 20}"
    assert replace(local, kernel_origin=commit).origin_told == commit

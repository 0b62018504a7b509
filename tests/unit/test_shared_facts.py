# SPDX-License-Identifier: GPL-2.0-only
"""What C, shell and Python must know alike is compared here, fact by fact."""

import re
from pathlib import Path

import pytest

from harness import limits
from harness.checks.identity import DEADLINE_PASSED
from harness.checks.last_resort_bounds import PLUGGED_ORDER
from harness.compare.states import HELD
from harness.model.state import GfpClass
from harness.texts.guest import background_load, module_records, turns
from harness.texts.proc.sysctl import Knob

ROOT = Path(__file__).resolve().parents[2]
HIGH_ORDER = "kmod/high_order_test.c"
HAMMER = "kmod/torture_hammer.c"
SCRIPTS = "vm/guest/scripts"


def define(name: str) -> str:
    """Return a pattern for the number of a C macro."""
    return rf"^#define {name}\s+(0x[0-9a-f]+|\d+)\b"


FACTS = [
    (limits.REQUESTS_MAX, HIGH_ORDER, define("HIGH_ORDER_REQUESTS_MAX")),
    (limits.REQUESTS_MAX, HIGH_ORDER, r"Number of requests \(1\.\.(\d+),"),
    (limits.REQUESTS_MAX, HIGH_ORDER, r"Most blocks held at a time \(1\.\.(\d+),"),
    (limits.PAUSE_MS_MAX, HIGH_ORDER, r"Pause between two requests, in ms \(0\.\.(\d+),"),
    (limits.PAUSE_MS_MAX // 1000, HIGH_ORDER, r"PAUSE_MS_MAX\s+\((\d+) \* MSEC_PER_SEC\)"),
    (limits.COMB_RESERVE_MIB, "kmod/unmovable_comb.c", r"reserve_mib = (\d+);"),
    (limits.COMB_RESERVE_MIB, "kmod/unmovable_comb.c", r"in MiB \(default (\d+)\)"),
    (limits.COMB_RESERVE_MIB, f"{SCRIPTS}/unmovable_comb.sh", r'reserve_mib="\$\{5:-(\d+)\}"'),
    (limits.ROUNDS_MAX, "kmod/reallocate.c", define("ROUNDS_MAX")),
    (limits.HAMMER_THREADS, HAMMER, define("HAMMER_PER_CPU")),
    (limits.HAMMER_PAIRS, HAMMER, define("HAMMER_PAIRS")),
    (limits.HAMMER_IRQ_PAIRS, HAMMER, define("HAMMER_IRQ_PAIRS")),
    (limits.HAMMER_IRQ_SHOTS, HAMMER, define("HAMMER_IRQ_SHOTS")),
    (limits.FREEZE_PORT, "vm/guest/init", r"freeze_port=(0x[0-9a-f]+)"),
    (limits.STOP_PORT, "vm/guest/init", r"stop_port=(0x[0-9a-f]+)"),
    (limits.FILLER_BYTES, "kmod/cross_check_free.c", define("FILLER_BYTES")),
    (PLUGGED_ORDER, f"{SCRIPTS}/run_torture.sh", r"unmovable_comb\.sh\" start 10 6 (\d+)"),
    (DEADLINE_PASSED, f"{SCRIPTS}/run_stage.sh", r"status=(124)"),
    (int(background_load.FORMAT_LINE.split()[1]), "kmod/background_load.c", define("LOAD_FORMAT")),
    (background_load.DRAWS, "kmod/background_load.c", define("LOAD_DRAWS")),
    (int(turns.FORMAT_LINE.split()[1]), "kmod/turns.c", define("TURNS_FORMAT")),
    (int(module_records.FORMAT_LINE.split()[1]), HIGH_ORDER, define("HIGH_ORDER_FORMAT")),
]


@pytest.mark.parametrize(("value", "file", "pattern"), FACTS)
def test_a_number_is_the_same_wherever_it_stands(value: int, file: str, pattern: str) -> None:
    found = re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)

    assert found, f"{file} no longer has {pattern}"
    assert {int(number, 0) for number in found} == {value}


def test_what_tight_states_hold_is_what_their_script_takes() -> None:
    text = (ROOT / SCRIPTS / "make_state.sh").read_text()
    mib = {name: int(number) for name, number in re.findall(r"^(\w+)=(\d+)$", text, re.MULTILINE)}

    assert HELD["tight"] == (mib["victims"] * mib["victim_mib"] * 256, 0)
    assert HELD["cached"] == (HELD["tight"][0], mib["cached_mib"] * 256)


def test_a_deadline_fits_its_pattern() -> None:
    (pattern,) = re.findall(
        r"\[\[ \$4 =~ (\S+) \]\]", (ROOT / SCRIPTS / "run_stage.sh").read_text()
    )

    assert re.fullmatch(pattern, str(limits.DEADLINE_S_MAX))
    assert not re.fullmatch(pattern, str(limits.DEADLINE_S_MAX + 1))


def test_the_classes_of_gfp_are_the_module_s() -> None:
    text = (ROOT / HIGH_ORDER).read_text()
    table = text.partition("high_order_gfp_classes[] = {")[2].partition("};")[0]

    assert re.findall(r'\{ "(\w+)"', table) == list(GfpClass)


def test_the_policy_s_knobs_are_those_a_snapshot_saves() -> None:
    saved = re.findall(r'"(adaptive_compaction_\w+)"', (ROOT / "vm/guest/snapshot.c").read_text())

    assert sorted(f"vm.{name}" for name in saved) == sorted(Knob)


def test_scripts_have_the_policy_s_knobs_from_their_library() -> None:
    (prefix,) = re.findall(
        r"^policy_sysctls=(\S+)$", (ROOT / SCRIPTS / "lib.sh").read_text(), re.MULTILINE
    )
    named = {
        path.name
        for path in (ROOT / SCRIPTS).iterdir()
        if "adaptive_compaction" in path.read_text()
    }

    assert named == {"lib.sh"}
    assert all(knob.startswith(f"{prefix}_") for knob in Knob)

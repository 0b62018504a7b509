# SPDX-License-Identifier: GPL-2.0-only
"""A run folder is believed only when it is whole."""

from dataclasses import replace

import pytest
import synthetic_run
from synthetic_run import PATCHES, broken, identity, stage, whole_run, with_sums

from harness.errors import RecordError
from harness.record.saved_run import parse_run
from harness.record.saved_stage import parse_stage
from harness.texts.proc.monitor_details import DETAIL_FILES, LAST_RESORT_FILE
from harness.values import StagePlan


def test_a_whole_run_is_read() -> None:
    run = synthetic_run.parsed()

    assert [each.name for each in run.stages] == [name for name, _ in synthetic_run.STAGES]
    assert run.guest.uname_r == synthetic_run.RELEASE
    assert run.monitored
    assert len(run.snapshots) == 12
    final = run.stage("high_order_final")
    assert final.prepare_output == "700 MiB fragmented\n"
    assert final.deltas[10].slowpath == 40
    assert final.vmstat_delta("compact_stall") == 39
    assert final.records is not None
    assert len(final.records.allocations) == 128


def test_every_missing_file_is_missed() -> None:
    files = stage("high_order_final")
    optional = {"prepare"} | {
        f"{when}/{name}"
        for when in ("before", "after")
        for name in ("buddy_monitor", "unusable_index", LAST_RESORT_FILE, *DETAIL_FILES)
    }

    for path in files:
        rest = {name: data for name, data in files.items() if name != path}
        with pytest.raises(RecordError, match=r"sha256sums|absent"):
            parse_stage(rest, name="high_order_final")
        if path not in optional | {"sha256sums"}:
            with pytest.raises(RecordError, match="absent"):
                parse_stage(with_sums(rest), name="high_order_final")


def test_every_truncated_file_is_noticed() -> None:
    files = stage("high_order_final")

    for path, data in files.items():
        cut = files | {path: data[: len(data) // 2]}
        with pytest.raises(RecordError):
            parse_stage(cut, name="high_order_final")


def test_one_flipped_bit_is_noticed() -> None:
    files = stage("baseline")

    for path, data in files.items():
        with pytest.raises(RecordError):
            parse_stage(files | {path: bytes([data[0] ^ 1]) + data[1:]}, name="baseline")


def test_a_file_nobody_listed_is_refused() -> None:
    with pytest.raises(RecordError, match="not listed"):
        parse_stage(stage("baseline") | {"after/extra": b"x\n"}, name="baseline")


def test_digests_as_find_prints_them_are_read() -> None:
    files = stage("baseline")
    dotted = files["sha256sums"].replace(b"  ", b"  ./")

    record = parse_stage(files | {"sha256sums": dotted}, name="baseline")
    assert record.digest == parse_stage(files, name="baseline").digest


def test_bytes_that_are_no_text_are_refused_but_programs_may_print_them() -> None:
    files = stage("baseline")

    shown = parse_stage(with_sums(files | {"output": b"\xff\n"}), name="baseline")
    assert shown.output == "\ufffd\n"
    with pytest.raises(RecordError, match="UTF-8"):
        parse_stage(with_sums(files | {"after/vmstat": b"\xff\n"}), name="baseline")


def test_a_zone_lost_from_buddyinfo_is_missed() -> None:
    run = broken("baseline", "after/buddyinfo", r"^Node 0, zone    DMA32.*\n", "")

    with pytest.raises(RecordError, match="zones differ"):
        synthetic_run.parsed(run)


def test_a_missing_stage_is_an_error() -> None:
    for name, _command in synthetic_run.STAGES:
        run = whole_run()
        del run[name]
        with pytest.raises(RecordError, match=f"{name}: the stage is absent"):
            synthetic_run.parsed(run)


def test_a_stage_the_key_does_not_name_is_an_error() -> None:
    with pytest.raises(RecordError, match="no such stage"):
        synthetic_run.parsed(whole_run() | {"extra": stage("baseline")})


def test_another_command_than_planned_is_an_error() -> None:
    with pytest.raises(RecordError, match="the guest ran"):
        synthetic_run.parsed(broken("stress_ng", "command", "--vm 4", "--vm 1"))


def test_a_key_without_verify_is_an_error() -> None:
    plan = StagePlan(
        name="baseline",
        command="scripts/collect_metrics.sh baseline",
        prepare="",
        cleanup="",
        deadline_s=1,
        note="",
    )
    with pytest.raises(RecordError, match="verify"):
        parse_run({"baseline": stage("baseline")}, replace(identity(), stages=(plan,)))
    with pytest.raises(RecordError, match="name each once"):
        parse_run({}, replace(identity(), stages=()))


@pytest.mark.parametrize("name", ["high_order_early", "high_order_final"])
def test_a_module_stage_without_records_says_how_its_command_ended(name: str) -> None:
    files = {path: data for path, data in stage(name).items() if path != "records"}

    with pytest.raises(RecordError, match="exit status 0"):
        parse_stage(with_sums(files), name=name)


def test_a_preparation_that_left_no_trace_is_an_error() -> None:
    run = whole_run()
    run["high_order_final"] = with_sums(
        {path: data for path, data in run["high_order_final"].items() if path != "prepare"}
    )

    with pytest.raises(RecordError, match="preparation"):
        synthetic_run.parsed(run)


def test_a_clock_that_does_not_move_is_an_error() -> None:
    run = broken("stress_ng", "after/time", r"monotonic_ns=\d+", "monotonic_ns=1")

    with pytest.raises(RecordError, match="not after"):
        synthetic_run.parsed(run)


def without_monitor(*names: str) -> dict[str, synthetic_run.Files]:
    run = whole_run()
    for name in names or tuple(run):
        run[name] = with_sums(
            {path: data for path, data in run[name].items() if "monitor" not in path}
        )
    return run


def test_a_kernel_without_monitor_is_read_only_if_no_patch_adds_it() -> None:
    run = parse_run(without_monitor(), identity(patches=()))

    assert not run.monitored
    with pytest.raises(RecordError, match="CONFIG_BUDDY_MONITOR"):
        assert run.stages[0].deltas
    # The first patch counts, and shows nothing yet.
    assert not parse_run(without_monitor(), identity(patches=PATCHES[:1])).monitored
    with pytest.raises(RecordError, match="buddy_monitor is absent"):
        parse_run(without_monitor(), identity(patches=PATCHES[:2]))
    with pytest.raises(RecordError, match="buddy_monitor is absent"):
        parse_run(without_monitor(), identity())
    with pytest.raises(RecordError, match="buddy_monitor is absent"):
        parse_run(without_monitor("baseline"), identity(patches=()))

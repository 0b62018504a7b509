# SPDX-License-Identifier: GPL-2.0-only
"""The comparison's stage without a guest: what is kept, resumed, refused and told."""

import gzip
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import fake_guest
import pytest
from made_up import outcome, plan_of, results_of
from pretended_comparison import EARLY, OFF, PREPARED, TEXT, SavedTexts, compared
from valid_json import faults

from harness.cli.main import main
from harness.compare.arm_invariants import arms_beyond_bound
from harness.compare.outcome import STOPPED
from harness.compare.page import report_text
from harness.compare.results import RESULTS, parse_results
from harness.compare.upper_bound import UpperBound
from harness.errors import Exit, GuestLostError, HostError, RecordError, UserError
from harness.host.cache import Cache
from harness.jobs import replayable
from harness.jobs.replay import Replayed, replays
from harness.jobs.saved_arm import SavedArm, find

PROMISING = TEXT.replace(
    'prepare = "make"', 'prepare = "bash scripts/make_state.sh movable_8 start"'
)


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SavedTexts:
    """Saved texts in place of guests; their QEMU is asked what it is, and never started."""
    fake_guest.install(monkeypatch, tmp_path, "good")
    return SavedTexts(tmp_path)


def test_all_arms_run_and_the_first_one_twice(tmp_path: Path, guests: SavedTexts) -> None:
    results = compared(tmp_path, guests)
    assert len(results.arms) == 6
    assert guests.boots == 3
    assert len(guests.commands) == 7  # the first seed's first arm once more
    assert parse_results((tmp_path / "out" / RESULTS).read_bytes(), "it") == results
    assert list((tmp_path / "cache/tmp").iterdir()) == []


def test_keys_differ_by_arm_and_seed(tmp_path: Path, guests: SavedTexts) -> None:
    results = compared(tmp_path, guests)
    assert guests.boots == 3
    assert len({one.key for one in results.arms}) == 6
    assert len({one.digest for one in results.arms}) == 2


def test_what_is_finished_is_not_run_again(tmp_path: Path, guests: SavedTexts) -> None:
    first = compared(tmp_path, guests)
    guests.commands.clear()
    lost = tmp_path / "out/arms/kept/ten/seed-2/off.json"
    lost.unlink()
    assert compared(tmp_path, guests) == first
    assert len(guests.commands) == 1
    assert "mode=2" not in guests.commands[0]


def test_kept_results_alone_can_be_gone_on_with(tmp_path: Path, guests: SavedTexts) -> None:
    """As a folder below docs/results has them: without the arms' own files."""
    whole = compared(tmp_path, guests)
    out = tmp_path / "out"
    shutil.rmtree(out / "arms")
    shutil.rmtree(out / "states")
    guests.boots = 0
    assert compared(tmp_path, guests) == whole
    assert guests.boots == 0


def test_one_lost_guest_costs_one_arm(tmp_path: Path, guests: SavedTexts) -> None:
    def spoil(number: int, files: dict[str, bytes]) -> dict[str, bytes]:
        if number == 4:
            raise GuestLostError("panic", "gone")
        return files

    guests.spoil = spoil
    with pytest.raises(GuestLostError, match="gone"):
        compared(tmp_path, guests)
    kept = list((tmp_path / "out/arms").rglob("*.json"))
    assert len(kept) == 5
    guests.spoil = lambda _, files: files
    assert len(compared(tmp_path, guests).arms) == 6


def test_an_arm_that_is_not_repeatable_is_no_result(
    tmp_path: Path, guests: SavedTexts, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(_number: int, files: dict[str, bytes]) -> dict[str, bytes]:
        files["output"] += b"%d\n" % len(guests.commands)
        return files

    guests.spoil = spoil
    with pytest.raises(RecordError):
        compared(tmp_path, guests)
    # The spoilt arms are damaged as well; which of them ends first is up to the threads.
    assert re.search(r"seed-1/off: .* differs when run twice \(output line \d+: saved", caplog.text)


def test_another_plan_does_not_mix_into_a_folder(tmp_path: Path, guests: SavedTexts) -> None:
    compared(tmp_path, guests)
    guests.commands.clear()
    with pytest.raises(UserError, match="differs in its plan's seeds"):
        compared(tmp_path, guests, TEXT.replace("seeds = [1, 2, 3]", "seeds = [1, 2]"))
    assert guests.commands == []


def test_what_is_predicted_may_change_in_a_folder(tmp_path: Path, guests: SavedTexts) -> None:
    first = compared(tmp_path, guests)
    guests.commands.clear()
    predicted = (
        TEXT.replace("a trial", "another thought")
        + """
[[claims]]
says = "as many"
arm = "early-full"
measure = "blocks"
relation = "equal"
"""
    )
    again = compared(tmp_path, guests, predicted)
    assert guests.commands == []
    assert again.arms == first.arms
    assert (tmp_path / "out/plan.toml").read_text() == predicted
    assert (
        "| as many | HIT | kept | ten | early-full: blocks equal off |"
        in (tmp_path / "out/report.md").read_text()
    )


def test_another_kernel_does_not_mix_into_a_folder(tmp_path: Path, guests: SavedTexts) -> None:
    compared(tmp_path, guests)
    known = guests.kernel.vmlinux_digest
    guests.change_kernel()
    with pytest.raises(UserError, match=f"kernel patched's vmlinux_digest: expected {known[:8]}"):
        compared(tmp_path, guests)
    assert guests.boots == 3


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, guests: SavedTexts) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("dear")
    with pytest.raises(UserError, match="holds no comparison"):
        compared(tmp_path, guests)
    assert guests.boots == 0


@pytest.mark.parametrize("left", ["kernels.json", ".kernels.json.0a1b2c3d", ".plan.toml.0a1b2c3d"])
def test_a_comparison_that_was_killed_as_it_began_goes_on(
    left: str, tmp_path: Path, guests: SavedTexts
) -> None:
    compared(tmp_path, guests)
    whole = (tmp_path / "out/kernels.json").read_bytes()
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / left).write_bytes(whole)
    assert len(compared(tmp_path, guests).arms) == 6


def test_each_arm_of_each_state_and_seed_has_a_key_of_its_own(
    tmp_path: Path, guests: SavedTexts
) -> None:
    two = TEXT.replace("[[bursts]]", '[[states]]\nname = "other"\nprepare = "else"\n[[bursts]]')
    results = compared(tmp_path, guests, two)

    assert len(results.arms) == 12
    assert len({one.key for one in results.arms}) == 12


def test_the_table_tells_blocks_interval_and_key(tmp_path: Path, guests: SavedTexts) -> None:
    results = compared(tmp_path, guests)
    text = report_text(results)
    assert guests.boots == 3
    row = next(line for line in text.splitlines() if line.startswith("early-full"))
    assert "193 [193, 193]" in row
    assert "97.5 %" in row
    assert "+0.0 [+0.0, +0.0]" in row
    assert "0:0" in row
    first = next(one for one in results.arms if (one.arm, one.seed) == ("early-full", 1))
    assert row.endswith(first.key[:16])
    # Heads and rows: two arms, their work, their latency; the map; what predicts, each a row.
    report = (tmp_path / "out/report.md").read_text()
    rules = report.count("\n| ---")
    assert rules == 5
    assert report.count("\n| ") == rules + 9 + 2 + 8
    assert "\n| kept | ten | NOTHING +0.0, scanned +" not in report
    assert "\n| kept | ten | COSTS +0.0, scanned +" in report


def test_a_kept_invariant_is_in_the_results_and_told(tmp_path: Path, guests: SavedTexts) -> None:
    results = compared(tmp_path, guests, PROMISING)
    assert guests.boots == 3
    assert [one.seed for one in results.states] == [1, 2, 3]
    assert all(one.quantities and not one.broken for one in results.states)
    lines = (tmp_path / "out/report.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("- state kept: ")]
    assert "as expected in 3 of 3 boots; nearest to its limit" in line
    assert "(!)" not in "".join(lines)


def _not_as_expected(guests: SavedTexts) -> None:
    """Twelve blocks of order 10 where the report expects few."""
    name = "after/buddyinfo"
    head, _, last = PREPARED[name].decode().rstrip().rpartition(" ")
    spoilt = f"{head} {int(last) + 12} \n".encode()
    guests.prepared_files = {**PREPARED, name: spoilt}


def test_a_broken_invariant_is_a_failure_and_marks_its_arms(
    tmp_path: Path, guests: SavedTexts
) -> None:
    _not_as_expected(guests)
    said = (
        r"kept seed \d patched: the memory is not what its state must be "
        r"\(free blocks of order 10: \d+, expected"
    )
    with pytest.raises(RecordError, match=said):
        compared(tmp_path, guests, PROMISING)
    results = parse_results((tmp_path / "out" / RESULTS).read_bytes(), "it")
    assert len(results.arms) == 6
    assert all(one.broken for one in results.states)
    report = (tmp_path / "out/report.md").read_text()
    assert "- state kept: BROKEN in 3 of 3 boots (!): seed 1 patched free blocks" in report
    assert "### kept (!), ten\n" in report
    # Nothing is left to run, and it is told again.
    guests.boots = 0
    with pytest.raises(RecordError, match=said):
        compared(tmp_path, guests, PROMISING)
    assert guests.boots == 0


def test_a_invariant_that_cannot_be_read_stands_for_no_arm(
    tmp_path: Path, guests: SavedTexts
) -> None:
    guests.prepared_files = {**PREPARED, "output": b"insmod: no such file\n"}
    with pytest.raises(RecordError, match=r"kept seed \d patched: state report"):
        compared(tmp_path, guests, PROMISING)
    assert guests.commands == []


def test_arms_of_one_state_begin_with_the_same_memory(tmp_path: Path, guests: SavedTexts) -> None:
    compared(tmp_path, guests)
    (tmp_path / "out/arms/kept/ten/seed-2/off.json").unlink()
    _not_as_expected(guests)
    guests.commands.clear()
    with pytest.raises(RecordError, match="differs from the one that earlier arms began with"):
        compared(tmp_path, guests)
    assert guests.commands == []


def report_only(folder: Path, text: str = TEXT, *words: str) -> int:
    plan = folder / "plan.toml"
    plan.write_text(text)
    return main(["compare", str(plan), "--output", str(folder / "out"), "--report-only", *words])


def test_a_comparison_answers_as_json(
    tmp_path: Path, guests: SavedTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = '[[claims]]\nsays = "it"\narm = "early-full"\nmeasure = "blocks"\n'
    text = f'{TEXT}{claim}relation = "equal"\n'
    compared(tmp_path, guests, text)

    assert report_only(tmp_path, text, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert faults("compare", answer) == []
    assert faults("compare", {**answer, "arms": "six"}) != []
    assert answer["folder"] == str(tmp_path / "out")
    assert (answer["states"], answer["broken_states"], answer["arms"]) == (3, 0, 6)
    (one,) = answer["claims"]
    assert (one["says"], one["state"], one["burst"], one["fate"]) == ("it", "kept", "ten", "HIT")
    assert one["found"]["difference"]["count"] == 3


@pytest.mark.parametrize("lost", [["arms", "states", "kernels.json", "plan.toml"], [RESULTS]])
def test_the_report_is_made_anew_without_a_guest(
    lost: list[str], tmp_path: Path, guests: SavedTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    compared(tmp_path, guests)
    guests.boots = 0
    out = tmp_path / "out"
    report = (out / "report.md").read_text()
    results = (out / RESULTS).read_bytes()
    (out / "lost").mkdir()
    for name in ("report.md", *lost):
        (out / name).rename(out / "lost" / name)
    assert report_only(tmp_path) == 0
    assert guests.boots == 0
    assert (out / "report.md").read_text() == report
    assert (out / RESULTS).read_bytes() == results
    assert "Map: each arm against off" in capsys.readouterr().out


def test_a_report_of_another_plan_or_of_nothing_is_refused(
    tmp_path: Path, guests: SavedTexts, caplog: pytest.LogCaptureFixture
) -> None:
    assert report_only(tmp_path) == Exit.USAGE
    assert "holds neither arms nor results.json.gz" in caplog.text
    compared(tmp_path, guests)
    assert guests.boots == 3
    assert report_only(tmp_path, TEXT.replace("order = 10", "order = 9")) == Exit.USAGE
    assert "differs in its plan's bursts; name its own plan" in caplog.text


def test_a_report_tells_broken_invariants(
    tmp_path: Path, guests: SavedTexts, caplog: pytest.LogCaptureFixture
) -> None:
    _not_as_expected(guests)
    with pytest.raises(RecordError):
        compared(tmp_path, guests, PROMISING)
    caplog.clear()
    assert report_only(tmp_path, PROMISING) == Exit.STAGE
    assert "kept seed 2 patched: the memory is not what" in caplog.text


def _more_than_there_is(files: dict[str, bytes]) -> dict[str, bytes]:
    """As if the stopped guest had no range that can be cleared."""
    dump = re.sub(
        rb"free=\d+ clearable=\d+$", b"free=0 clearable=0", files[STOPPED], flags=re.MULTILINE
    )
    return files | {STOPPED: dump}


def test_an_arm_beyond_its_bound_is_a_failure_and_kept(
    tmp_path: Path, guests: SavedTexts, caplog: pytest.LogCaptureFixture
) -> None:
    guests.spoil = lambda number, files: _more_than_there_is(files) if number > 4 else files
    said = r"kept/ten/seed-\d/early-full: \d+ blocks of at most 0: no way of compacting"
    with pytest.raises(RecordError, match=said):
        compared(tmp_path, guests)
    results = parse_results((tmp_path / "out" / RESULTS).read_bytes(), "it")
    assert len(results.arms) == 6
    report = (tmp_path / "out/report.md").read_text()
    assert "- BEYOND THE UPPER BOUND in " in report
    # Nothing is left to run, and it is told again, by the report alone as well.
    guests.boots = 0
    with pytest.raises(RecordError, match=said):
        compared(tmp_path, guests)
    assert guests.boots == 0
    caplog.clear()
    assert report_only(tmp_path) == Exit.STAGE
    assert re.search(said, caplog.text)


def test_a_range_that_the_kernel_left_meanwhile_is_within_the_bound() -> None:
    bound = UpperBound(by_pages=9, by_ranges=6, withheld=0)
    cell = {"off": [replace(outcome(blocks=7), bound=bound)]}
    (error,) = arms_beyond_bound(results_of(plan_of(), {"one": cell}))
    assert "7 blocks of at most 6" in str(error)
    one = replace(outcome(blocks=7), bound=bound, opened=1)
    assert arms_beyond_bound(results_of(plan_of(), {"one": {"off": [one]}})) == ()
    # Pages are not made by it.
    many = replace(outcome(blocks=10), bound=bound, opened=5)
    assert len(arms_beyond_bound(results_of(plan_of(), {"one": {"off": [many]}}))) == 1


def replayed(found: SavedArm, guests: SavedTexts, cache: Cache) -> Replayed:
    it = replayable.saved_arm(found, guests.what, cache)
    (answer,) = replays(it, guests.what, cache, times=1, anyway=False, guests=guests)
    return answer


def test_replay_gives_the_same_or_the_first_line(
    tmp_path: Path, guests: SavedTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = compared(tmp_path, guests)
    one = results.arms[3]
    found = find(one.key[:12], (tmp_path,))
    assert found.result == one
    cache = Cache(tmp_path / "cache")
    assert str(replayed(found, guests, cache)).endswith(f"the same to the byte, {one.digest}")

    def spoil(_number: int, files: dict[str, bytes]) -> dict[str, bytes]:
        return OFF if files["records"] == EARLY["records"] else EARLY

    monkeypatch.chdir(tmp_path)

    def other_memory(_number: int, files: dict[str, bytes]) -> dict[str, bytes]:
        return files | {STOPPED: files[STOPPED].replace(b" considered=0 ", b" considered=1 ", 1)}

    # What no digest of the guest's own covers is held to what was kept.
    guests.spoil = other_memory
    assert replayed(found, guests, cache).difference.startswith(f"{STOPPED} line ")
    guests.spoil = spoil
    answer = replayed(found, guests, cache)
    assert answer.difference.startswith("after/buddy_monitor line ")
    kept = Path(answer.difference.partition("all that came is in ")[2])
    assert (kept / "after/vmstat").read_bytes() == spoil(0, found_texts(found))["after/vmstat"]
    raw = next((tmp_path / "out/arms/kept/ten").glob(f"seed-{one.seed}/{one.arm}.tar.gz"))
    raw.unlink()
    assert "differing line is unknown" in str(replayed(found, guests, cache))


def found_texts(found: SavedArm) -> dict[str, bytes]:
    return dict(EARLY if found.run.arm.name == "early-full" else OFF)


def test_an_arm_that_something_else_would_execute_is_refused(
    tmp_path: Path, guests: SavedTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = compared(tmp_path, guests)
    found = find(results.arms[0].key, (tmp_path,))
    cache = Cache(tmp_path / "cache")
    known, guests.boots = guests.kernel, 0
    guests.change_kernel()
    told = f"(?s)not be the same.*vmlinux_digest: expected {known.vmlinux_digest[:8]}"
    with pytest.raises(RecordError, match=told):
        replayed(found, guests, cache)
    guests.kernel = known
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU_VERSION", "10.0.2")
    with pytest.raises(HostError, match=r"(?s)qemu_version: expected 7.2.22.*found 10.0.2.*--any"):
        replayed(found, guests, cache)
    assert guests.boots == 0


def test_an_arm_that_this_version_would_launch_otherwise_is_refused(
    tmp_path: Path, guests: SavedTexts
) -> None:
    results = compared(tmp_path, guests)
    found = find(results.arms[0].key, (tmp_path,))
    made = found.kernel
    old = replace(made, key=replace(made.key, machine="q34"))
    strange = replace(
        found,
        kernels=replace(found.kernels, kernels=(old,)),
        result=replace(found.result, key="0" * 64),
    )
    told = rf"(?s)machine: .*q34.*commit {made.provenance.project_commit} of this"
    guests.boots = 0
    with pytest.raises(RecordError, match=told):
        replayed(strange, guests, Cache(tmp_path / "cache"))
    assert guests.boots == 0


def test_results_of_another_schema_hide_no_key(
    tmp_path: Path, guests: SavedTexts, caplog: pytest.LogCaptureFixture
) -> None:
    results = compared(tmp_path, guests)
    assert guests.boots == 3
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / RESULTS).write_bytes(gzip.compress(b'{"schema": 1}'))
    one = results.arms[0]
    assert find(one.key, (tmp_path,)).result == one
    assert "has schema 1" in caplog.text


@pytest.mark.parametrize(("key", "said"), [("abc", "short for a key"), ("f" * 64, "no arm has")])
def test_a_key_that_names_nothing(key: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        find(key, (tmp_path,))

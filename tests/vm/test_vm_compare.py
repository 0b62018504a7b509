# SPDX-License-Identifier: GPL-2.0-only
"""`buddylab compare` on real guests: arms from one memory, resumed, and replayed to the byte."""

import os
import signal
import subprocess  # noqa: TID251 - the command as a user types it
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from harness.compare.burst_seen import DIGITS, UNITS
from harness.compare.results import RESULTS, Results, packed, parse_results, unpacked, zipped
from harness.errors import Exit
from harness.texts.guest.burst_view import parse_burst_view
from harness.texts.guest.free_dump import parse_free_dump

pytestmark = pytest.mark.vm

LIMIT_S = 1500
SMOKE = "vm/plans/smoke.toml"


def command(*arguments: str) -> list[str]:
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL")
    which = ("--kernel", kernel) if kernel else ()
    return [sys.executable, "-m", "harness", *arguments, *which]


def buddylab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(command(*arguments))


def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a verb that is asked for no kernel."""
    return run([sys.executable, "-m", "harness", *arguments])


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Begin, kill the command once an arm is kept, and run it to its end."""
    path = tmp_path_factory.mktemp("compare") / "out"
    argv = command("compare", SMOKE, "--output", str(path))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        end = time.monotonic() + LIMIT_S
        while not list(path.rglob("arms/*/*/seed-*/*.json")):
            assert first.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=30)
    assert guests_of(path) == []
    kept = {file: file.stat().st_mtime_ns for file in path.rglob("arms/*/*/seed-*/*.json")}
    done = buddylab("compare", SMOKE, "--output", str(path))
    sys.stdout.write(done.stdout)
    assert done.returncode == 0
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    return path


def guests_of(path: Path) -> list[str]:
    """List QEMUs whose files lie below `path`, or in the memory of a comparison that ended."""
    time.sleep(1.0)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"qemu-system" in words[0] and any(str(path).encode() in word for word in words):
            found.append(process.name)
    return found


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return parse_results((folder / RESULTS).read_bytes(), RESULTS)


def test_all_arms_are_there_and_none_beats_the_bound(results: Results) -> None:
    assert len(results.arms) == 4
    for one in results.arms:
        assert 0 < one.outcome.blocks <= one.outcome.bound.blocks


def test_arms_begin_with_identical_memory(folder: Path) -> None:
    seeds = list((folder / "arms").rglob("seed-*"))
    assert len(seeds) == 2
    for seed in seeds:
        off, early = (
            unpacked((seed / f"{arm}.tar.gz").read_bytes(), arm) for arm in ("off", "early-full")
        )
        same = [path for path in off if path.startswith("before/") or path == "stopped_free"]
        assert len(same) > 15
        assert [path for path in same if off[path] != early[path]] == []


def test_frames_are_the_free_memory_of_the_same_instant(folder: Path) -> None:
    raw = sorted((folder / "arms").rglob("*.tar.gz"))
    assert len(raw) == 4
    for path in raw:
        files = unpacked(path.read_bytes(), path.name)
        view = parse_burst_view(files["burst"].decode())
        dump = parse_free_dump(files["stopped_free"].decode())
        assert view.stopped is not None
        assert [zone.name for zone in view.stopped] == [zone.name for zone in dump.zones]
        for zone, told in zip(view.stopped, dump.zones, strict=True):
            listed = sum(
                count << order for one in told.free for order, count in enumerate(one.blocks)
            )
            assert sum(block.free for block in zone.pageblocks) == listed
            assert sum(block.cached for block in zone.pageblocks) == told.pcp
            assert len(zone.pageblocks) == sum(count for _, count in told.pageblocks or ())


def test_frames_show_the_state_and_what_the_burst_made_of_it(results: Results) -> None:
    # Of one seed alone, which the report draws.
    drawn = [(one, seen) for one in results.arms if (seen := one.outcome.seen) is not None]
    assert len(drawn) == len(results.arms) // 2
    for one, seen in drawn:
        # 330 MiB of which every eighth page stays: 4 of 32 units of most pageblocks are movable.
        units = [DIGITS.index(digit) for digit in seen.before.movable_shares]
        combed = [count for count in units if 0 < count < UNITS // 2]
        assert len(combed) > 100
        assert median(combed) == UNITS // 8
        assert seen.before.movable > 330 * 256 // 8
        assert seen.before.held == 0
        assert seen.after.held == one.outcome.blocks << 10
        assert seen.after.held_shares.count("w") == 2 * one.outcome.blocks
        line = seen.time_line
        assert (line.requests[-1], line.got[-1]) == (one.outcome.requests, one.outcome.blocks)
        assert len(line.requests) > 16
        scanned = line.counters["compact_migrate_scanned"]
        assert 0 < scanned[-1] <= one.outcome.work.migrate_scanned


def test_the_policy_acts_in_its_arm_alone(results: Results) -> None:
    for one in results.arms:
        assert one.outcome.monitored is not None
        assert (one.outcome.monitored.adaptive > 0) == (one.arm == "early-full")


def test_replay_gives_the_same_bytes(folder: Path, results: Results) -> None:
    done = buddylab("replay", results.arms[1].key, "--results", str(folder))
    assert done.returncode == 0, done.stdout
    assert "the same to the byte" in done.stdout


def test_replay_tells_the_first_line_that_differs(folder: Path, results: Results) -> None:
    one = replace(results.arms[0], digest="0" * 64)
    other = folder.parent / "other"
    raw = next(folder.rglob(f"{one.state}/{one.burst}/seed-{one.seed}/{one.arm}.tar.gz"))
    copy = other / raw.relative_to(folder)
    copy.parent.mkdir(parents=True)
    files = unpacked(raw.read_bytes(), one.arm)
    files["after/buddyinfo"] = files["before/buddyinfo"]
    copy.write_bytes(packed(files))
    (other / RESULTS).write_bytes(zipped(replace(results, arms=(one,))))
    done = buddylab("replay", one.key, "--results", str(other))
    assert done.returncode == 1, done.stdout
    assert "DIFFERS: after/buddyinfo line " in done.stdout


def test_a_bundle_replays_where_nothing_was_built(
    folder: Path, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "arm.tar"
    told = ["bundle", results.arms[1].key, "--results", str(folder), "--output", str(file)]
    assert harness(*told).returncode == 0
    monkeypatch.setenv("BUDDYLAB_CACHE", str(tmp_path / "cache"))
    done = harness("replay", str(file), "--times", "2")
    assert done.returncode == 0, done.stdout
    assert "2 of 2 identical" in done.stdout
    assert not (tmp_path / "cache/kernels").exists()

    content = bytearray(file.read_bytes())
    content[len(content) - 100_000] ^= 1
    file.write_bytes(content)
    done = harness("replay", str(file))
    assert done.returncode == Exit.USAGE
    assert f"{file} was changed: vmlinux: expected sha256 " in done.stdout

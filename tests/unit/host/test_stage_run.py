# SPDX-License-Identifier: GPL-2.0-only
"""A run against a pretended QEMU: good, and every way in which a guest gets lost."""

import dataclasses
import hashlib
import io
import json
import os
import signal
import subprocess  # noqa: TID251 - a harness of its own, to be interrupted
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import fake_guest
import pytest
from command_line import CHILDS_PATH
from fake_guest import Bench, FakeQemu

from harness.errors import GuestLostError, HostError, RecordError, StageError
from harness.host import results, standstill
from harness.record.key import RunIdentity
from harness.stages import boot
from harness.stages import run as run_stage
from harness.values import CONSOLE_LOG
from harness.workloads import paper as experiments

Start = Callable[..., tuple[Bench, FakeQemu]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    """Return a function that installs a scenario and makes all waits short."""

    def prepare(scenario: str) -> tuple[Bench, FakeQemu]:
        monkeypatch.setattr(boot, "SILENCE_S", 3.0)
        monkeypatch.setattr(boot, "_POWER_OFF_LIMIT_S", 0.3)
        monkeypatch.setattr(run_stage, "_COLLECT_S", -1.4)
        bench = fake_guest.make_bench(tmp_path)
        fake = fake_guest.install(monkeypatch, tmp_path, "good")
        boot.measured_speed(bench.what, fake_guest.make_settings(), bench.cache)
        fake.log.unlink()
        monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", scenario)
        return bench, fake

    return prepare


def go(bench: Bench, *names: str) -> RunIdentity:
    return run_stage.run(
        bench.build,
        bench.image,
        fake_guest.make_plan(*(names or ("one", "two"))),
        fake_guest.make_settings(),
        folder=bench.folder,
        cache=bench.cache,
    )


def test_a_good_run_brings_everything_home(start: Start) -> None:
    bench, fake = start("good")
    seen: list[tuple[str, int, int]] = []
    key = run_stage.run(
        bench.build,
        bench.image,
        fake_guest.make_plan("one", "two"),
        fake_guest.make_settings(),
        folder=bench.folder,
        cache=bench.cache,
        progress=lambda *step: seen.append(step),
    )
    assert seen == [("one", 1, 2), ("two", 2, 2)]
    assert (bench.folder / "raw/two/output").read_text() == "output of two\n"
    assert (bench.folder / "console.log").read_text().startswith("[    0.0] Linux")
    assert not (bench.folder / "results.tar").exists()
    assert not (bench.folder / "qemu.log").exists()
    assert json.loads((bench.folder / "host.json").read_text())["stage_s"].keys() == {"one", "two"}
    assert key.digest == key.key.digest
    assert fake.survivors() == []


def test_the_replay_key_depends_on_the_inputs_alone(start: Start, tmp_path: Path) -> None:
    bench, _ = start("good")
    first = go(bench)
    again = go(dataclasses.replace(bench, folder=tmp_path / "elsewhere"))
    assert again == first
    assert go(bench, "one", "three").digest != first.digest
    assert first.key.vmlinux_digest == hashlib.sha256(b"kernel").hexdigest()
    elsewhere = dataclasses.replace(bench.build.tree.source, origin="debian:6.1 6.1.192-3")
    tree = dataclasses.replace(bench.build.tree, source=elsewhere, series_digest="q" * 64)
    build = dataclasses.replace(bench.build, tree=tree, compiler="gcc 14", config_digest="e" * 64)
    other = go(dataclasses.replace(bench, build=build, folder=tmp_path / "third"))
    assert other.digest == first.digest
    assert other.provenance != first.provenance
    assert str(tmp_path) not in json.dumps(dataclasses.asdict(first), default=str)


@pytest.mark.parametrize("name", ["kernel/vmlinux", "initramfs.cpio"])
def test_an_altered_file_is_found_before_it_is_launched(
    start: Start, tmp_path: Path, name: str
) -> None:
    bench, fake = start("good")
    file = tmp_path / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(StageError, match=f"{file} was altered since it was made: sha256"):
        go(bench)
    assert fake.starts() == []


@pytest.mark.parametrize(
    ("scenario", "reason", "text"),
    [
        ("panic", "panic", r"in stage one; console: Oops: 0002"),
        ("panic-and-hang", "panic", r"no sign of life .* before it was ready; console: Oops"),
        ("silent", "hang", r"no sign of life for 3 s, before it was ready"),
        ("hang", "hang", r"no sign of life for 3 s, after it was ready"),
        ("stage-hang", "deadline", r"stage one not over within 1 s"),
        ("exit", "exit", r"QEMU ended with status 3 after it was ready"),
        ("ignores-term", "hang", r"no sign of life"),
    ],
)
def test_a_lost_guest_is_told_and_gone(
    start: Start, monkeypatch: pytest.MonkeyPatch, scenario: str, reason: str, text: str
) -> None:
    monkeypatch.setattr("harness.host.command.KILL_GRACE_S", 0.3)
    bench, fake = start(scenario)
    with pytest.raises(GuestLostError, match=text) as error:
        go(bench)
    assert error.value.reason == reason
    assert error.value.exit_code == 5
    assert fake.survivors() == []
    assert (bench.folder / "host.json").exists()


def test_a_chatty_guest_meets_the_whole_deadline(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, fake = start("chatty")
    monkeypatch.setattr(boot, "READY_LIMIT_S", 0.5)
    with pytest.raises(GuestLostError, match="not done within") as error:
        go(bench)
    assert error.value.reason == "deadline"
    assert fake.survivors() == []


def test_qemu_that_does_not_start_is_the_hosts_fault(start: Start) -> None:
    bench, _ = start("refuses")
    with pytest.raises(HostError, match="cannot set up guest memory"):
        go(bench)


def test_a_stage_that_fails_in_the_guest_is_a_stage_error(start: Start) -> None:
    bench, _ = start("failed")
    with pytest.raises(StageError, match=r"(?s)one: failed in the guest: exit 3.*prepare failed"):
        go(bench)


@pytest.mark.parametrize(
    ("scenario", "text"),
    [
        ("truncated", r"cut short|did not arrive whole"),
        ("no-results", "sent no results"),
        ("wrong-sum", "output is not what its sha256sums says"),
        ("lacking", "stage one lacks after/vmstat"),
        ("garbage", "no status line"),
    ],
)
def test_bad_records_are_never_a_pass(start: Start, scenario: str, text: str) -> None:
    bench, fake = start(scenario)
    with pytest.raises(RecordError, match=text):
        go(bench)
    assert fake.survivors() == []


def test_noise_between_archives_is_harmless(start: Start) -> None:
    bench, _ = start("noise-in-results")
    go(bench)
    assert (bench.folder / "raw/one/output").exists()


def test_a_guest_that_does_not_power_off_is_ended(start: Start) -> None:
    bench, fake = start("lingers")
    go(bench)
    assert fake.survivors() == []
    # It would tell where this host's Python is.
    assert not (bench.folder / "qemu.log").exists()


def test_a_second_run_into_the_same_folder_replaces_the_first(start: Start) -> None:
    bench, _ = start("good")
    go(bench)
    go(bench)
    assert (bench.folder / "raw/one/output").read_text() == "output of one\n"


def test_too_little_memory_is_the_hosts_fault() -> None:
    with pytest.raises(HostError, match="use --scale small"):
        boot.require_memory(1 << 30)
    told = r"^2 guests of 1073741824 MiB need about 2147484288 MiB, .* or use a smaller --jobs$"
    with pytest.raises(HostError, match=told):
        boot.require_memory(1 << 30, guests=2)


_HARNESS = """
from pathlib import Path
import fake_guest
from harness.stages import run
bench = fake_guest.make_bench(Path({tmp!r}))
run.run(bench.build, bench.image, fake_guest.make_plan("one"), fake_guest.make_settings(),
        folder=bench.folder, cache=bench.cache)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_qemu_survives_its_harness(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    _, fake = start("stage-hang")
    harness = subprocess.Popen(
        [sys.executable, "-c", _HARNESS.format(tmp=str(tmp_path))],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": CHILDS_PATH},
    )
    wait_for(lambda: bool(fake.survivors()))
    os.kill(harness.pid, number)
    harness.wait(timeout=20)
    wait_for(lambda: not fake.survivors())


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_plan_text() -> None:
    stages = fake_guest.make_plan("one", "two")
    full = dataclasses.replace(stages[1], prepare="p 1", cleanup="c")
    assert run_stage.plan_text((stages[0], full)) == (
        "one\t-\t-\t1\t0\techo one\ntwo\tp 1\tc\t1\t0\techo two\n"
    )


@pytest.mark.parametrize(
    "change", [{"command": "a\nb"}, {"prepare": "a\tb"}, {"name": "a b"}, {"command": ""}]
)
def test_plan_text_refuses_what_would_tear_its_lines(change: dict[str, str]) -> None:
    (stage,) = fake_guest.make_plan("one")
    with pytest.raises(StageError):
        run_stage.plan_text((dataclasses.replace(stage, **change),))  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", list(experiments.Scale))
def test_the_papers_stages_can_be_told_to_a_guest(scale: experiments.Scale) -> None:
    stages = experiments.stages(scale)
    assert [stage.name for stage in stages] == [
        "verify", "baseline", "predict_easy_4", "predict_easy_5", "predict_easy_6",
        "predict_easy_7", "predict_easy_8", "predict_easy_10", "predict_edge_10", "stress_ng",
        "fragment_stress", "high_order_early", "high_order_final", "torture",
        "predict_hopeless_6", "predict_hopeless_10",
    ]  # fmt: skip
    lines = run_stage.plan_text(stages).splitlines()
    predicted = [line.split("\t")[0] for line in lines if line.split("\t")[4] == "1"]
    assert predicted == [
        stage.name for stage in stages if stage.name.startswith(("predict_", "high_order_"))
    ]
    assert all(stage.note for stage in stages)


def test_a_kernel_without_the_monitor_is_not_asked_for_its_file() -> None:
    scale = experiments.Scale.SMALL
    for with_it, without in (
        (experiments.stages(scale), experiments.stages(scale, monitored=False)),
        (
            experiments.prediction_stages(1024, seed=1),
            experiments.prediction_stages(1024, seed=1, monitored=False),
        ),
    ):
        assert [stage.name for stage in without] == [stage.name for stage in with_it]
        assert [stage.name for stage in with_it if "buddy_monitor" in stage.command] == ["verify"]
        assert not any("buddy_monitor" in stage.command for stage in without)
        assert without[1:] == with_it[1:]


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    buffer.seek(0)
    return buffer


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd" if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
    return info


@pytest.mark.parametrize(
    "info",
    [
        member("/etc/passwd"),
        member("one/../../x"),
        member("../x"),
        member("two/x"),
        member("one"),
        member("one/.hidden"),
        member("one/a/b/c/d"),
        member("one/x y"),
        member("one/x", tarfile.SYMTYPE),
        member("one/x", tarfile.LNKTYPE),
        member("one/x", tarfile.CHRTYPE),
        member("one/x", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type!r}",
)
def test_unpack_refuses(tmp_path: Path, info: tarfile.TarInfo) -> None:
    with pytest.raises(RecordError):
        results.unpack(archive((info, b"")), ("one",), tmp_path / "raw")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_unpack_refuses_a_name_twice(tmp_path: Path) -> None:
    twice = archive((member("one/x"), b"1"), (member("one/x"), b"2"))
    with pytest.raises(RecordError, match="twice"):
        results.unpack(twice, ("one",), tmp_path)


def test_unpack_limits_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_MAX_FILE_BYTES", 10)
    with pytest.raises(RecordError, match="up to 10 bytes"):
        results.unpack(archive((member("one/x"), b"1" * 11)), ("one",), tmp_path)
    monkeypatch.setattr(results, "GUEST_FILE_BYTES_MAX", 100)
    with pytest.raises(RecordError, match="more than 100"):
        results.unpack(archive((member("one/x"), b"")), ("one",), tmp_path)


@pytest.mark.parametrize("cut", [1, 511, 513, 1500, 3000])
def test_a_cut_stream_is_never_complete(tmp_path: Path, cut: int) -> None:
    digest = "a" * 64
    whole = archive(
        (member("one/x"), b"1" * 3000), (member("one/sha256sums"), f"{digest}  x\n".encode())
    ).getvalue()
    content = 512 + 3072 + 512 + 67
    with pytest.raises(RecordError):
        unpack_and_check(whole[: content - cut], tmp_path)


def unpack_and_check(content: bytes, raw: Path) -> None:
    results.unpack(io.BytesIO(content), ("one",), raw)
    results.check_complete(raw, ("one",))


@pytest.mark.parametrize("sums", ["", "nonsense\n", "a" * 64 + "  x", "a" * 63 + "  x\n"])
def test_damaged_sums_are_an_error(tmp_path: Path, sums: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/x").write_text("x")
    (tmp_path / "one/sha256sums").write_text(sums)
    with pytest.raises(RecordError, match="sha256sums"):
        results.check_complete(tmp_path, ("one",))


def test_a_file_without_a_sum_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"holds extra, not in"):
        unpack_and_check(
            archive(
                (member("one/extra"), b""),
                (member("one/x"), b""),
                (
                    member("one/sha256sums"),
                    b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  x\n",
                ),
            ).getvalue(),
            tmp_path,
        )


def test_a_guest_that_hangs_at_boot_is_told_with_where_it_stands_and_what_to_try(
    start: Start,
) -> None:
    bench, fake = start("silent")
    with pytest.raises(GuestLostError) as error:
        go(bench)
    said = str(error.value)
    for text in (
        "no sign of life for 3 s, before it was ready",
        "CPU 0 was at 0xffffffff81000010, no function of the kernel each of 3 times",
        f"registers: {bench.folder / 'registers.txt'}; ",
        f"backtraces: {bench.folder / 'backtraces.txt'}, printed upon an NMI, of CPU 0; ",
        "its console is empty",
        "it was tried with QEMU 7.2.22 (Fake 1:7.2): -accel tcg,thread=single",
        "-cpu max,rdrand=off,rdseed=off,erms=off; ",
        "try another QEMU (--qemu PATH or SUITE) and the kernel without the series (--upto 0)",
    ):
        assert text in said
    assert fake.survivors() == []
    assert (bench.folder / "registers.txt").read_text().count("RIP=ffffffff81000010") == 3
    assert "fault_hang+0x3/0x10" in (bench.folder / "backtraces.txt").read_text()
    # What it was made to print is no word of its own, and the panic is ours.
    assert (bench.folder / CONSOLE_LOG).read_bytes() == b""
    assert error.value.reason == "hang"


def test_a_guest_that_no_nmi_reaches_is_told_without_traces(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standstill, "_ANSWER_OF_SEVERAL_S", 0.3)
    bench, fake = start("hang-with-nmi-masked")
    with pytest.raises(GuestLostError, match=r"of 3 times; registers: .*; an NMI made it print no"):
        go(bench)
    assert not (bench.folder / "backtraces.txt").exists()
    assert fake.survivors() == []


def test_a_guest_that_resets_itself_is_told_by_qemus_event(start: Start) -> None:
    bench, _ = start("resets")
    with pytest.raises(GuestLostError) as error:
        go(bench)
    assert "status 0 after it was ready (the guest reset itself)" in str(error.value)
    assert "; QEMU: SHUTDOWN guest=true reason=guest-reset (reset); the whole" in str(error.value)
    assert error.value.reason == "exit"


def test_a_qemu_whose_monitor_does_not_answer_is_no_second_hang(start: Start) -> None:
    bench, _ = start("silent-and-deaf")
    with pytest.raises(GuestLostError, match=r"where it stands is not known \(no QEMU answers"):
        go(bench)

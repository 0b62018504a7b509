# SPDX-License-Identifier: GPL-2.0-only
"""The status lines, and what follows from their absence."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import GuestLostError, RecordError
from harness.host import status_channel as channel
from harness.host.deadline import Deadline
from harness.host.status_channel import (
    Done,
    Event,
    Failed,
    Guest,
    Hello,
    Limits,
    Ready,
    StageBegin,
    StageEnd,
    StagePredict,
    StatusReader,
)
from harness.texts.alarms.loss import cause_of

GREETING = "buddylab status 1\nbuddylab ready uptime_s=1.25\n"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("buddylab status 1", Hello(1)),
        ("buddylab ready uptime_s=1.25", Ready(1.25)),
        ("buddylab stage verify begin", StageBegin("verify")),
        ("buddylab stage verify predict", StagePredict("verify")),
        ("buddylab stage high_order_final end exit=124", StageEnd("high_order_final", 124)),
        ("buddylab done exit=0", Done(0)),
        ("buddylab failed stage=init exit=2", Failed("init", 2)),
    ],
)
def test_known_lines(line: str, event: Event) -> None:
    assert channel.parse_line(line) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "done exit=0",
        "buddylab",
        "buddylab done",
        "buddylab done exit=",
        "buddylab done exit=0 ",
        "buddylab done exit=-1",
        "buddylab buddylab done exit=0",
        "buddylab stage ../etc begin",
        "buddylab stage  begin",
        "[    1.000000] buddylab done exit=0",
    ],
)
def test_everything_else_is_refused(line: str) -> None:
    with pytest.raises(RecordError, match="no status line"):
        channel.parse_line(line)


def test_another_protocol_is_refused() -> None:
    with pytest.raises(RecordError, match="status version 2, this harness 1"):
        channel.parse_line("buddylab status 2")


@given(st.text())
def test_any_text_is_an_event_or_a_record_error(line: str) -> None:
    with contextlib.suppress(RecordError):
        channel.parse_line(line)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_in_any_pieces_are_events_or_a_record_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, piece: int
) -> None:
    path = tmp_path_factory.mktemp("status") / "status.log"
    reader = StatusReader(path)
    with contextlib.suppress(RecordError), path.open("ab", buffering=0) as file:
        for start in range(0, len(content), piece):
            file.write(content[start : start + piece])
            list(reader.new_events())


def test_a_line_counts_once_its_newline_is_there(tmp_path: Path) -> None:
    path = tmp_path / "status.log"
    reader = StatusReader(path)
    assert list(reader.new_events()) == []
    path.write_text(GREETING + "buddylab done ex")
    assert list(reader.new_events()) == [Hello(1), Ready(1.25)]
    with path.open("a") as file:
        file.write("it=0\n")
    assert list(reader.new_events()) == [Done(0)]
    assert list(reader.new_events()) == []


@pytest.mark.parametrize("text", ["buddylab ready uptime_s=1\n", "buddylab status 1\n" * 2])
def test_the_version_comes_first_and_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "status.log"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"before its version line|a second time"):
        list(StatusReader(path).new_events())


def make_guest(
    tmp_path: Path, status: str, *, exit_status: Callable[[], int | None] = lambda: None
) -> Guest:
    (tmp_path / "status.log").write_text(status)
    return Guest(
        exit_status=exit_status,
        console=tmp_path / "console.log",
        results=tmp_path / "results.tar",
        emulator_log=tmp_path / "qemu.log",
        reader=StatusReader(tmp_path / "status.log"),
    )


def make_limits(*, whole_s: float = 5.0, silence_s: float = 5.0, stage_s: float = 5.0) -> Limits:
    return Limits(
        whole=Deadline.after(whole_s, "the run"), silence_s=silence_s, stage_s={"one": stage_s}
    )


def test_done_is_followed_with_all_events_on_the_way(tmp_path: Path) -> None:
    text = GREETING + "buddylab stage one begin\nbuddylab stage one end exit=0\n"
    guest = make_guest(tmp_path, text + "buddylab done exit=0\n")
    events: list[Event] = []
    end = channel.follow(guest, make_limits(), until=Done, on_event=events.append)
    assert end == Done(0)
    assert events == [Hello(1), Ready(1.25), StageBegin("one"), StageEnd("one", 0), Done(0)]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            0,
            r"QEMU ended with status 0 before it was ready \(the guest powered off or reset itself",
        ),
        (3, "QEMU ended with status 3 before it was ready; its console is empty"),
        (-9, r"QEMU ended with status -9 \(Killed\) before it was ready"),
    ],
)
def test_the_end_of_qemu_is_told_by_who_brought_it(tmp_path: Path, status: int, told: str) -> None:
    guest = make_guest(tmp_path, "buddylab status 1\n", exit_status=lambda: status)
    with pytest.raises(GuestLostError, match=told):
        channel.follow(guest, make_limits(), until=Done)


def test_what_was_written_before_the_exit_counts(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, GREETING + "buddylab done exit=0\n", exit_status=lambda: 0)
    assert channel.follow(guest, make_limits(), until=Done) == Done(0)


def test_failed_is_an_answer_too(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, "buddylab status 1\nbuddylab failed stage=init exit=2\n")
    assert channel.follow(guest, make_limits(), until=Ready) == Failed("init", 2)


def test_exit_without_done_is_a_loss_even_with_status_0(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, GREETING, exit_status=lambda: 0)
    (tmp_path / "qemu.log").write_text("qemu: something broke\n")
    with pytest.raises(GuestLostError, match="status 0 after it was ready .*something broke") as e:
        channel.follow(guest, make_limits(), until=Done)
    assert e.value.reason == "exit"


def test_panic_is_told_from_the_console_once_the_guest_is_lost(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, GREETING, exit_status=lambda: 0)
    lines = [f"[    1.000000] line {number}" for number in range(60)]
    lines += [
        "[    1.000000] Oops: 0002 [#1] SMP",
        "[    1.100000] Kernel panic - not syncing: Fatal",
    ]
    (tmp_path / "console.log").write_text("\r\n".join(lines))
    with pytest.raises(GuestLostError, match="Oops: 0002") as error:
        channel.follow(guest, make_limits(), until=Done)
    assert error.value.reason == "panic"
    assert "line 22" in str(error.value)
    assert "line 21" not in str(error.value)  # the last 40 lines


def test_words_of_panic_on_the_console_of_a_done_guest_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text("Kernel panic - not syncing: just kidding")
    guest = make_guest(tmp_path, GREETING + "buddylab done exit=0\n")
    assert channel.follow(guest, make_limits(), until=Done) == Done(0)


def test_done_before_ready_is_a_loss(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, "buddylab status 1\nbuddylab done exit=0\n")
    with pytest.raises(GuestLostError, match="before it was ready"):
        channel.follow(guest, make_limits(), until=Ready)


def test_silence_is_a_hang(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, GREETING)
    with pytest.raises(GuestLostError, match="no sign of life for 0 s") as error:
        channel.follow(guest, make_limits(silence_s=0.1), until=Done)
    assert error.value.reason == "hang"


def test_a_stage_may_be_silent_until_its_own_limit(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, GREETING + "buddylab stage one begin\n")
    with pytest.raises(GuestLostError, match="stage one not over within 0 s") as error:
        channel.follow(guest, make_limits(silence_s=0.05, stage_s=0.3), until=Done)
    assert error.value.reason == "deadline"


def test_the_whole_has_a_deadline(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, GREETING)
    with pytest.raises(GuestLostError, match="not done within 0 s, after it was ready") as error:
        channel.follow(guest, make_limits(whole_s=0.1), until=Done)
    assert error.value.reason == "deadline"


def test_a_stage_outside_of_the_plan_is_refused(tmp_path: Path) -> None:
    guest = make_guest(tmp_path, GREETING + "buddylab stage two begin\n")
    with pytest.raises(RecordError, match="not in the plan"):
        channel.follow(guest, make_limits(), until=Done)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[    1.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!", "hang"),
        ("[    1.000000] rcu: INFO: rcu_sched self-detected stall on CPU", "hang"),
        ("[    1.000000] INFO: task kworker blocked for more than 120 seconds.", "hang"),
        ("[    1.000000] Out of memory: Killed process 12 (bash)", "memory"),
        (
            "[    1.000000] kernel BUG at mm/a.c:1\n[    1.000000] Kernel panic - not syncing: x",
            "panic",
        ),
    ],
)
def test_causes(text: str, kind: str) -> None:
    cause = cause_of(text)
    assert cause is not None
    assert cause.kind == kind


def test_a_quiet_console_has_no_cause() -> None:
    assert cause_of("[    1.000000] all is well\nBUG: a survived one") is None


def test_console_tail_is_printable(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"a\x1b[2Jb\r\n\xff\n")
    assert channel.console_tail(path) == "a?[2Jb\n\ufffd\n"

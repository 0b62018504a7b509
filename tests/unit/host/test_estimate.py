# SPDX-License-Identifier: GPL-2.0-only
"""When a job ends, by what it took before and by how fast it goes now."""

import io
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.host import progress as shown
from harness.host.estimate import FILE, Estimate, Memory, Past, told
from harness.host.progress import progress

# One stage takes half of the time.
STAGES = Past(units=4, seconds=(10.0, 50.0, 30.0, 10.0))


def job(past: Past | None = STAGES, *, total: int | None = 4, already: int = 0) -> Estimate:
    return Estimate(total=total, started_s=100.0, past=past, already=already)


def test_the_end_is_known_from_the_beginning() -> None:
    assert job().left_s(100.0) == pytest.approx(100)
    assert job().left_s(104.0) == pytest.approx(96)


def test_stages_count_by_what_they_took() -> None:
    one = job()
    one.advance(1, 110.0)
    assert one.left_s(110.0) == pytest.approx(90)
    one.advance(2, 160.0)
    assert one.left_s(165.0) == pytest.approx(35)


def test_a_slower_machine_is_learnt() -> None:
    one = job()
    one.advance(1, 120.0)
    one.advance(2, 220.0)
    left_s = one.left_s(220.0)

    assert left_s
    assert 75 < left_s < 80  # twice as long as the 40 of before, nearly


def test_a_stage_that_takes_longer_never_counts_below_the_rest() -> None:
    assert job().left_s(500.0) == pytest.approx(90)


def test_nothing_is_said_where_nothing_tells() -> None:
    assert job(None).left_s(150.0) is None
    assert job(total=None).left_s(150.0) is None
    for alike in (True, False):
        first = Estimate(total=4, started_s=100.0, alike=alike)
        first.advance(1, 110.0)
        assert first.left_s(110.0) == (pytest.approx(30) if alike else None)


def test_what_was_done_before_takes_no_time() -> None:
    """A comparison that goes on: its arms of before are not why it is fast."""
    one = job(None, total=100, already=90)
    one.advance(91, 110.0)

    assert one.left_s(110.0) == pytest.approx(90)
    assert one.went(200.0, units=100) is None


def test_more_lines_than_the_last_time() -> None:
    one = job(Past(units=100, seconds=(5.0, 5.0)), total=100)
    one.advance(130, 112.0)

    assert one.left_s(115.0) == 0


def test_how_it_went() -> None:
    one = job(None)
    one.advance(1, 110.0)
    one.advance(2, 160.0)
    one.advance(3, 190.0)

    assert one.went(200.0, units=4) == STAGES


def test_many_units_are_kept_as_few_parts() -> None:
    one = job(None, total=None)
    for line in range(1, 4001):
        one.advance(line, 100.0 + line / 100 + (60 if line == 4000 else 0))

    went = one.went(200.0, units=one.done)

    assert went
    assert (went.units, len(went.seconds)) == (4000, 40)
    assert sum(went.seconds) == pytest.approx(100)
    assert went.seconds[0] == pytest.approx(1)
    assert went.seconds[-1] > 60  # the last line links


@settings(max_examples=20)
@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=40), st.integers(1, 100))
def test_a_job_that_goes_as_before_ends_when_it_was_told(seconds: list[float], units: int) -> None:
    past = Past(units=units, seconds=tuple(seconds[:units]))
    whole_s = sum(past.seconds)
    one = Estimate(total=units, started_s=0.0, past=past)
    for done in range(1, units + 1):
        now_s = one._weight(done)
        one.advance(done, now_s)
        left_s = one.left_s(now_s)
        assert left_s is not None
        assert abs(left_s - (whole_s - now_s)) <= 1e-6 * whole_s


@pytest.mark.parametrize(
    ("left_s", "text"),
    [
        (None, ""),
        (0.0, "about 5 s left"),
        (42.0, "about 40 s left"),
        (95.0, "about 2 min left"),
        (3600.0 * 1.5, "about 1 h 30 min left"),
    ],
)
def test_it_is_told_as_roughly_as_it_is_known(left_s: float | None, text: str) -> None:
    assert told(left_s) == text


def test_memory_keeps_the_last_time_and_forgives_damage(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "run small")
    assert memory.recall() is None
    memory.keep(STAGES)
    Memory(tmp_path, "build").keep(Past(units=1, seconds=(3.0,)))
    assert memory.recall() == STAGES

    (tmp_path / FILE).write_text("{")
    assert memory.recall() is None
    memory.keep(STAGES)
    assert memory.recall() == STAGES


def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now_s = [0.0]
    monkeypatch.setattr("harness.host.progress.time.monotonic", lambda: now_s[0])
    return now_s


def test_plain_lines_tell_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = clock(monkeypatch)
    caplog.set_level(logging.INFO)
    memory = Memory(tmp_path, "run")
    for told_before in ([], ["1 of 4 stages stage 2", "2 of 4 stages stage 3"]):
        assert caplog.messages[:2] == told_before
        caplog.clear()
        with progress("run", total=4, unit="stages", memory=memory) as advance:
            for done, took_s in enumerate(STAGES.seconds):
                advance(done, f"stage {done + 1}")
                now_s[0] += took_s

    assert [record.getMessage() for record in caplog.records] == [
        "1 of 4 stages stage 2, about 2 min left",
        "2 of 4 stages stage 3, about 40 s left",
        "3 of 4 stages stage 4, about 10 s left",
    ]
    assert memory.recall() == STAGES


def test_a_job_that_fails_is_not_remembered(tmp_path: Path) -> None:
    memory = Memory(tmp_path, "run")

    with pytest.raises(ZeroDivisionError), progress("run", total=2, unit="x", memory=memory):
        raise ZeroDivisionError

    assert memory.recall() is None


def test_other_stages_are_another_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = clock(monkeypatch)
    caplog.set_level(logging.INFO)
    memory = Memory(tmp_path, "run")
    memory.keep(STAGES)

    with progress("run", total=5, unit="stages", memory=memory) as advance:
        now_s[0] += 20
        advance(0, "one")

    assert caplog.messages == ["0 of 5 stages one"]


def test_a_person_sees_a_bar_that_counts_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = clock(monkeypatch)
    out = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")  # rich draws no bar on a dumb one, as CI may have
    terminal = Console(file=out, force_terminal=True, width=120)
    monkeypatch.setattr(shown, "console", terminal)
    monkeypatch.setattr(shown, "watched", lambda: True)
    monkeypatch.setattr(logging.getLogger("run"), "level", logging.INFO)
    memory = Memory(tmp_path, "run")
    memory.keep(STAGES)

    with progress("run", total=4, unit="stages", memory=memory) as advance:
        now_s[0] += 10
        advance(1, "the second")
        now_s[0] += 50

    text = out.getvalue()
    assert "1/4" in text
    assert "the second" in text
    assert "about 40 s left" in text

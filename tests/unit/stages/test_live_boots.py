# SPDX-License-Identifier: GPL-2.0-only
"""The job of a second opinion without a guest: what is booted, kept, gone on with and refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fake_guest
import pytest
from live_guests import Blocks, SavedLiveGuests
from pretended_comparison import TEXT

from harness.compare.deciding import Ground
from harness.compare.measures import Measure
from harness.compare.plan_text import parse_plan
from harness.compare.second_opinion import SecondOpinion, Sign
from harness.errors import HostError, StageError, UserError
from harness.host import load
from harness.host.cache import Cache
from harness.jobs import second_opinion as job
from harness.jobs.second_opinion import Asking, second_opinion
from harness.values import Accelerator, RunMode, StagePlan

GROUND = Ground(
    state="kept",
    burst="ten",
    arm="early-full",
    against="off",
    question="got",
    measure=Measure.BLOCKS,
    mean=20.0,
    base=100.0,
)
BY_CLOCK = replace(GROUND, question="latency", measure=Measure.LATENCY_P99, mean=900.0)

Ask = Callable[..., SecondOpinion]


def by_arm(more: int = 20) -> Blocks:
    """The policy's arm gets so many blocks more; boots differ by a few."""
    return lambda _what, arm, boot: 100 + boot % 3 + (more if "mode=2" in arm.command else 0)


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    fake_guest.install(monkeypatch, tmp_path, "good")
    monkeypatch.setattr(job, "require_quiet", lambda *_: None)
    bench = fake_guest.make_bench(tmp_path)
    plan = parse_plan(TEXT, "small")
    return Asking(
        plan=plan,
        folder=tmp_path / "out",
        grounds=(GROUND, BY_CLOCK),
        kernels={plan.arms[0].kernel: bench.what},
        boots=3,  # the fewest that tell one sign
    )


def ask(it: Asking, guests: SavedLiveGuests) -> SecondOpinion:
    return second_opinion(it, "a trial", Cache(it.folder.parent / "cache"), guests)


def test_each_arm_is_booted_as_often_and_the_sign_is_told(asking: Asking) -> None:
    guests = SavedLiveGuests(by_arm())
    opinion = ask(asking, guests)

    (one,) = opinion.told
    assert (one.sign, one.boots, one.against_boots) == (Sign.HOLDS, 3, 3)
    assert (opinion.by_clock, opinion.others) == ((BY_CLOCK,), 0)
    assert [each.item for each in opinion.booted] == list(opinion.order.items)
    saved = json.loads((asking.folder / "second_opinion.json").read_text())
    assert [each["item"]["number"] for each in saved["booted"]] == list(range(1, 7))
    assert "holds" in (asking.folder / "second_opinion.md").read_text()
    assert len(list((asking.folder / "second_opinion/boots").glob("*.tar.gz"))) == 6
    assert not (asking.folder / "report.html").exists()


def test_a_guest_is_live_and_does_what_the_exact_arm_does(asking: Asking) -> None:
    guests = SavedLiveGuests(by_arm())
    ask(asking, guests)

    for (state, arm), settings in guests.booted:
        assert (settings.mode, settings.cpus, settings.memory_mib) == (RunMode.LIVE, 2, 512)
        assert state.command == "make"
        assert "mm_page_alloc_extfrag/trigger" in state.prepare
        assert arm.command.startswith("bash scripts/run_arm.sh ")
        assert arm.prepare == arm.cleanup == ""
    assert {settings.seed for _, settings in guests.booted} == {1, 2, 3}


@pytest.mark.parametrize(
    ("more", "sign"), [(-20, Sign.DOES_NOT_HOLD), (1, Sign.UNTOLD), (20, Sign.HOLDS)]
)
def test_what_live_guests_do_decides(asking: Asking, more: int, sign: Sign) -> None:
    assert ask(asking, SavedLiveGuests(by_arm(more))).told[0].sign is sign


def test_latencies_are_asked_where_the_machine_is_real(asking: Asking) -> None:
    opinion = ask(asking, SavedLiveGuests(by_arm(), Accelerator.KVM))

    assert [one.ground for one in opinion.told] == [GROUND, BY_CLOCK]
    # Of saved texts, which are all alike.
    assert [one.sign for one in opinion.told] == [Sign.HOLDS, Sign.DOES_NOT_HOLD]
    assert opinion.by_clock == ()


def test_it_goes_on_where_it_was_interrupted(asking: Asking) -> None:
    guests = SavedLiveGuests(by_arm())

    def interrupt(number: int) -> None:
        if number == 4:
            raise KeyboardInterrupt

    guests.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        ask(asking, guests)
    kept = sorted((asking.folder / "second_opinion/boots").glob("*.json"))
    assert [path.stem for path in kept] == ["001", "002", "003", "004"]
    assert not (asking.folder / "second_opinion.json").exists()
    guests.before = lambda _: None
    opinion = ask(asking, guests)
    assert (len(guests.booted), len(opinion.booted)) == (6, 6)
    again = ask(asking, guests)
    assert (len(guests.booted), again) == (6, opinion)


def test_more_boots_are_added_and_fewer_take_none_away(asking: Asking) -> None:
    guests = SavedLiveGuests(by_arm())
    assert ask(replace(asking, boots=2), guests).told[0].sign is Sign.UNTOLD
    assert ask(asking, guests).told[0].sign is Sign.HOLDS
    assert len(guests.booted) == 6
    assert ask(replace(asking, boots=1), guests).told[0].boots == 3


def test_a_boot_that_fails_is_counted_and_ends_no_other(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    usual = by_arm()

    def blocks(*what: object) -> int:
        return -1 if what[2] == 3 else usual(*what)  # type: ignore[arg-type]

    guests = SavedLiveGuests(blocks)
    opinion = ask(asking, guests)

    (failed,) = opinion.failed
    assert failed.item.number == 3
    assert "stood in compact_zone" in failed.failure
    assert "live boot 3" in caplog.text
    assert (asking.folder / "second_opinion/failed/003/console.log").read_text() == "a console\n"
    assert sorted((opinion.told[0].boots, opinion.told[0].against_boots)) == [2, 3]
    assert "boot 3 failed" in (asking.folder / "second_opinion.md").read_text()
    # It is a result like others: no later command makes it undone.
    assert ask(asking, guests) == opinion


def test_where_all_fail_nothing_is_said(asking: Asking) -> None:
    with pytest.raises(StageError, match="none of 6 live boots gave a result, the last: guest"):
        ask(asking, SavedLiveGuests(lambda *_: -1))
    assert (asking.folder / "second_opinion.json").exists()


def test_a_state_that_was_not_made_is_a_failure(asking: Asking) -> None:
    guests = SavedLiveGuests(by_arm())
    guests.prepared = {"exit_status": b"1\n", "output": b"no room\n"}

    with pytest.raises(StageError, match="the state kept was not made: no room"):
        ask(asking, guests)


def test_boots_of_another_kernel_are_refused(asking: Asking) -> None:
    guests = SavedLiveGuests(by_arm())
    ask(asking, guests)
    (variant,) = asking.kernels
    other = replace(asking.kernels[variant], vmlinux_digest="w" * 64)

    with pytest.raises(UserError, match="live boots of something else: kernels differ"):
        ask(replace(asking, kernels={variant: other}), guests)
    assert len(guests.booted) == 6


def test_where_nothing_decides_nothing_is_booted(asking: Asking) -> None:
    guests = SavedLiveGuests(by_arm())

    for grounds in ((), (BY_CLOCK,)):
        opinion = ask(replace(asking, grounds=grounds), guests)
        assert (opinion.told, opinion.booted) == ((), ())
    assert guests.booted == []


@pytest.mark.parametrize(
    ("accelerator", "tasks", "refused"),
    [
        (Accelerator.KVM, 0.2, False),
        (Accelerator.KVM, 3.5, True),
        (Accelerator.TCG, 3.5, False),
        (Accelerator.TCG, 40.0, True),
    ],
)
def test_a_busy_host_is_refused(
    monkeypatch: pytest.MonkeyPatch, accelerator: Accelerator, tasks: float, *, refused: bool
) -> None:
    monkeypatch.setattr(load, "runnable_tasks", lambda: tasks)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    if not refused:
        load.require_quiet(2, accelerator)
        return
    with pytest.raises(HostError, match=f"too busy for live guests under {accelerator}: {tasks}"):
        load.require_quiet(2, accelerator)


def test_a_busy_host_is_refused_before_a_boot(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise HostError("busy")

    monkeypatch.setattr(job, "require_quiet", busy)
    guests = SavedLiveGuests(by_arm())
    with pytest.raises(HostError, match="busy"):
        ask(asking, guests)
    assert guests.booted == []


def test_tasks_of_this_host_are_counted() -> None:
    assert 0 <= load.runnable_tasks() < 10_000


def test_stages_are_those_of_a_plan(asking: Asking) -> None:
    """What a live guest is given is what the exact comparison's guest reads."""
    guests = SavedLiveGuests(by_arm())
    ask(asking, guests)

    commands = {arm.command for (_, arm), _ in guests.booted}
    assert all(isinstance(each, StagePlan) for (each, _), _ in guests.booted)
    assert len(commands) == 2
    assert sum("vm.adaptive_compaction_mode=2" in each for each in commands) == 1

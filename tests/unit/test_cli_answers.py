# SPDX-License-Identifier: GPL-2.0-only
"""Answers for programs: --json prints one value and nothing else; --quiet tells no progress."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import synthetic_run
from command_line import buddylab
from saved_folder import write_run

from harness import pipeline
from harness.cli.answer import RunAnswer
from harness.cli.main import main
from harness.cli.parser import parser
from harness.cli.verbs import verbs
from harness.errors import Exit
from harness.host import emulator, prerequisites
from harness.host.cache import Cache
from harness.jobs import (
    bench,
    cost,
    mutants,
    predict,
    reallocate,
    replay,
    replayable,
    review,
)
from harness.jobs.cost import Cost
from harness.jobs.figure import Figure
from harness.jobs.predict import Forecasts
from harness.jobs.reallocate import Churned
from harness.jobs.trial import Trial
from harness.report.checklist import GateOutcome, LineReview, State
from harness.report.document import decode_run
from harness.stages import boot_files, fetch
from harness.texts.guest.reallocate import Reallocation, Row
from harness.texts.pages import PageCount
from harness.values import GuestImage, KernelBuild, KernelSource, PatchedTree

STAGES = [("fetch", KernelSource), ("patch", PatchedTree), ("build", KernelBuild)]


@pytest.mark.parametrize(("verb", "kind"), STAGES)
def test_a_stage_answers_with_its_value(
    cache: Cache, fake_kernel: Path, verb: str, kind: type[KernelSource]
) -> None:
    series = () if verb == "fetch" else ("--upto", "0")

    done = buddylab(verb, "--kernel", str(fake_kernel), *series, "--json")

    assert done.returncode == 0, done.stderr
    value = msgspec.json.decode(done.stdout, type=kind, dec_hook=lambda to, text: to(text))
    (entry,) = (cache.root / {"fetch": "sources", "patch": "trees", "build": "kernels"}[verb]).glob(
        "*"
    )
    assert value == cache.load(entry.parent.name, entry.name, kind)


def test_quiet_tells_the_answer_alone(cache: Cache, fake_kernel: Path) -> None:
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")

    for words in (("--quiet", *command), (*command, "--quiet")):
        quiet = buddylab(*words)

        assert (quiet.returncode, quiet.stderr) == (0, "")
        assert Path(quiet.stdout.strip()).parent == cache.root / "kernels"

    assert "accelerator" not in quiet.stdout
    assert buddylab("check", "nowhere", "--quiet").stderr.startswith("buddylab: nowhere is not")


def test_loud_is_told_before_and_after_the_verb(cache: Cache, fake_kernel: Path) -> None:
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")
    assert cache.root.parent == fake_kernel.parent
    told = [buddylab("--verbose", *command).stderr, buddylab(*command, "--verbose").stderr]

    assert ["gcc --version" in each for each in told] == [True, True]
    both = buddylab(*command, "--verbose", "--quiet")
    assert both.returncode == Exit.USAGE
    assert "not allowed with" in both.stderr


@pytest.mark.parametrize("verb", ["check", "report"])
def test_a_judged_run_answers_in_short(cache: Cache, tmp_path: Path, verb: str) -> None:
    run = write_run(tmp_path / "run")

    done = buddylab(verb, str(run), "--json")

    answer = msgspec.json.decode(
        done.stdout, type=RunAnswer, dec_hook=lambda kind, text: kind(text)
    )
    assert not cache.root.exists()
    assert done.returncode == (Exit.CHECK_FAILED if answer.failed else Exit.OK)
    assert (answer.folder, answer.kernel) == (run, "5.15.180-buddylab")
    assert answer.report == (None if verb == "check" else run / "report.html")
    assert answer.headline
    assert answer.held + answer.not_applicable + len(answer.failed) > 30


def test_two_runs_differ_by_counters(cache: Cache, tmp_path: Path) -> None:
    one, other = (str(write_run(tmp_path / name)) for name in "ab")

    answer = json.loads(buddylab("difference", one, other, "--json").stdout)

    assert not cache.root.exists()
    assert [each["stage"] for each in answer][:2] == ["verify", "baseline"]
    assert [each["counters"] for each in answer if each["counters"]] == []


def test_the_nearest_state_answers() -> None:
    text = Path(__file__).parents[1] / "data/machines/build-24g/pagetypeinfo.txt"

    answer = json.loads(buddylab("state-from", str(text), "--json").stdout)

    totals = [one["distance"] for one in answer["nearest"]]
    assert len(totals) > 5
    assert totals == sorted(totals)
    assert f'name = "{answer["nearest"][0]["make"]}"' in answer["plan"]
    assert answer["written"] is None


def test_each_verb_that_answers_does_so_as_json() -> None:
    known = verbs()
    silent = [name for name, verb in known.items() if not verb.ANSWERS]

    for name, verb in known.items():
        if verb.ANSWERS:
            words = [*verb.EXAMPLES[0].split()[1:], "--json"]
            assert parser(known).whole.parse_args(words).json, name
    assert {"shell"} <= set(silent) <= {"shell", "completion", "open", "schema", "serve"}


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, cache: Cache) -> pytest.MonkeyPatch:
    """No kernel is built and no QEMU looked for: what a job yields is what is answered."""
    assert not cache.root.exists()
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setattr(emulator, "find", lambda *_: SimpleNamespace(version="10.0.2"))
    monkeypatch.setattr(fetch, "fetch", lambda *_: None)
    for name in ("patched", "bootable"):
        monkeypatch.setattr(pipeline, name, lambda *_, **__: (FakeKernel, None))
    monkeypatch.setattr(predict, "require_rules", lambda _: None)
    monkeypatch.setattr(boot_files, "boot_files", lambda *_: None)
    return monkeypatch


class FakeKernel:
    provides = ()


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, object]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_replay_and_a_bundle_answer(
    pretended: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    it = SimpleNamespace(
        title="a run",
        identity=SimpleNamespace(digest="a" * 64),
        expected=SimpleNamespace(digest="b" * 64),
    )
    done = [SimpleNamespace(digest="b" * 64, difference="")]
    done += [SimpleNamespace(digest="c" * 64, difference="line 3")]
    for verb in ("replay", "bundle"):
        opened = contextlib.nullcontext((it, None))
        pretended.setattr(
            f"harness.cli.verbs.{verb}.opened", lambda *_, opened=opened, **__: opened
        )
    pretended.setattr(replay, "replays", lambda *_, **__: iter(done))
    pretended.setattr(replayable, "bundle", lambda *_: None)

    code, answer = answered(capsys, "replay", "0123456789", "--times", "2")
    assert isinstance(answer, dict)
    assert (code, answer["title"], answer["saved"]) == (Exit.CHECK_FAILED, "a run", "b" * 64)
    assert (answer["times"], answer["identical"]) == (2, 1)
    assert answer["replays"][1] == {"digest": "c" * 64, "difference": "line 3"}

    file = str(tmp_path / "it.tar")
    code, answer = answered(capsys, "bundle", "0123456789", "--output", file)
    assert (code, answer) == (Exit.OK, {"file": file, "key": "a" * 64})


def test_mutants_answer(pretended: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    trials = [
        Trial(name="unmutated", subject="none", expected="", caught_by=()),
        Trial(name="01-x", subject="x", expected="a-check", caught_by=("another",)),
    ]
    pretended.setattr(mutants, "mutants", lambda *_, **__: tuple(trials))

    code, answer = answered(capsys, "mutants")

    assert code == Exit.CHECK_FAILED
    missed = {
        "name": "01-x",
        "subject": "x",
        "expected": "a-check",
        "caught_by": ["another"],
        "digest": "",
    }
    assert isinstance(answer, dict)
    assert (answer["mutants"], answer["caught"], answer["trials"][1]) == (1, 0, missed)


def test_predictions_answer(
    pretended: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pretended.chdir(tmp_path)
    run = Forecasts(memory_mib=1024, seed=1, exact=5, ranged=2, misses=("req",))
    pretended.setattr(predict, "predictions", lambda *_, **__: (run, run))

    code, answer = answered(capsys, "predict", "--kernel", "6.1")

    assert isinstance(answer, dict)
    assert code == Exit.CHECK_FAILED
    assert (answer["exact"], answer["ranged"], answer["missed"]) == (10, 4, 2)
    assert answer["runs"][0]["misses"] == ["req"]
    assert (tmp_path / answer["folder"]).is_dir()


def test_a_churn_answers(pretended: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = (Row(free=PageCount(4096), huge=4), Row(free=PageCount(4096), huge=2))
    counted = Reallocation(taken=PageCount(1), kept=PageCount(1), churned=PageCount(1), rows=rows)
    churned = Churned(foretold=(rows[0], rows[0]), counted=counted)
    pretended.setattr(reallocate, "reallocate", lambda *_, **__: churned)

    code, answer = answered(capsys, "reallocate")

    assert isinstance(answer, dict)
    assert (code, answer["missed_rounds"]) == (Exit.CHECK_FAILED, [1])
    assert answer["counted"]["rows"][1] == {"free": 4096, "huge": 2}


def test_gates_figures_and_costs_answer(
    pretended: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = GateOutcome(gate="apply", state=State.FAILED, details=("a hunk",))
    line = LineReview(kernel="6.1", release="6.1.192", entries=(), outcomes=(gate,))
    figure = Figure(what="a boot", value=2.0, unit="s", goal=3.0, goal_is_most=True)
    costs: Iterator[Cost | str] = iter(("head", Cost(what="bare", instructions=9.0, base=None)))
    pretended.setattr(review, "review_lines", lambda *_, **__: (line,))
    pretended.setattr(bench, "bench", lambda *_, **__: iter([figure]))
    pretended.setattr(cost, "cost", lambda *_, **__: costs)

    code, told = answered(capsys, "review", "--only", "apply")
    assert isinstance(told, dict)
    assert (code, told["holds"]) == (Exit.CHECK_FAILED, False)
    (row,) = told["rows"]
    assert (row["topic"], row["cells"][0]["state"]) == ("applies without fuzz", "failed")
    assert told["lines"][0]["outcomes"][0]["details"] == ["a hunk"]
    code, figures = answered(capsys, "bench")
    assert isinstance(figures, list)
    assert (code, figures[0]["value"], figures[0]["goal"]) == (Exit.OK, 2.0, 3.0)
    code, told = answered(capsys, "cost")
    assert isinstance(told, dict)
    assert (code, told["notes"], told["costs"][0]["instructions"]) == (Exit.OK, ["head"], 9.0)


def test_a_guest_and_a_run_answer(
    pretended: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    image = GuestImage(digest="d" * 64, packages=("bash=5",), size_bytes=7, path=tmp_path / "it")
    pretended.setattr(pipeline, "bootable", lambda *_, **__: (FakeKernel, image))

    code, answer = answered(capsys, "guest")
    assert isinstance(answer, dict)
    assert (code, answer["digest"], answer["path"]) == (Exit.OK, "d" * 64, str(tmp_path / "it"))

    run = decode_run(synthetic_run.document())
    pretended.setattr(pipeline, "run_to_verdict", lambda *_: run)
    code, answer = answered(capsys, "run", "--scale", "small", "--output", str(tmp_path / "run"))
    assert isinstance(answer, dict)
    assert (code, answer["verdict"], answer["key"]) == (Exit.OK, run.verdict, run.key_digest)
    assert (answer["folder"], answer["report"]) == (str(tmp_path / "run"), None)
    assert answer["held"] + answer["not_applicable"] == len(run.checks)


def test_a_doctor_that_installs_or_prints_answers(
    pretended: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    got = (prerequisites.Need(package="sparse", program="sparse", why="checks"),)
    used = SimpleNamespace(version="8.2", program=tmp_path / "qemu")
    pretended.setattr(prerequisites, "install", lambda **_: got)
    pretended.setattr(emulator, "find", lambda *_: used)

    code, answer = answered(capsys, "doctor", "--install")
    assert (code, answer) == (
        Exit.OK,
        {"installed": ["sparse"], "qemu": "8.2", "program": str(tmp_path / "qemu")},
    )
    code, answer = answered(capsys, "doctor", "--ci", "github")
    assert isinstance(answer, dict)
    assert (code, answer["forge"]) == (Exit.OK, "github")
    assert main(["doctor", "--ci", "github"]) == Exit.OK
    assert capsys.readouterr().out == answer["text"]

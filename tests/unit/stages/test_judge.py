# SPDX-License-Identifier: GPL-2.0-only
"""`buddylab judge` on the fake kernel: verdicts, exit codes, what is run, a bisection."""

import json
import os
import subprocess  # noqa: TID251 - git, as a user types it
from collections.abc import Callable
from functools import partial
from pathlib import Path

import fake_guest
import judging_guests
import pytest
from command_line import CHILDS_PATH
from judging_guests import DIES, FEWER, PANICS, ByKernel
from live_guests import SavedLiveGuests
from msgspec import structs
from valid_json import faults

from harness import pipeline
from harness.cli.main import main
from harness.cli.parser import parser
from harness.cli.verbs import judge as judge_verb
from harness.cli.verbs import verbs
from harness.compare.plan_text import parse_plan
from harness.errors import Exit
from harness.host.cache import Cache
from harness.jobs import judge, second_opinion
from harness.stages.boot_files import BootFiles
from harness.values import StagePlan

pytestmark = pytest.mark.timeout(600)

FILE = "mm/page_alloc.c"
PLAN = """
name = "trial"
why = "a trial"
memory_mib = 512
seeds = [1, 2, 3, 4, 5, 6]
baseline = "stock"
[[states]]
name = "kept"
prepare = "make"
[[bursts]]
name = "ten"
order = 10
[[arms]]
name = "stock"
"""
NEUTRAL = ("int two;", "int two; /* as before */")
BUILDS_NOT = (
    "vmlinux:\n",
    "vmlinux:\n\t@echo \"mm/page_alloc.c:3:5: error: expected ';'\"; exit 1\n",
)


def git(repository: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *who, *words], cwd=repository, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(
    fake_kernel: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The fake kernel as a repository that stands still, with a plan; another folder to be in."""
    fake_guest.install(monkeypatch, tmp_path, "good")
    assert cache.root.parent == tmp_path
    (tmp_path / "work").mkdir()
    (tmp_path / "work/plan.toml").write_text(PLAN)
    monkeypatch.chdir(tmp_path / "work")
    git(fake_kernel, "init", "-q")
    git(fake_kernel, "add", ".")
    git(fake_kernel, "commit", "-qm", "the base")
    return fake_kernel


@pytest.fixture
def guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ByKernel:
    monkeypatch.setattr(pipeline, "guest", None)  # put back afterwards
    monkeypatch.setattr(judge, "judge", judge.judge)
    return judging_guests.install(tmp_path)


@pytest.fixture
def judged(repository: Path, guests: ByKernel) -> Callable[..., int]:
    """Judge what lines of the kernel become, or a change by its name."""

    def run(change: str | tuple[str, str], *more: str, file: str = FILE) -> int:
        if isinstance(change, tuple):
            commit(repository, *change, file=file)
            patch = Path("change.patch")
            patch.write_text(git(repository, "show", "--format=email") + "\n")
            git(repository, "checkout", "-q", "HEAD~1")
            change = str(patch)
        words = ["--kernel", str(repository), "--plan", "plan.toml", "--jobs", "1", *more]
        return main(["judge", change, *words])

    assert guests.boots == 0
    return run


def commit(repository: Path, old: str, new: str, *, file: str = FILE) -> str:
    path = repository / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    git(repository, "commit", "-qam", f"{old.strip()} to {new.strip()}")
    return git(repository, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("words", "qemu_version", "cpus"),
    [
        ((), "10.0.2", 2),
        ((), "7.2.22", None),
        (("--cpus", "4"), "10.0.2", 4),
        (("--plan", "plan.toml"), "10.0.2", None),
    ],
)
def test_the_default_plans_guests_have_two_cpus_where_qemu_repeats_them(
    words: tuple[str, ...],
    qemu_version: str,
    cpus: int | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    arguments = parser(verbs()).whole.parse_args(["judge", "change.patch", *words])

    plan = parse_plan(PLAN, "small")
    chosen = judge_verb._with_cpus(plan, arguments, qemu_version)
    assert arguments.cpus == cpus
    assert chosen == (structs.replace(plan, cpus=2) if cpus == 2 else plan)
    again = judge_verb._command(arguments)
    assert again.endswith(f"--cpus {cpus}") if cpus else "--cpus" not in again
    assert ("guests of one CPU, for QEMU is 7.2.22" in caplog.text) is (qemu_version == "7.2.22")


def test_a_worse_change_is_told_in_one_line_and_a_mail(
    judged: Callable[..., int], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(("int two;", FEWER), "--mail") == Exit.OK
    said = capsys.readouterr().out
    (line,) = [line for line in said.splitlines() if line.startswith("WORSE (change): got worse")]

    assert "blocks -20 % -20 [-20, -20] (kept ten; A/A +0 [+0, +0])" in line
    assert "N = 6 seeds" in line
    assert f"again: buddylab judge change.patch --kernel {repository} " in line
    assert "change.patch: worse (change)" in said
    (folder,) = Path("runs").iterdir()
    assert {"verdict.md", "mail.txt", "report.md", "plan.toml", "changes"} <= {
        path.name for path in folder.iterdir()
    }
    page = (folder / "report.html").read_text()
    # What is sent on names no folders of its user's.
    for sent in ("report.html", "report.md", "verdict.md", "mail.txt"):
        assert str(repository.parent) not in (folder / sent).read_text()
    told = " ".join((folder / "mail.txt").read_text().split())
    assert f"buddylab judge change.patch --kernel {repository.name} " in told
    assert "Judgement: change.patch" in page
    assert "buddylab judge change.patch --kernel" in page
    # Made again, it is the same: what was asked is kept.
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == Exit.OK
    assert (folder / "report.html").read_text() == page
    assert (folder / "changes/0001-change.patch").read_bytes() == Path("change.patch").read_bytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("/srv/ann/mm/my.patch", "my.patch"),
        ("my.patch", "my.patch"),
        ("patches/series", "patches/series"),
        ("v6.12..ann/branch", "v6.12..ann/branch"),
    ],
)
def test_a_users_folders_are_in_no_title_and_no_mail(change: str, told: str) -> None:
    assert judge.change_told(change) == told


def test_the_base_is_run_once_for_all_changes(
    judged: Callable[..., int], guests: ByKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(NEUTRAL) == Exit.OK
    assert "NO DIFFERENCE (change)" in capsys.readouterr().out
    assert guests.boots == 3 * 6
    assert judged(("int two;", FEWER)) == Exit.OK
    assert "WORSE (change)" in capsys.readouterr().out
    assert guests.boots == 4 * 6
    folders = set(Path("runs").iterdir())
    assert judged("change.patch") == Exit.OK
    assert guests.boots == 4 * 6
    assert set(Path("runs").iterdir()) == folders


def test_a_folder_that_has_another_change_is_refused(
    judged: Callable[..., int], repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is judged is never what the folder has from before."""
    assert judged(NEUTRAL, "--output", "out") == Exit.OK
    assert judged("change.patch", "--output", "out") == Exit.OK
    assert judged(("int two;", FEWER), "--output", "out") == Exit.USAGE
    assert "out is of another change: its changes/0001-change.patch is not" in caplog.text
    Path("out/changes/0001-change.patch").unlink()
    git(repository, "checkout", "-q", "HEAD")
    assert judged("change.patch", "--output", "out") != Exit.OK


def test_a_change_of_no_code_is_the_same_image(
    judged: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    change = ("NAME = Not A Kernel", "NAME = Still Not A Kernel")
    assert judged(change, file="Makefile") == Exit.OK
    assert "the same image, so from the same memory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "file", "code", "told"),
    [
        (
            ("int two;", PANICS),
            FILE,
            Exit.GUEST_LOST,
            "kernel change: guest lost (panic): ",
        ),
        (("int two;", DIES), FILE, Exit.GUEST_LOST, "stood in compact_zone"),
        (
            BUILDS_NOT,
            "Makefile",
            Exit.STAGE,
            "kernel change: build: mm/page_alloc.c:3:5: error: expected ';'",
        ),
    ],
)
def test_what_does_not_build_or_boot_is_skipped_in_a_bisection(  # noqa: PLR0917
    judged: Callable[..., int],
    caplog: pytest.LogCaptureFixture,
    change: tuple[str, str],
    file: str,
    code: Exit,
    told: str,
) -> None:
    assert judged(change, file=file) == code
    assert told in caplog.text
    assert judged("change.patch", "--expect", "blocks not_less base") == Exit.UNTESTABLE


def test_what_has_no_place_is_told_with_what_stands_there(
    judged: Callable[..., int], repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert judged(NEUTRAL) == Exit.OK
    commit(repository, "int two;\n", "int deux;\n")
    commit(repository, "int one;\n", "int un;\n")
    commit(repository, "int three;\n", "int trois;\n")
    assert judged("change.patch") == Exit.STAGE
    assert "kernel change: patch: change.patch" in caplog.text.replace("0001-change", "change")
    assert "mm/page_alloc.c, hunk 1" in caplog.text
    assert "rebase the change on this source" in caplog.text
    assert judged("change.patch", "--expect", "blocks more base") == Exit.UNTESTABLE


def test_what_cannot_be_had_is_told_before_any_kernel_is_built(
    judged: Callable[..., int],
    repository: Path,
    cache: Cache,
    caplog: pytest.LogCaptureFixture,
) -> None:
    commit(repository, "int two;\nint three;", "int deux;\nint trois;")
    Path("misfit.patch").write_text(git(repository, "show", "-R") + "\n")
    git(repository, "checkout", "-q", "HEAD~1")
    assert judged("misfit.patch") == Exit.STAGE
    assert "misfit.patch: this source has it already" in caplog.text.replace("0001-", "")
    arms = "".join(f'[[arms]]\nname = "{name}"\nkernel = "{name}"\n' for name in ("a", "b"))
    kernels = '[[kernels]]\nname = "a"\n[[kernels]]\nname = "b"\nconfig = "absent.config"\n'
    plan = PLAN.replace('[[arms]]\nname = "stock"\n', arms + kernels).replace('"stock"', '"a"')
    Path("two.toml").write_text(plan)
    assert main(["compare", "two.toml", "--kernel", str(repository)]) == Exit.USAGE
    assert "absent.config cannot be read" in caplog.text
    assert not (cache.root / "kernels").exists()
    assert list((cache.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "more", "told"),
    [
        ("absent.patch", (), "absent.patch is no change: there is no such file"),
        ("HEAD..HEAD", (), "HEAD..HEAD is empty: both commits have the same tree"),
        ("HEAD..nowhere", (), "has no commit 'nowhere'"),
        ("patch", ("--config", "bad.config"), "bad.config:1: 'CONFIG_X' is no option"),
        ("patch", ("--config", "no.config"), "no.config cannot be read"),
        ("patch", ("--plan", "policy.toml"), "has no mode clear of the policy; it has none"),
        ("patch", ("--plan", "kernels.toml"), "arm stock names the kernel 'unpatched'"),
    ],
)
def test_bad_input_is_told_and_ends_a_bisection(  # noqa: PLR0917
    judged: Callable[..., int],
    repository: Path,
    caplog: pytest.LogCaptureFixture,
    change: str,
    more: tuple[str, ...],
    told: str,
) -> None:
    Path("bad.config").write_text("CONFIG_X\n")
    Path("policy.toml").write_text(f'{PLAN}policy = "clear"\n')
    Path("kernels.toml").write_text(f'{PLAN}kernel = "unpatched"\n')
    commit(repository, *NEUTRAL)
    Path("patch").write_text(git(repository, "show", "--format=email") + "\n")
    git(repository, "checkout", "-q", "HEAD~1")

    assert judged(change, *more) == Exit.USAGE
    assert told in caplog.text
    assert judged(change, *more, "--expect", "blocks more base") == Exit.UNKNOWN


def test_a_wrong_option_ends_a_bisection(
    judged: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """To git, 2 would be a bad commit."""
    expect = ("--expect", "blocks more base")
    assert judged("change.patch", *expect, "--bogus") == Exit.UNKNOWN
    assert "unrecognized arguments: --bogus" in capsys.readouterr().err
    assert judged("change.patch", *expect, "--jobs", "0") == Exit.UNKNOWN
    assert judged("a\udcff.patch", *expect) == Exit.UNKNOWN
    with pytest.raises(SystemExit, match="2"):
        judged("change.patch", "--bogus")


def test_an_expectation_gives_the_exit_code(
    judged: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(("int two;", FEWER), "--expect", "blocks less base") == Exit.OK
    assert "EXPECTED blocks less base: holds in 1 of 1" in capsys.readouterr().out
    missed = judged("change.patch", "--expect", "blocks not_less base")
    assert missed == Exit.CHECK_FAILED
    assert (
        "EXPECTED blocks not_less base: missed in 1 of 1: blocks -20 %" in capsys.readouterr().out
    )


def test_a_judgement_answers_as_json(
    judged: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--expect", "blocks not_less base", "--json")

    assert judged(("int two;", FEWER), *words) == Exit.CHECK_FAILED
    answer = json.loads(capsys.readouterr().out)
    assert faults("judge", answer) == []
    assert faults("judge", {**answer, "kernels": [{}]}) != []
    (kernel,) = answer["kernels"]
    assert (kernel["variant"], kernel["answer"], kernel["seeds"]) == ("change", "worse", 6)
    assert kernel["questions"]["got"] == "worse"
    assert kernel["told"].startswith("WORSE (change): got worse")
    assert Path(answer["report"]).is_file()
    assert answer["again"].startswith("buddylab judge change.patch --kernel")
    assert answer["expected"] is False
    assert answer["missed"][0].startswith("blocks -20 %")


def test_each_patch_of_a_range_has_a_verdict(
    judged: Callable[..., int], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    commit(repository, "int four;", "int vier;")
    commit(repository, "int two;", FEWER)
    commit(repository, "int five;", "int cinq;")
    assert judged(f"{first}..HEAD", "--each-patch") == Exit.OK
    said = capsys.readouterr().out.splitlines()

    assert [line.partition(":")[0] for line in said[:3]] == [
        "NO DIFFERENCE (change-1)",
        "WORSE (change-2)",
        "WORSE (change)",
    ]


def test_git_bisect_finds_the_commit_that_made_it_worse(
    repository: Path, tmp_path: Path, cache: Cache
) -> None:
    """The example of docs/howto/bisect.md."""
    good = git(repository, "rev-parse", "HEAD")
    commit(repository, "int five;", "int cinq;")
    commit(repository, *BUILDS_NOT, file="Makefile")
    commit(repository, *reversed(BUILDS_NOT), file="Makefile")
    bad = commit(repository, "int two;", FEWER)
    commit(repository, "int four;", "int vier;")
    git(repository, "bisect", "start", "HEAD", good)
    done = subprocess.run(
        [
            *("git", "bisect", "run", *judging_guests.program()),
            *(
                "judge",
                f"{good}..HEAD",
                "--kernel",
                ".",
                "--plan",
                str(Path("plan.toml").absolute()),
            ),
            *("--expect", "blocks not_less base"),
        ],
        cwd=repository,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": CHILDS_PATH,
            judging_guests.FOLDER: str(tmp_path),
            "BUDDYLAB_CACHE": str(cache.root),
        },
    )

    assert f"{bad} is the first bad commit" in done.stdout, done.stdout
    assert "kernel change: build: mm/page_alloc.c:3:5: error" in done.stdout


def test_a_second_opinion_is_an_answer_of_its_own(
    judged: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exact answer is what it was; what live guests say stands beside it, in its own files."""

    def blocks(what: BootFiles, _arm: StagePlan, boot: int) -> int:
        return 100 + boot % 2 + (20 if FEWER in what.kernel.read_text() else 0)

    live = SavedLiveGuests(blocks)
    real = second_opinion.second_opinion
    monkeypatch.setattr(second_opinion, "second_opinion", partial(real, live=live))
    monkeypatch.setattr(second_opinion, "require_quiet", lambda *_: None)
    assert judged(("int two;", FEWER), "--output", "out") == Exit.OK
    exact = capsys.readouterr().out
    verdict = Path("out/verdict.md").read_text()
    assert live.booted == []
    more = ("--output", "out", "--second-opinion", "--boots", "3")
    assert judged("change.patch", *more) == Exit.OK
    said = capsys.readouterr().out

    (line,) = [line for line in said.splitlines() if "the sign" in line]
    assert line == (
        "second opinion: blocks less with change than with base, kept ten: the sign DOES NOT HOLD "
        "(live +20 [+19, +21]; 3 boots against 3)"
    )
    assert exact.splitlines()[0].partition("; again:")[0] in said
    assert "--second-opinion --boots 3" in said
    assert Path("out/verdict.md").read_text().count("live") == verdict.count("live") == 0
    assert len(live.booted) == 6

    assert judged("change.patch", *more, "--json") == Exit.OK
    answer = json.loads(capsys.readouterr().out)
    assert faults("judge", answer) == []
    (one,) = answer["second_opinion"]["signs"]
    assert (one["sign"], one["boots"], one["boots_needed"]) == ("does not hold", 3, None)
    assert answer["kernels"][0]["answer"] == "worse"
    assert len(live.booted) == 6

    assert judged("change.patch", "--output", "out") == Exit.OK
    assert "the sign DOES NOT HOLD (live +20" in Path("out/report.html").read_text()

# SPDX-License-Identifier: GPL-2.0-only
"""Mutants say what they are and who must catch them; trials say whether that happened."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.checks.registry import CHECKS
from harness.compare.plan import DISCARDED
from harness.errors import StageError, UserError
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.series import design, series_in
from harness.host.series import lines as known_lines
from harness.jobs import mutants as mutants_job
from harness.jobs.mutants import IDENTITY, mutants, read_mutants
from harness.jobs.trial import Caught, Trial, caught_by, trial_of
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.texts.build.edit import Mutant, parse_mutant
from harness.values import Counters, StagePlan
from harness.workloads.paper import torture_stages

TEXT = """subject = "the request is counted twice"
caught_by = "req-is-success-plus-fail"

[[replace]]
file = "mm/page_alloc.c"
old = '''
one
'''
new = '''
one
one
'''
"""

MUTANTS = Path(__file__).parents[2] / "mutants"
DESIGNS = asset("patches") / "designs"


def test_what_it_is_and_who_must_notice_are_read() -> None:
    mutant = parse_mutant("twice.toml", TEXT.encode())

    assert mutant.edit.subject == "the request is counted twice"
    assert mutant.caught_by == "req-is-success-plus-fail"
    assert mutant.counters is None
    assert mutant.edit.touched == {"mm/page_alloc.c"}


def test_a_mutant_may_belong_to_one_variant() -> None:
    text = TEXT.replace("caught_by", 'counters = "percpu"\ncaught_by')

    assert parse_mutant("twice.toml", text.encode()).counters is Counters.PERCPU


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace('caught_by = "req-is-success-plus-fail"\n', ""),
        TEXT.replace("req-is-success-plus-fail", ""),
        TEXT.replace('subject = "the request is counted twice"\n', ""),
        TEXT.replace("caught_by", 'counters = "fast"\ncaught_by'),
        TEXT.replace("caught_by", 'counters = "none"\ncaught_by'),
        TEXT.replace("caught_by", 'caught-by = "x"\ncaught_by'),
        TEXT.replace("caught_by", "cpus = 0\ncaught_by"),
        TEXT.replace("caught_by", "cpus = 9\ncaught_by"),
    ],
)
def test_a_mutant_without_its_lines_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="twice.toml"):
        parse_mutant("twice.toml", text.encode())


@pytest.mark.parametrize(
    ("expected", "caught_by", "held"),
    [
        ("a", ("b", "a"), True),
        ("a", ("b",), False),
        ("a", (), False),
        ("", (), True),
        ("", ("a",), False),
    ],
)
def test_only_the_named_check_counts(expected: str, caught_by: tuple[str, ...], held: bool) -> None:  # noqa: FBT001
    trial = Trial(name="m", subject="s", expected=expected, caught_by=caught_by)

    assert trial.held is held
    assert ("MISSED" in str(trial)) is (bool(expected) and not held)


def _of_one_line(line: str) -> list[Mutant]:
    everywhere = {each.edit.name for each in read_mutants(MUTANTS, ())}
    here = read_mutants(MUTANTS, (), line)
    return [each for each in here if each.edit.name not in everywhere]


def test_ours_name_checks_that_exist_and_differ_from_each_other() -> None:
    ours = [
        *read_mutants(MUTANTS, ()),
        *(each for line in known_lines() for each in _of_one_line(line.name)),
    ]

    assert len({mutant.edit.replacements for mutant in ours}) == len(ours) > 0
    assert len({mutant.edit.subject for mutant in ours}) == len(ours)
    assert {mutant.caught_by for mutant in ours} <= {IDENTITY} | {check.name for check in CHECKS}


def test_a_line_may_have_another_text_of_the_same_mistake() -> None:
    lines = [path for path in MUTANTS.iterdir() if path.is_dir()]

    assert {path.name for path in lines} <= {line.name for line in known_lines()}
    for line in lines:
        everywhere = {each.edit.name: each for each in read_mutants(MUTANTS, ())}
        here = {each.edit.name: each for each in read_mutants(MUTANTS, (), line.name)}
        other = {name for name, each in here.items() if each != everywhere.get(name)}

        assert here.keys() >= everywhere.keys()
        assert other == {path.name for path in line.iterdir()}
        for name in other & everywhere.keys():
            assert here[name].caught_by == everywhere[name].caught_by
            assert here[name].edit.subject == everywhere[name].edit.subject


def test_every_design_has_an_arm() -> None:
    plans = [path.read_text() for path in (asset("vm") / "plans").glob("*.toml")]
    names = [path.stem for path in DESIGNS.glob("*.toml")]

    assert names
    for name in names:
        assert design(name).subject
        assert any(f'"{DISCARDED}{name}"' in plan for plan in plans)


def test_mutant_that_does_not_fit_is_refused_before_any_is_built(
    cache: Cache,
    fake_kernel: Path,
    tmp_path: Path,
    write_series: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = write_series(("int one;", "int two;", "int TWO;", "int three;"))
    monkeypatch.setattr(mutants_job, "patch", partial(patch, series=series_in(directory)))
    good = TEXT.replace("\none\n'", "\nint one;\n'")
    (tmp_path / "01-good.toml").write_text(good)
    (tmp_path / "02-bad.toml").write_text(TEXT.replace("one\n", "int two;\n"))

    with pytest.raises(StageError, match="02-bad.toml: mm/page_alloc.c has no line 'int two;'"):
        mutants(
            fetch(str(fake_kernel), cache),
            cache,
            directory=tmp_path,
            counters=Counters.PERCPU,
        )
    assert not (cache.root / "kernels").exists()


@pytest.mark.parametrize(
    ("expected", "of_torture", "of_all", "plans", "said"),
    [
        ("torture-a", ("torture-a", "other"), (), ["torture"], ("torture-a",)),
        ("torture-a", ("torture-b",), ("torture-a", "b"), ["torture", "all"], ("torture-a", "b")),
        ("other", ("torture-a",), ("other",), ["all"], ("other",)),
    ],
)
def test_all_stages_run_only_where_torture_alone_does_not_suffice(
    expected: str,
    of_torture: tuple[str, ...],
    of_all: tuple[str, ...],
    plans: list[str],
    said: tuple[str, ...],
) -> None:
    ran: list[str] = []

    def judge(plan: tuple[StagePlan, ...]) -> Caught:
        ran.append("torture" if plan == torture_stages() else "all")
        return Caught(by=of_torture if ran[-1] == "torture" else of_all, digest=ran[-1])

    mutant = parse_mutant("a.toml", TEXT.replace("req-is-success-plus-fail", expected).encode())

    assert caught_by(mutant, judge) == Caught(by=said, digest=plans[-1])
    assert ran == plans


def tried(
    cache: Cache, fake_kernel: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **asked: object
) -> list[tuple[str, int]]:
    """Return which trials there were, and on how many CPUs, of two mutants."""
    text = TEXT.replace("\none\n'", "\nint one;\n'").replace("\none\none\n'", "\nint two;\n'")
    (folder / "01-one.toml").write_text(text)
    (folder / "02-two.toml").write_text(text.replace("caught_by", "cpus = 2\ncaught_by"))
    ran: list[tuple[str, int]] = []

    def trial(mutant: Mutant | None, cpus: int, caught: Caught) -> Trial:
        ran.append((mutant.edit.name if mutant else "as it is", cpus))
        return trial_of(mutant, cpus, caught)

    monkeypatch.setattr(mutants_job, "patch", lambda source, *_, **__: source)
    monkeypatch.setattr(mutants_job, "require_fit", lambda *_: None)
    monkeypatch.setattr(mutants_job, "_built", lambda *_: Caught(by=(), digest=""))
    monkeypatch.setattr(mutants_job, "trial_of", trial)
    source = fetch(str(fake_kernel), cache)
    given = {"directory": folder, "counters": Counters.PERCPU, **asked}
    told: list[Trial] = []
    assert mutants(source, cache, tell=told.append, **given) == tuple(told)  # type: ignore[arg-type]
    return ran


def test_a_mutant_runs_on_its_cpus_and_the_series_on_each_number_of_them(
    cache: Cache, fake_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tried(cache, fake_kernel, tmp_path, monkeypatch) == [
        ("as it is", 1),
        ("as it is", 2),
        ("01-one.toml", 1),
        ("02-two.toml", 2),
    ]


def test_all_run_on_the_cpus_that_are_asked_for(
    cache: Cache, fake_kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tried(cache, fake_kernel, tmp_path, monkeypatch, cpus=4) == [
        ("as it is", 4),
        ("01-one.toml", 4),
        ("02-two.toml", 4),
    ]


def test_what_an_emulator_does_not_repeat_is_left_out_and_told(
    cache: Cache,
    fake_kernel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = tried(cache, fake_kernel, tmp_path, monkeypatch, repeats_several=False)

    assert found == [("as it is", 1), ("01-one.toml", 1)]
    assert "left out: 02-two.toml" in caplog.text

# SPDX-License-Identifier: GPL-2.0-only
"""Settings: defaults from a TOML file, checked value by value, and the command line over them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ROOT, buddylab, names, refused

from harness.cli import settings
from harness.cli.parser import Command, parser
from harness.cli.verbs import verbs
from harness.errors import Exit, UserError
from harness.host.cache import Cache

Set = Callable[[str], Command]


@pytest.fixture
def setting(tmp_path: Path) -> Set:
    """The command with settings of a text."""

    def make(text: str) -> Command:
        file = tmp_path / "settings.toml"
        file.write_text(text)
        command = parser(verbs())
        command.set_defaults(settings.read(file, command.options))
        return command

    return make


def test_a_setting_is_a_default_and_the_command_line_is_over_it(setting: Set) -> None:
    parse = setting(
        '[all]\nkernel = "debian:6.1"\nseed = 5\n[run]\nscale = "small"\nseed = 7\nmemory = 512\n'
    ).whole.parse_args

    run = parse(["run"])
    assert (run.kernel, run.scale, run.seed, run.memory) == ("debian:6.1", "small", 7, 512)
    assert parse(["reallocate"]).seed == 5
    run = parse(["run", "--scale", "paper", "--seed", "1", "--kernel", "6.12"])
    assert (run.kernel, run.scale, run.seed) == ("6.12", "paper", 1)
    assert parse(["compare", "a-plan"]).output is None


def test_switches_and_lists_give_way_to_the_command_line(setting: Set) -> None:
    parse = setting('[judge]\nmail = true\nwith = ["a", "b"]\n').whole.parse_args

    judge = parse(["judge", "x"])
    assert (judge.mail, judge.before, judge.each_patch) == (True, ["a", "b"], False)
    judge = parse(["judge", "x", "--no-mail", "--with", "c", "--with", "d"])
    assert (judge.mail, judge.before) == (False, ["c", "d"])
    assert parse(["judge", "x"]).before == ["a", "b"]
    assert parser(verbs()).whole.parse_args(["judge", "x", "--mail"]).mail


def test_values_are_those_that_the_option_gives(setting: Set) -> None:
    """What is set is what the command line would have made of the same word."""
    text = (
        '[all]\noutput = "out"\nmemory = "1024"\n[predict]\nmemory = "1024,4096"\nseeds = 3\n'
        '[review]\nonly = "apply,sparse"\nboot = true\n[replay]\nresults = ["here"]\n'
    )
    parse = setting(text).whole.parse_args
    plain = parser(verbs()).whole.parse_args

    for words, given in (
        (["run"], ["--output", "out", "--memory", "1024"]),
        (["predict"], ["--memory", "1024,4096", "--seeds", "3"]),
        (["review"], ["--only", "apply,sparse", "--boot"]),
        (["replay", "x"], ["--results", "here"]),
    ):
        assert parse(words) == plain([*words, *given])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('kernel = "6.1"', "kernel stands outside of a table; put it below [all]"),
        ("[rnu]\n", "[rnu] is no verb; tables are all and doctor, completion, fetch"),
        ("[run]\nsclae = 1", "[run] sclae is no key; there are accelerator, counters"),
        ("[all]\nsclae = 1", "[all] sclae is no key; there are accelerator, anyway"),
        ("[run]\nplan = 'x'", "[run] plan is no key"),
        ("[compare]\nreport-only = true", "[compare] report-only is no key"),
        ("[judge]\nexpect = 'x'", "[judge] expect is no key"),
        ("[judge]\nno-mail = true", "[judge] no-mail is no key"),
        ("[run]\nscale = 'tiny'", "[run] scale = 'tiny': it is one of paper, small"),
        ("[run]\nseed = -1", "[run] seed = -1: '-1' is not a whole number from 0"),
        ("[run]\nseed = 1.5", "[run] seed = 1.5: it takes a word or a whole number"),
        ("[run]\nseed = true", "[run] seed = True: it takes a word or a whole number"),
        ("[all]\nkernel = ''", "[all] kernel = '': it is empty"),
        ("[run]\npage-owner = 'on'", "[run] page-owner = 'on': it is true or false"),
        ("[judge]\nwith = 'a'", "[judge] with = 'a': it takes a list of words"),
        ("[judge]\nwith = [1]", "[judge] with = [1]: it takes a list of words"),
        ("[run\n", "is not TOML: Expected ']'"),
    ],
)
def test_what_cannot_be_is_told_with_file_and_key(setting: Set, text: str, told: str) -> None:
    with pytest.raises(UserError, match=r"^/\S+/settings\.toml(:| is) ") as error:
        setting(text)

    assert told in str(error.value)


def test_the_command_uses_its_users_settings(
    cache: Cache, fake_kernel: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'[all]\nkernel = "{fake_kernel}"\nupto = "0"\n[run]\nseed = 3\n')

    done = buddylab("patch", env={"BUDDYLAB_SETTINGS": str(file)})

    assert done.returncode == 0, done.stderr
    assert f"buddylab: settings of {file}, unless given: kernel, upto\n" in done.stderr
    assert names(cache) == ["sources", "trees"]


def test_settings_that_cannot_be_read_are_told_but_not_to_help(tmp_path: Path) -> None:
    for file in (tmp_path / "none.toml", tmp_path):
        env = {"BUDDYLAB_SETTINGS": str(file)}

        refused(buddylab("fetch", env=env), Exit.USAGE, f"settings {file} cannot be read")
        assert buddylab("--help", env=env).returncode == 0
        assert buddylab("run", "--help", env=env).returncode == 0


def test_where_settings_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("BUDDYLAB_SETTINGS")
    assert settings.place() is None

    file = tmp_path / "buddylab/settings.toml"
    file.parent.mkdir()
    file.write_text("")
    assert settings.place() == file
    monkeypatch.setenv("BUDDYLAB_SETTINGS", "")
    assert settings.place() is None


def test_the_document_has_all_keys(golden: Callable[[str, str], None]) -> None:
    page = ROOT / "docs/settings.md"
    before, head, rest = page.read_text().partition("| key |")
    _, _, after = rest.partition("\n\n")

    assert head
    end = f"\n{after}" if after else ""
    golden(str(page), f"{before}{settings.table(parser(verbs()).options)}{end}")

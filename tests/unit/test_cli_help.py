# SPDX-License-Identifier: GPL-2.0-only
"""The command's help: each on one screen, verbs in the order of the work, examples that work."""

import re
import shlex
import subprocess  # noqa: TID251 - a process with nothing loaded
import sys
from pathlib import Path

import pytest
from command_line import ROOT, buddylab
from saved_folder import write_run

from harness.cli.parser import parser
from harness.cli.verbs import Group, verbs
from harness.errors import Exit
from harness.host.cache import Cache

SCREEN_LINES = 40
KNOWN = verbs()
EXAMPLES = [(name, line) for name, verb in KNOWN.items() for line in verb.EXAMPLES]


@pytest.mark.parametrize("verb", ["", *KNOWN])
def test_each_help_is_one_screen(verb: str) -> None:
    done = buddylab(*([verb] if verb else []), "--help", env={"COLUMNS": "80"})

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) <= SCREEN_LINES
    assert lines[0].startswith(f"usage: buddylab {verb}".rstrip())
    # An example is one line that can be copied.
    long = [line for line in lines if len(line) > 80 and not line.startswith("  buddylab ")]
    assert long == []


def test_verbs_stand_in_the_order_of_the_work() -> None:
    told = buddylab("--help").stdout

    titles = re.findall(r"^([a-z ,']+):$", told, re.MULTILINE)
    assert titles == [*Group, "options"]
    work = ["doctor", "fetch", "patch", "build", "guest", "run", "report", "judge", "export"]
    assert [verb for verb in KNOWN if verb in work] == work
    places = [told.index(f"\n  {verb} ") for verb in KNOWN]
    assert places == sorted(places)


def test_each_verb_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} == {*KNOWN}


@pytest.mark.parametrize(("verb", "line"), EXAMPLES)
def test_each_example_is_taken(verb: str, line: str) -> None:
    program, *words = shlex.split(line)

    arguments = parser(KNOWN).whole.parse_args(words)

    assert (program, arguments.verb) == ("buddylab", verb)
    files = [word for word in words if re.match(r"(vm|patches|docs|tests)/", word)]
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert line in buddylab(verb, "--help").stdout.splitlines()[-1]


@pytest.mark.parametrize("verb", ["check", "report", "difference"])
def test_examples_of_saved_runs_work(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    assert not cache.root.exists()
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        write_run(tmp_path / "runs" / name)

    for line in KNOWN[verb].EXAMPLES:
        done = buddylab(*shlex.split(line)[1:])

        assert done.returncode in {Exit.OK, Exit.CHECK_FAILED}, done.stderr
        assert done.stdout


def test_no_heavy_module_is_loaded_for_help() -> None:
    """A shell asks for completions at each key: nothing of the work may be read for them."""
    imports = (
        "import sys; from harness.cli.parser import parser; from harness.cli.verbs import verbs"
    )
    ask = f"{imports}; parser(verbs()).whole.format_help(); print(*sys.modules, sep='\\n')"
    loaded = set(python("-c", ask).split())

    assert "harness.cli.verbs.judge" in loaded
    heavy = {"msgspec", "scipy", "numpy", "rich", "fabric", "jinja2", "harness.pipeline"}
    assert loaded & heavy == set()


def python(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True
    ).stdout

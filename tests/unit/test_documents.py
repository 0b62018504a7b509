# SPDX-License-Identifier: GPL-2.0-only
"""What the documents promise is what the project does."""

import re
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.cli.parser import parser
from harness.cli.verbs import verbs as known_verbs

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
# In backquotes, and of the repository; NAME, LINE and <line> stand for anything.
PATH = re.compile(r"`((?:harness|kmod|vm|patches|tests|docs)/[\w./*<>-]+)`")
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_readmes_test_command() -> None:
    commands = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)

    assert [command.split()[-1] for command in commands] == ["vm-experiments", "tests"]
    assert commands[1] in (ROOT / ".ci/run").read_text().splitlines()
    assert "      - run: .ci/run\n" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_every_verb_is_served_and_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    verbs = re.findall(r"^  ([a-z][a-z-]+) +\S", capsys.readouterr().out, re.MULTILINE)

    assert verbs == list(known_verbs())
    assert [verb for verb in verbs if f"`{verb}" not in README] == []


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_paths_in_documents_are_there() -> None:
    found = [(doc.name, path) for doc in DOCUMENTS for path in PATH.findall(doc.read_text())]
    pattern = re.compile(r"<\w+>|NAME|LINE")

    assert len(found) > 20  # the expression above still finds them
    assert [each for each in found if not [*ROOT.glob(pattern.sub("*", each[1]))]] == []


def test_every_word_of_the_command_has_its_help() -> None:
    verbs = parser(known_verbs()).verbs
    options = [(name, each) for name, verb in verbs.items() for each in verb._actions]

    assert len(options) > 40
    assert [(name, each.dest) for name, each in options if not each.help] == []

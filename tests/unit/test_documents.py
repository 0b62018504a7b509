# SPDX-License-Identifier: GPL-2.0-only
"""What the documents promise is what the project does."""

import re
import shlex
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.cli.parser import parser
from harness.cli.verbs import verbs as known_verbs

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "patches/README.md",
    ROOT / "tests/data/README.md",
]
# In backquotes, and of the repository; NAME, LINE and <line> stand for anything.
PATH = re.compile(r"`((?:harness|kmod|vm|patches|tests|docs)/[\w./*<>-]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Lines of code, and what of them is a call of the command: up to what a shell would take next.
CODE_LINE = re.compile(r"^    .*|^```\w*\n(?:.*\n)*?```$", re.MULTILINE)
CALL = re.compile(r"\bbuddylab ((?:\"[^\"]*\"|\$\([^)]*\)|\\\n|[^\n#;&|>)\"])+)")
README = (ROOT / "README.md").read_text()


def anchors(text: str) -> set[str]:
    """Return what headings are called in links, by the forges' and the site's rule."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    words = (re.sub(r"[^\w\s-]", "", title.lower()).strip() for title in titles)
    return {re.sub(r"\s+", "-", each) for each in words}


def calls(text: str) -> list[list[str]]:
    """Return the words of each call of the command in a page's code."""
    code = "\n".join(CODE_LINE.findall(text))
    found = (call.replace("\\\n", " ").replace("...", "") for call in CALL.findall(code))
    return [shlex.split(each) for each in found]


def test_ci_runs_the_readmes_test_command() -> None:
    commands = re.findall(r"^    (python3 -m venv .*nox -s.*)$", README, re.MULTILINE)

    assert [command.split()[-1] for command in commands] == ["vm-experiments", "tests"]
    assert commands[1] in (ROOT / ".ci/run").read_text().splitlines()
    assert "      - run: .ci/run\n" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_every_verb_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    verbs = re.findall(r"^  ([a-z][a-z-]+) +\S", capsys.readouterr().out, re.MULTILINE)

    assert verbs == list(known_verbs())


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        target, _, anchor = link.partition("#")
        if ":" in target:
            continue
        page = document.parent / target if target else document
        assert page.exists(), f"{link}: {page} is not there"
        if anchor:
            assert anchor in anchors(page.read_text()), f"{link}: no such heading"


def test_anchors_are_those_of_headings() -> None:
    text = (
        "# A page\n\n## What is `called` a difference?\n\n## [[states]]\n```\n# no heading\n```\n"
    )

    assert anchors(text) == {"a-page", "what-is-called-a-difference", "states"}


def test_commands_in_documents_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """By the real parser: a word that it does not know is an error."""
    parse = parser(known_verbs()).whole.parse_args
    found = [(doc, call) for doc in DOCUMENTS for call in calls(doc.read_text())]

    assert len(found) > 40
    for document, words in found:
        code = 0
        try:
            parse(words)
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr().err
        assert code == 0, f"{document.relative_to(ROOT)}: {shlex.join(words)}: {told}"


def test_calls_are_found_in_code_only() -> None:
    text = (
        "Say buddylab in prose.\n\n"
        "    buddylab run --seed 3   # a comment\n    buddylab run --seed 4 > file\n"
        '    git bisect run buddylab judge A..B --expect "x not_less base"\n\n'
        '```sh\ncp "$(buddylab fetch --quiet)/mm" a\nbuddylab judge \\\n  x.patch | cat\n```\n'
    )

    assert calls(text) == [
        ["run", "--seed", "3"],
        ["run", "--seed", "4"],
        ["judge", "A..B", "--expect", "x not_less base"],
        ["fetch", "--quiet"],
        ["judge", "x.patch"],
    ]


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

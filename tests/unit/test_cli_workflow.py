# SPDX-License-Identifier: GPL-2.0-only
"""doctor --ci: a workflow whose commands this command knows, and that no text can get into."""

import re
import shlex
from typing import Any

import pytest
import yaml

from harness.cli.main import main
from harness.cli.parser import parser
from harness.cli.verbs import verbs
from harness.errors import Exit

# Of an expression, what is a digest, a number or the owner's own: none can be chosen from outside.
HARMLESS = re.compile(
    r"github\.(sha|ref|workspace|event\.before|event\.pull_request\.base\.sha)|vars\.BUDDYLAB(_REF)?"
    r"|env\.(BASE|HEAD)|cancelled\(\)"
)
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["doctor", "--ci", "github"]) == Exit.OK
    return capsys.readouterr().out


def problems(text: str) -> list[str]:
    """Say what a reviewer of workflows would object to."""
    workflow: dict[Any, Any] = yaml.safe_load(text)
    found = []
    if workflow["permissions"] != {}:
        found.append("permissions of all jobs")
    if "pull_request_target" in workflow[True]:  # YAML 1.1 reads `on` so
        found.append("a stranger's code with the repository's secrets")
    for job in workflow["jobs"].values():
        if job["permissions"] != {"contents": "read"}:
            found.append("permissions of a job")
        if not job["timeout-minutes"] <= 360:
            found.append("no end")
        found += [said for step in job["steps"] for said in problems_of(step)]
    for expression in EXPRESSION.findall(text):
        left = re.sub(r"'[^']*'|[\s!|=]+", " ", HARMLESS.sub("", expression)).strip()
        found += [f"expression of a stranger's text: {expression}"] * bool(left)
    return found


def problems_of(step: dict[str, Any]) -> list[str]:
    found = []
    if "${{" in (run := step.get("run", "")):
        found.append(f"expression in a shell: {run}")
    uses = step.get("uses", "")
    if uses and not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", uses):
        found.append(f"not pinned: {uses}")
    if "/checkout@" in uses and step["with"]["persist-credentials"] is not False:
        found.append("credentials stay")
    return found


def test_nobody_objects(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"$BASE..$HEAD"', "${{ github.sha }}", "expression in a shell"),
        ("github.ref }}", "github.head_ref }}", "expression of a stranger's text"),
        ("permissions: {}", "permissions: write-all", "permissions of all jobs"),
        ("contents: read", "contents: write", "permissions of a job"),
        ("  pull_request:\n", "  pull_request_target:\n", "a stranger's code"),
        ("actions/cache@5a3ec84eff668545956fd18022155c47e93e2684", "actions/cache@v4", "not pin"),
        ("persist-credentials: false", "persist-credentials: true", "credentials stay"),
    ],
)
def test_what_would_be_objected_to_is_found(text: str, old: str, new: str, said: str) -> None:
    assert old in text
    assert problems(text.replace(old, new))[0].startswith(said)


def test_its_commands_are_known_and_leave_what_is_kept(text: str) -> None:
    (job,) = yaml.safe_load(text)["jobs"].values()
    shell = "\n".join(step.get("run", "") for step in job["steps"])
    calls = [shlex.split(each) for each in re.findall(r"bin/buddylab (.*)", shell)]

    assert [each[0] for each in calls] == ["doctor", "judge"]
    known = [parser(verbs()).whole.parse_args(each) for each in calls]
    assert known[0].install
    judge = known[1]
    assert (judge.change, judge.kernel, judge.mail) == ("$BASE..$HEAD", "linux", True)
    (kept,) = [step for step in job["steps"] if "upload" in step.get("uses", "")]
    paths = kept["with"]["path"].split()
    assert all(each.startswith(f"{judge.output}/") for each in paths)
    assert {f"{judge.output}/report.html", f"{judge.output}/mail.txt"} <= set(paths)
    cached = [step["with"]["path"] for step in job["steps"] if "/cache@" in step.get("uses", "")]
    assert {"cache/kernels", "cache/arms", "cache/states"} <= set(cached[0].split())


def test_another_forge_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--ci", "nosuch"])
    assert "github" in capsys.readouterr().err

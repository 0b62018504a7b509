# SPDX-License-Identifier: GPL-2.0-only
"""Completion, asked of the real shells: of each that is installed."""

import os
import shutil
import subprocess  # noqa: TID251 - the shells
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect  # noqa: TID251 - zsh completes for a person at a terminal alone
import pytest
from command_line import ROOT, buddylab

Complete = Callable[[str], list[str]]
# What bash does at a Tab: it calls the function that completes the command.
BASH = """
eval "$(buddylab completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
_python_argcomplete buddylab
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = "buddylab completion fish | source; complete -C $argv[1]"


def require(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"no {shell} here")
    return path


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has the command on PATH."""
    program = tmp_path / "bin/buddylab"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m harness "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    home = tmp_path / "home-of-shells"
    home.mkdir()
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(home)}


@pytest.fixture(params=["bash", "fish"])
def complete(request: pytest.FixtureRequest, env: dict[str, str]) -> Complete:
    shell = require(request.param)
    script = ["--norc", "-c", BASH, "bash"] if request.param == "bash" else ["-N", "-c", FISH]

    def ask(line: str) -> list[str]:
        done = subprocess.run(
            [shell, *script, line], capture_output=True, text=True, check=True, env=env, cwd=ROOT
        )
        assert done.stderr == ""
        # fish tells the help behind a tab; a single word ends with a space.
        return [word.partition("\t")[0].rstrip() for word in done.stdout.splitlines()]

    return ask


def test_verbs_options_and_choices(complete: Complete) -> None:
    assert complete("buddylab ju") == ["judge"]
    assert set(complete("buddylab re")) == {"report", "replay", "reallocate", "review"}
    assert complete("buddylab run --see") == ["--seed"]
    assert set(complete("buddylab run --scale ")) == {"paper", "small"}
    assert complete("buddylab run --seed ") in ([], [""])


def test_names_and_files(complete: Complete) -> None:
    assert "6.12" in complete("buddylab fetch --kernel 6")
    upto = complete("buddylab patch --upto 0002")
    assert [word.startswith("0002-") and word.endswith(".patch") for word in upto] == [True]
    assert complete("buddylab compare vm/plans/smo") == ["vm/plans/smoke.toml"]
    assert complete("buddylab judge patch") == ["patches/"]


def test_zsh_completes_as_one_types(env: dict[str, str]) -> None:
    zsh = require("zsh")
    child = pexpect.spawn(zsh, ["-f", "-i"], env=env, cwd=str(ROOT), encoding="utf-8", timeout=30)
    child.setwinsize(40, 200)
    child.sendline("PS1='ready> '; autoload -Uz compinit && compinit -u")
    child.sendline('eval "$(buddylab completion zsh)"; echo set-$((1+1))')
    child.expect("set-2")
    child.send("buddylab jud\t")
    child.expect("buddylab judge")
    child.send("patches/ser\t")
    child.expect("patches/series")
    child.send(" --each-p\t")
    child.expect("--each-patch")
    child.close(force=True)


def test_a_shell_that_is_not_known_is_refused() -> None:
    done = buddylab("completion", "tcsh")

    assert done.returncode == 2
    assert "choose from" in done.stderr

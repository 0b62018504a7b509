# SPDX-License-Identifier: GPL-2.0-only
"""Entry points. `nox -s tests` is what CI runs; arguments after `--` reach the command."""

import argparse
import os
import re
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True

# A source of each kernel line that the series is made for.
LINES = tuple(
    nox.project.load_toml(file)["kernel"]
    for file in sorted(Path("patches/lines").glob("*/line.toml"))
)
PROJECT = nox.project.load_toml("pyproject.toml")
DEV = nox.project.dependency_groups(PROJECT, "dev")


def install(session: nox.Session) -> None:
    """Install the project as it lies here, with what the sessions need."""
    session.install("--quiet", "--editable", ".", *DEV)


@nox.session(name="build-kernel")
def build_kernel(session: nox.Session) -> None:
    """Fetch, patch, configure and build the kernel and the module."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    session.run("buddylab", "build", *session.posargs)


@nox.session(name="vm-experiments")
def vm_experiments(session: nox.Session) -> None:
    """Run the main job: from source to verdict (`-- --scale small` for the short one)."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    session.run("buddylab", "run", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Lint, types, fast tests, then a small repeatable run on a real kernel, all checks on."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    if not session.posargs:
        lint_steps(session)
    # Some wait for a deadline to pass: a worker more than there are CPUs.
    workers = str((os.cpu_count() or 1) + 1)
    session.run("pytest", "-m", "not vm", "-n", workers, *session.posargs)
    run_vm_tests(session, "vm and not long")


@nox.session(name="vm-tests", default=False)
def vm_tests(session: nox.Session) -> None:
    """Run all tests on a real kernel, those too that CI has no time for."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    run_vm_tests(session, "vm")


def run_vm_tests(session: nox.Session, chosen: str) -> None:
    """Run the tests that boot a kernel and that pytest's expression `chosen` is true of."""
    if not session.posargs:
        # Before the tests that want it, which would wait for it without a word.
        tested = os.environ.get("BUDDYLAB_TEST_KERNEL")
        session.run("buddylab", "build", *(("--kernel", tested) if tested else ()))
    # Two guests at once: each has one CPU of its own, and their deadlines know no third.
    several = ("-n", "2", "--dist", "loadfile", "-v", "--durations=20")
    session.run("pytest", "-m", chosen, "--timeout=3000", *several, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and shell."""
    install(session)
    lint_steps(session)


def lint_steps(session: nox.Session) -> None:
    """Run ruff, mypy, import-linter and shellcheck."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("shellcheck", *shell_scripts(session))


def shell_scripts(session: nox.Session) -> list[str]:
    """Find the shell scripts by their first lines: a new one is checked without a word here."""
    tracked = session.run("git", "ls-files", "-z", external=True, silent=True, log=False)
    files = [Path(name) for name in str(tracked).split("\0") if name]
    return [str(file) for file in files if file.is_file() and is_shell(file)]


def is_shell(file: Path) -> bool:
    """Whether `file` says by its first lines that a shell reads it."""
    with file.open("rb") as content:
        start = content.read(256)
    return bool(re.match(rb"#!.*sh$|(#.*\n)*# shellcheck shell=", start, re.MULTILINE))


@nox.session(name="kernel-style", default=False)
def kernel_style(session: nox.Session) -> None:
    """Check the series by the kernel's submit checklist on each line; KTAP in runs."""
    install(session)
    session.run("buddylab", "doctor", "--install", "--review")
    session.run("buddylab", "review", "--ktap", "runs/kernel-style.ktap", *session.posargs)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Run wrong versions of the series and print which check caught each."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    session.run("buddylab", "mutants", *session.posargs)


@nox.session(default=False)
def lines(session: nox.Session) -> None:
    """Run, predict, compare objects and judge on each kernel line (`-- KERNEL...` for others)."""
    install(session)
    session.run("buddylab", "doctor", "--install", "--review")
    for kernel in session.posargs or LINES:
        chosen = ("--kernel", kernel)
        session.run("buddylab", "run", "--scale", "small", *chosen)
        session.run("buddylab", "predict", "--seeds", "3", *chosen)
        session.run("buddylab", "review", "--only", "identity", *chosen)
        plan = ("--plan", "vm/plans/judge_small.toml")
        session.run("buddylab", "judge", "patches/series", *plan, *chosen)


@nox.session(default=False)
def debug(session: nox.Session) -> None:
    """Run kernels that watch themselves, 4 CPUs, 2 nodes, each line (`-- KERNEL...` for others)."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    watched = ("--flavour", "debug", "--cpus", "4")
    for kernel in session.posargs or LINES:
        chosen = ("--kernel", kernel, *watched)
        # With nodes as the plan's guests have, for one kernel to do for both.
        session.run("buddylab", "run", "--scale", "small", "--nodes", "2", *chosen)
        session.run("buddylab", "compare", "vm/plans/debug.toml", *chosen)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Inject faults and print what came of each (`-- --points N`: so many random kills)."""
    options = argparse.ArgumentParser(prog="nox -s faults --")
    options.add_argument("--points", type=int, default=20)
    chosen, others = options.parse_known_args(session.posargs)
    install(session)
    session.run("buddylab", "doctor", "--install")
    env = {"BUDDYLAB_FAULT_POINTS": str(chosen.points)}
    file = "tests/faults/faults.py"
    session.run("pytest", "-s", "-q", "--timeout=3600", file, *others, env=env)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Look for known holes in what the project needs, in its code and in its workflow."""
    install(session)
    session.install("--quiet", "pip-audit", "bandit", "zizmor")
    session.run("bandit", "--quiet", "--recursive", "--configfile", "pyproject.toml", "harness")
    session.run("zizmor", "--offline", "--persona", "pedantic", "harness/cli/workflows/github.yml")
    session.run("pip-audit", "--skip-editable", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Give each parser a million inputs (`-- --inputs N NAME...` others): hours."""
    install(session)
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "fuzz"))
    session.run("python", "tests/fuzz.py", *session.posargs)


@nox.session(default=False)
def pages(session: nox.Session) -> None:
    """Look at reports in Chromium, narrow and wide, light and dark (`-- --folder DIR` at yours)."""
    install(session)
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "browser"))
    session.run("pytest", "--timeout=600", "tests/browser/pages.py", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documents as a site in dist/site; a warning is an error."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "docs"))
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(default=False)
def tutorial(session: nox.Session) -> None:
    """Run the tutorial's commands, as its page has them, in a new clone."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    session.run("pytest", "-s", "--timeout=7200", "tests/vm/tutorial.py", *session.posargs)


@nox.session(default=False)
def cost(session: nox.Session) -> None:
    """Measure what the counters cost, by variant, and print the table."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    session.run("buddylab", "cost", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure the times that the README promises and print them."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    session.run("buddylab", "bench", *session.posargs)


@nox.session(default=False)
def scale(session: nox.Session) -> None:
    """Print how many workers one scheduler keeps busy, and what the engine adds to an arm."""
    install(session)
    session.install("--quiet", "--editable", ".[cluster]")
    env = {"PYTHONPATH": "tests/shared"}
    session.run("python", "tests/scale/scale.py", *session.posargs, env=env)

# SPDX-License-Identifier: GPL-2.0-only
"""Entry points. `nox -s tests` is what CI runs; arguments after `--` reach the command."""

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True

DEV = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "dev")


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
    session.run("pytest", "-m", "not vm", *session.posargs)
    session.run("pytest", "-m", "vm", "--timeout=3000", "-s", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and shell."""
    install(session)
    lint_steps(session)


def lint_steps(session: nox.Session) -> None:
    """Run ruff and mypy."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session(name="kernel-style", default=False)
def kernel_style(session: nox.Session) -> None:
    """Check the series as a reviewer would: checkpatch, sparse, configurations, prefixes."""
    install(session)
    session.run("buddylab", "doctor", "--install", "--review")
    session.run("buddylab", "review", *session.posargs)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Run wrong versions of the series and print which check caught each."""
    install(session)
    session.run("buddylab", "doctor", "--install")
    session.run("buddylab", "mutants", *session.posargs)


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

# SPDX-License-Identifier: GPL-2.0-only
"""Every test has a cache and a home of its own, and no network but the loopback."""

import os
import shutil
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from harness.host.cache import Cache

# An example's time says how busy the machine is; each test has pytest-timeout's deadline.
hypothesis.settings.register_profile("buddylab", deadline=None)
hypothesis.settings.load_profile("buddylab")

TESTS = Path(__file__).parent
GOLDEN = TESTS / "data" / "golden"

PATCH_MAIL = """From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: someone <someone@example.org>
Subject: [PATCH] {subject}

---
 {path} | 2 +-

diff --git a/{path} b/{path}
--- a/{path}
+++ b/{path}
@@ -{line},3 +{line},3 @@
 {before}
-{old}
+{new}
 {after}
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one command write anew what tests expect: look at the difference before a commit."""
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write the files of tests/data/golden from what the code yields now",
    )
    parser.addoption(
        "--folder",
        action="append",
        default=[],
        metavar="DIR",
        help="a results folder of yours whose report `nox -s pages` looks at, too",
    )


def pytest_configure() -> None:
    """Start processes as a user's shell does.

    SIGINT and SIGHUP end what tests interrupt, also where tests run in the background: such a job
    ignores them, and so would every process that it starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Whoever runs the tests may have settings.
    os.environ["BUDDYLAB_SETTINGS"] = ""
    # Users have no such variable, and without it streams keep what they could not write.
    os.environ.pop("PYTHONUNBUFFERED", None)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name, or write it with --rewrite-golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.write_text(text)
        how = "pytest --rewrite-golden writes it anew"
        assert path.exists(), f"{path} is absent; {how}"
        assert text == path.read_text(), f"{path} differs; if the change is wanted, {how}"

    return compare


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache, also for code that asks the environment."""
    monkeypatch.setenv("BUDDYLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Cache.default()


@pytest.fixture(autouse=True)
def no_users_cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep pretended kernels out of the user's cache, which a later build would take for real."""
    if not request.node.get_closest_marker("vm"):
        monkeypatch.setenv("BUDDYLAB_CACHE", f"{__file__}/a test without the fixture cache")


@pytest.fixture
def fake_kernel(tmp_path: Path) -> Path:
    """A source tree that builds in no time and says it is 5.15.180."""
    return shutil.copytree(TESTS / "fake_kernel", tmp_path / "linux-5.15.180")


@pytest.fixture
def archive(tmp_path: Path, fake_kernel: Path) -> Path:
    """The fake kernel as a release archive."""
    path = tmp_path / "linux-5.15.180.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(fake_kernel, arcname="linux-5.15.180")
    return path


@pytest.fixture
def write_series(tmp_path: Path) -> Callable[..., Path]:
    """Write a series of one-line changes to the fake page_alloc.c."""

    def write(*changes: tuple[str, str, str, str]) -> Path:
        directory = tmp_path / "series" / "linux-5.15"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        names = []
        for number, (before, old, new, after) in enumerate(changes, start=1):
            name = f"{number:04}-change.patch"
            line = (TESTS / "fake_kernel/mm/page_alloc.c").read_text().split("\n").index(before) + 1
            (directory / name).write_text(
                PATCH_MAIL.format(
                    subject=f"change {number}",
                    path="mm/page_alloc.c",
                    line=line,
                    before=before,
                    old=old,
                    new=new,
                    after=after,
                )
            )
            names.append(name)
        (directory / "series").write_text("# a test's series\n" + "\n".join(names) + "\n")
        words = ['"option.BUDDY_MONITOR"'] + [""] * len(names)
        provides = (f'"{name}" = [{word}]\n' for name, word in zip(names, words, strict=False))
        (directory / "provides.toml").write_text("".join(provides))
        return directory

    return write

# SPDX-License-Identifier: GPL-2.0-only
"""Commands learn where things are from their user's environment, and nothing of how to work."""

from pathlib import Path

import pytest
from command_line import buddylab, names

from harness.errors import Exit
from harness.host.cache import Cache
from harness.host.command import run
from harness.host.deadline import Deadline
from harness.host.environment import pinned

# What some user has, and what would become of a build with it.
HOSTILE = {
    "LANGUAGE": "de",  # ld's messages in German
    "LC_MESSAGES": "de_DE.UTF-8",
    "MAKEFLAGS": "-n",  # make only says what it would do
    "GNUMAKEFLAGS": "-n",
    "MAKEFILES": "/nonexistent",
    "ARCH": "arm64",
    "CROSS_COMPILE": "none-",
    "M": "/nonexistent",
    "LOCALVERSION": "-mine",
    "KCFLAGS": "-Werror",
    "KBUILD_OUTPUT": "/nonexistent",
    "KCONFIG_ALLCONFIG": "/nonexistent",
    "KCONFIG_CONFIG": "other",
    "CFLAGS": "-O0",
    "CPATH": "/nonexistent",
    "GCC_COLORS": "error=01;31",
    "TAR_OPTIONS": "--bogus",
    "POSIXLY_CORRECT": "1",
    "BASH_ENV": "/nonexistent",
    "CDPATH": "/",
    "GIT_DIR": "/nonexistent",
    "PYTHONPATH": "/nonexistent",
}


def test_only_what_is_known_passes() -> None:
    kept = {
        "PATH": "/bin",
        "HOME": "/h",
        "TMPDIR": "/t",
        "https_proxy": "http://proxy",
        "CCACHE_DIR": "/c",
        "BUDDYLAB_CACHE": "/b",
    }
    given = pinned(
        {**kept, **HOSTILE, "LC_ALL": "de_DE.UTF-8", "TERM": "xterm", "TZ": "Asia/Tokyo"}
    )
    assert given == {**kept, "LC_ALL": "C.UTF-8", "TERM": "dumb", "TZ": "UTC0"}


def test_a_command_has_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    deadline = Deadline.after(30.0, "env")
    output = run(["env"], deadline=deadline, env={"KBUILD_BUILD_USER": "buddylab"}).output
    told = dict(line.split("=", 1) for line in output.splitlines())
    assert HOSTILE.keys() & told.keys() == set()
    assert told["KBUILD_BUILD_USER"] == "buddylab"
    assert told["LC_ALL"] == "C.UTF-8"


def test_a_build_is_the_same_whatever_its_user_has(
    cache: Cache, fake_kernel: Path, tmp_path: Path
) -> None:
    command = ("build", "--kernel", str(fake_kernel), "--upto", "0")
    plain = {"BUDDYLAB_CACHE": str(tmp_path / "plain")}
    hostile = {name: value for name, value in HOSTILE.items() if name != "PYTHONPATH"}
    assert buddylab(*command, env=hostile).returncode == Exit.OK
    assert buddylab(*command, env=plain).returncode == Exit.OK
    (one,), (other,) = (
        sorted(root.glob("kernels/*/config")) for root in (cache.root, tmp_path / "plain")
    )
    assert one.parent.name == other.parent.name
    assert one.read_bytes() == other.read_bytes()
    assert names(cache) == ["kernels", "sources", "trees"]

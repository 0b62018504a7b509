# SPDX-License-Identifier: GPL-2.0-only
"""The least that the `buddylab` command promises, as a process."""

import re
from pathlib import Path

import pytest
from command_line import buddylab, refused

from harness.errors import Exit
from harness.host.cache import Cache


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "VERB"),
        (("fly",), "invalid choice: 'fly'"),
        (("run", "--scale", "huge"), "invalid choice: 'huge'"),
        (("run", "--cpus", "0"), "not a whole number from 1 to 1000000"),
        (("check",), "RUN"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage_is_two(cache: Cache, arguments: tuple[str, ...], text: str) -> None:
    refused(buddylab(*arguments), Exit.USAGE, text, " --help\n")
    assert not cache.root.exists()


def test_version_needs_nothing() -> None:
    done = buddylab("--version", env={"PATH": "", "HOME": "/nonexistent"})

    assert (done.returncode, done.stdout.split()[0]) == (0, "buddylab")


def test_doctor_says_what_to_type(cache: Cache, tmp_path: Path) -> None:
    nobody = {"BUDDYLAB_KERNEL_MIRROR": "http://127.0.0.1:9", "PATH": str(tmp_path)}

    done = buddylab("doctor", env=nobody)

    assert cache.root.parent == tmp_path
    assert (done.returncode, done.stderr) == (Exit.HOST, "")
    assert "MISSING: gcc (compiles the kernel" in done.stdout
    line = r"as root: apt-get install --no-install-recommends .*qemu-system-x86 "
    assert re.search(line, done.stdout)
    assert "MISSING: qemu-system-x86_64 is not installed" in done.stdout
    assert "MISSING: http://127.0.0.1:9 is out of reach" in done.stdout
    assert done.stdout.endswith("NOT READY: see what is MISSING above\n")


def test_cache_that_cannot_be_written_is_the_hosts_matter(
    cache: Cache, fake_kernel: Path, tmp_path: Path
) -> None:
    """A file where the cache's directory should be; root may write anywhere else."""
    (tmp_path / "file").write_text("")
    done = buddylab(
        "fetch", "--kernel", str(fake_kernel), env={"BUDDYLAB_CACHE": str(tmp_path / "file/cache")}
    )

    refused(done, Exit.HOST, str(tmp_path / "file"), "BUDDYLAB_CACHE")
    assert not cache.root.exists()

# SPDX-License-Identifier: GPL-2.0-only
"""apt's answers: the packages asked for, or none."""

import hashlib
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.host.apt import Apt
from harness.host.cache import Cache

# What apt-get does of it: lists, and files that are as long as their names.
APT_GET = """#!/bin/sh
case "$*" in
*--print-uris*) echo "'http://mirror.example/{file}' {file} 10 SHA256:0" ;;
*" download linux"*) touch {file} ;;
esac
"""


@pytest.fixture
def offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder / "apt-get"


def offer(program: Path, file: str) -> None:
    program.write_text(APT_GET.format(file=file))
    program.chmod(0o755)


def test_a_package_is_brought(cache: Cache, offers: Path) -> None:
    offer(offers, "linux-source-6.1_6.1.192-3_all.deb")

    (package,) = Apt(cache).download(["linux-source-6.1"], with_dependencies=False)

    assert (package.name, package.version) == ("linux-source-6.1", "6.1.192-3")
    assert package.path.exists()


def test_a_name_that_is_only_the_beginning_of_one_is_no_package(cache: Cache, offers: Path) -> None:
    """Apt takes what it does not know for a pattern."""
    offer(offers, "linux-source-6.12_6.12.117-1_all.deb")

    for _ in range(2):  # also where apt's answer is remembered
        with pytest.raises(HostError, match=r"no package linux-source-6\.1; check the package"):
            Apt(cache).download(["linux-source-6.1"], with_dependencies=False)
    assert list((cache.root / "downloads").rglob("*.deb")) == []


def test_a_package_that_was_altered_since_is_not_unpacked(
    cache: Cache, offers: Path, tmp_path: Path
) -> None:
    offer(offers, "linux-source-6.1_6.1.192-3_all.deb")
    digest = hashlib.sha256(b"").hexdigest()  # what `touch` makes
    offers.write_text(offers.read_text().replace("SHA256:0", f"SHA256:{digest}"))
    (package,) = Apt(cache).download(["linux-source-6.1"], with_dependencies=False)
    assert package.sha256 == digest

    package.path.write_bytes(b"x")
    with pytest.raises(HostError, match=f"{package.path} is not what its signed .*; remove it"):
        Apt(cache).extract([package], tmp_path / "root")

# SPDX-License-Identifier: GPL-2.0-only
"""apt's answers: the packages asked for, or none."""

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

# SPDX-License-Identifier: GPL-2.0-only
"""fetch debian:LINE[@SUITE]: packages of a mirror that a stand-in for apt has; real .deb files."""

import functools
import json
import logging
import shutil
import subprocess  # noqa: TID251 - makes packages as their maintainers do
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HostError, UserError
from harness.host.cache import Cache
from harness.stages.fetch import fetch, name_of
from harness.stages.sources import debian
from harness.texts.build.line import Line
from harness.values import KernelSource

TESTS = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb here")

World = dict[str, Any]


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """Make a package linux-source-LINE of a version, in which a kernel says that it is LINE.7."""
    place = tmp_path_factory.mktemp("packages")

    @functools.cache
    def make(line: str, version: str) -> str:
        root = place / f"deb-{line}-{version}"
        kernel = shutil.copytree(TESTS / "fake_kernel", root / "tree")
        makefile = (kernel / "Makefile").read_text()
        major, minor = line.split(".")
        for name, value in (("VERSION", major), ("PATCHLEVEL", minor), ("SUBLEVEL", "7")):
            before = next(each for each in makefile.split("\n") if each.startswith(f"{name} ="))
            makefile = makefile.replace(before, f"{name} = {value}")
        (kernel / "Makefile").write_text(makefile)
        sources = root / "package" / "usr" / "src"
        sources.mkdir(parents=True)
        with tarfile.open(sources / f"linux-source-{line}.tar.xz", "w:xz") as tar:
            tar.add(kernel, arcname=f"linux-source-{line}")
        (sources / f"linux-patch-{line}-rt.patch.xz").write_bytes(b"")
        control = root / "package" / "DEBIAN" / "control"
        control.parent.mkdir()
        control.write_text(
            f"Package: linux-source-{line}\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: x <x@example.org>\nDescription: x\n"
        )
        file = place / f"linux-source-{line}_{version}_all.deb"
        argv = ["dpkg-deb", "--build", str(root / "package"), str(file)]
        subprocess.run(argv, check=True, capture_output=True)
        return str(file)

    return make


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[World], None]:
    """Put the stand-in before the machine's apt; the function says what it has."""
    world = tmp_path / "world.json"
    for program in ("apt-get", "apt-cache"):
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {TESTS}/fakes/fake_apt.py "$@"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("BUDDYLAB_FAKE_APT", str(world))

    def has(value: World) -> None:
        world.write_text(json.dumps(value))

    return has


@pytest.fixture
def debian_12(apt: Callable[[World], None], deb: Callable[[str, str], str]) -> Callable[..., World]:
    """A machine with Debian 12; the function changes it."""
    state: World = {
        "origin": "Debian",
        "own": ["bookworm", "bookworm-security"],
        "suites": {
            "bookworm": {
                "linux-source": deb("6.1", "6.1.100-1"),
                "linux-source-6.1": deb("6.1", "6.1.192-3"),
            },
            "bookworm-security": {"linux-source-6.12": deb("6.12", "6.12.117-1")},
            "trixie-backports": {"linux-source-7.3": deb("7.3", "7.3.4-1~bpo13+1")},
        },
    }

    def change(**fields: object) -> World:
        state.update(fields)
        apt(state)
        return state

    change()
    return change


def brought(source: KernelSource) -> tuple[str, str]:
    assert (source.tree / "mm/page_alloc.c").exists()
    return source.release, source.origin


@pytest.mark.usefixtures("debian_12")
def test_each_source_that_apt_knows_has_a_name(cache: Cache) -> None:
    assert brought(fetch("debian:6.1", cache)) == ("6.1.7", "debian:6.1 6.1.192-3")
    assert brought(fetch("debian:6.12", cache)) == ("6.12.7", "debian:6.12 6.12.117-1")


@pytest.mark.usefixtures("debian_12")
def test_another_suite_is_asked_of_the_same_mirror(cache: Cache) -> None:
    source = fetch("debian:7.3@trixie-backports", cache)

    assert brought(source) == ("7.3.7", "debian:7.3@trixie-backports 7.3.4-1~bpo13+1")
    assert name_of(source.origin) == "debian:7.3@trixie-backports"
    # One package by two names is one source, each time told as it was asked for.
    here, there = fetch("debian:6.1", cache), fetch("debian:6.1@bookworm", cache)
    assert (here.digest, here.tree) == (there.digest, there.tree)
    assert there.origin == "debian:6.1@bookworm 6.1.192-3"
    assert fetch("debian:6.1", cache) == here


@pytest.mark.usefixtures("debian_12")
@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("debian:9.9", r"what this machine's apt knows; there are debian:6\.1, debian:6\.12; or"),
        ("debian:6.1@trixie-backports", "the suite .*; there are debian:7.3@trixie-backports; or"),
        # Apt takes what it does not know for a pattern: 6.1 is in 6.12.
        (
            "debian:6.1@bookworm-security",
            "the suite .*; there are debian:6.12@bookworm-security; or",
        ),
    ],
)
def test_a_line_that_is_not_there_is_told_with_those_that_are(
    cache: Cache, name: str, there: str
) -> None:
    with pytest.raises(UserError, match=rf"^{name}: no linux-source-.* is in {there}"):
        fetch(name, cache)
    assert not (cache.root / "sources").exists()


@pytest.mark.usefixtures("debian_12")
def test_a_suite_that_the_mirror_does_not_have(cache: Cache) -> None:
    with pytest.raises(UserError, match=r"http://mirror.example/debian has no suite sarge-backp"):
        fetch("debian:2.4@sarge-backports", cache)
    assert not (cache.root / "apt-sarge-backports").exists()


@pytest.mark.usefixtures("debian_12")
@pytest.mark.parametrize(
    "name", ["debian:", "debian:6", "debian:6.1.5", "debian:6.1@", "debian:6.1@a b", "debian:x@sid"]
)
def test_what_is_no_name_of_a_source(cache: Cache, name: str) -> None:
    with pytest.raises(UserError, match="it is debian:LINE or debian:LINE@SUITE"):
        fetch(name, cache)
    assert not cache.root.exists()


def test_debian_13_has_6_1_of_its_mirror(debian_12: Callable[..., World], cache: Cache) -> None:
    suites = {"trixie": {}, "bookworm": debian_12()["suites"]["bookworm"]}
    debian_12(own=["trixie"], suites=suites)

    assert brought(fetch("debian:6.1", cache)) == ("6.1.7", "debian:6.1 6.1.192-3")
    with pytest.raises(UserError, match="no linux-source-6.12 is in what .* no linux-source-LINE"):
        fetch("debian:6.12", cache)


def test_a_machine_that_is_not_debian(
    apt: Callable[[World], None], deb: Callable[[str, str], str], cache: Cache
) -> None:
    suites = {"noble": {"linux-source-6.8.0": deb("6.8", "6.8.0-1")}}
    apt({"origin": "Ubuntu", "own": ["noble"], "suites": suites})

    with pytest.raises(
        UserError, match=r"it has linux-source-6\.8\.0, which are not Debian's; .*name a release"
    ):
        fetch("debian:6.1", cache)
    with pytest.raises(UserError, match="has no suite sid"):
        fetch("debian:7.2@sid", cache)


def test_a_machine_without_apt(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HostError, match="this machine has no apt; name a release"):
        fetch("debian:6.1", cache)


def test_a_mirror_out_of_reach(debian_12: Callable[..., World], cache: Cache) -> None:
    debian_12(down=True)
    with pytest.raises(UserError, match="no linux-source-LINE is there; check .* the network"):
        fetch("debian:6.1", cache)
    with pytest.raises(HostError, match=r"apt-get cannot update: .*Could not connect"):
        fetch("debian:7.3@trixie-backports", cache)
    debian_12(down=False)
    fetch("debian:6.1", cache)
    debian_12(down=True)
    # Its list is had, the package is not.
    with pytest.raises(HostError, match=r"Failed to fetch .*; check .* the network"):
        fetch("debian:6.12", cache)


@pytest.mark.parametrize(
    "case",  # the machine's suites, what the series is made for, what is used
    [
        ("bookworm bookworm-security", "5.15 6.1 6.12", "debian:6.1"),
        ("bookworm-security", "5.15 6.1 6.12", "debian:6.12"),
        ("bookworm-security", "5.15 6.1", "debian:6.1"),
    ],
)
def test_this_machines_own_is_the_oldest_that_the_series_is_made_for(
    debian_12: Callable[..., World],
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, str, str],
) -> None:
    own, made_for, used = case
    debian_12(own=own.split())
    made = [
        Line(name=name, versions=(name,), series=True, known=(), config={})
        for name in made_for.split()
    ]
    monkeypatch.setattr(debian, "lines", lambda: made)

    assert debian.own(cache) == used


@pytest.mark.usefixtures("debian_12")
def test_without_a_name_and_a_network_it_is_this_machines_own(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", "http://127.0.0.1:9")

    with caplog.at_level(logging.WARNING):
        source = fetch(None, cache)

    assert source.origin == "debian:6.1 6.1.192-3"
    assert "KERNEL.ORG CANNOT BE REACHED: using debian:6.1 instead of 5.15.180" in caplog.text

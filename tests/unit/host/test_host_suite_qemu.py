# SPDX-License-Identifier: GPL-2.0-only
"""QEMU of another suite: from the machine's own mirror, and refused where it cannot run."""

from pathlib import Path

import pytest

from harness.arch.x86_64 import X86_64
from harness.errors import HostError, UserError
from harness.host import suite_qemu
from harness.host.apt import Package, suite_source
from harness.host.cache import Cache

# apt's answer on a machine with a vendor's repository before its own, and one for security.
TARGETS = """\
Packages https://vendor.example/repo vendor https://vendor.example/repo/ main
Packages Debian Debian http://mirror.example/debian/ main
Packages Debian Debian http://mirror.example/debian/ contrib
Translations Debian Debian http://mirror.example/debian/ main
Packages Debian Debian-Security http://mirror.example/debian-security/ main
Packages Debian Debian http://mirror.example/debian/ main
"""


def test_a_suite_is_sought_on_the_machines_own_mirror() -> None:
    assert suite_source(TARGETS, "trixie-backports") == (
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
        "http://mirror.example/debian/ trixie-backports main contrib\n"
    )


def test_another_distribution_has_its_own_keyring() -> None:
    source = suite_source("Packages Ubuntu Ubuntu http://m.example/ubuntu/ main\n", "plucky")
    assert source is not None
    assert source.startswith("deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] ")


@pytest.mark.parametrize("targets", ["", "Packages Vendor Vendor http://v.example/ main\n"])
def test_no_mirror_of_a_distribution(targets: str) -> None:
    assert suite_source(targets, "trixie") is None


class FakeApt:
    """Gives one package; its program does what `script` says."""

    script = "exit 0"

    def __init__(self, _cache: Cache, *, suite: str) -> None:
        self.suite = suite

    def download(self, names: list[str], *, with_dependencies: bool) -> tuple[Package, ...]:
        assert not with_dependencies
        return tuple(Package(name=name, version="9.9", path=Path(name)) for name in names)

    def extract(self, packages: tuple[Package, ...], root: Path) -> None:
        assert [package.name for package in packages] == [
            "qemu-system-x86",
            "qemu-system-common",
            "qemu-system-data",
            "seabios",
        ]
        program = root / "usr/bin/qemu-system-x86_64"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{self.script}\n")
        program.chmod(0o755)


def test_a_qemu_is_unpacked_once(monkeypatch: pytest.MonkeyPatch, cache: Cache) -> None:
    monkeypatch.setattr(suite_qemu, "Apt", FakeApt)
    program = suite_qemu.bring("trixie", cache, X86_64)
    assert program.is_relative_to(cache.root / "emulators")
    monkeypatch.setattr(FakeApt, "script", "exit 1")
    assert suite_qemu.bring("trixie", cache, X86_64) == program
    assert program.read_text() == "#!/bin/sh\nexit 0\n"


def test_a_qemu_for_other_libraries_is_refused_by_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, cache: Cache
) -> None:
    monkeypatch.setattr(suite_qemu, "Apt", FakeApt)
    monkeypatch.setattr(FakeApt, "script", "echo libx.so.9: cannot open shared object; exit 127")
    with pytest.raises(HostError, match=r"QEMU 9\.9 of trixie does not run .*libx\.so\.9"):
        suite_qemu.bring("trixie", cache, X86_64)
    assert list((cache.root / "emulators").glob("*")) == []


@pytest.mark.parametrize("name", ["", "Trixie", "trixie updates", "-t", "a" * 41])
def test_what_is_no_suite_is_refused(name: str, cache: Cache) -> None:
    with pytest.raises(UserError, match="not the name of a suite"):
        suite_qemu.bring(name, cache, X86_64)

# SPDX-License-Identifier: GPL-2.0-only
"""Which QEMU is used, and what its CPU goes without: asked of it, not concluded."""

import json
from pathlib import Path

import fake_guest
import pytest

from harness.arch.x86_64 import X86_64
from harness.errors import HostError, UserError
from harness.host import emulator
from harness.host.cache import Cache

# What QEMU 7.2 and 10.0 say of `max` under TCG.
SEVEN = {"rdrand": True, "rdseed": False, "erms": True, "fsrm": False}
TEN = dict.fromkeys(("rdrand", "rdseed", "erms", "fsrm", "fzrm", "fsrs", "fsrc"), True)


@pytest.mark.parametrize(
    ("properties", "cpu"),
    [
        (SEVEN, "max,rdrand=off,rdseed=off,erms=off"),
        (TEN, "max,rdrand=off,rdseed=off,erms=off,fsrm=off,fzrm=off,fsrs=off,fsrc=off"),
        ({"rdrand": True, "fsrm": True}, "max,rdrand=off,fsrm=off"),
        ({}, "max"),
    ],
)
def test_off_is_what_the_model_knows_or_turns_on(properties: dict[str, bool], cpu: str) -> None:
    assert emulator.repeatable_cpu(X86_64, properties) == cpu


@pytest.mark.parametrize(
    ("known", "card"),
    [
        (["mac", "autonegotiation"], "e1000,netdev=net0,romfile=,autonegotiation=off"),
        (["mac", "netdev"], "e1000,netdev=net0,romfile="),  # 10.0
    ],
)
def test_the_card_gets_options_that_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache, known: list[str], card: str
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU_CARD", json.dumps(known))
    assert emulator.find(cache).network_card == card


def test_qemu_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    found = emulator.find(cache)
    assert found.version == "7.2.22 (Fake 1:7.2)"
    assert found.cpu == "max,rdrand=off,rdseed=off,erms=off"
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU_CPU", json.dumps(TEN))
    assert emulator.find(cache) == found


def test_another_program_is_asked_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    emulator.find(cache)
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU_CPU", json.dumps(TEN))
    with (tmp_path / "bin" / X86_64.qemu_program).open("a") as file:
        file.write("# upgraded\n")
    assert "fsrm=off" in emulator.find(cache).cpu


@pytest.mark.parametrize(
    ("file", "what"),
    [("bin/qemu-system-x86_64", "program"), ("firmware/bios-256k.bin", "firmware")],
)
def test_a_qemu_that_is_replaced_while_it_is_used_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache, file: str, what: str
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    used = emulator.find(cache)
    emulator.require_unaltered(used)
    with (tmp_path / file).open("a") as upgraded:
        upgraded.write("# upgraded\n")
    with pytest.raises(HostError, match=f"the {what} of .* was replaced while it was in use"):
        emulator.require_unaltered(used)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\x00", b'{"k": 1}'])
def test_broken_memory_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache, content: bytes
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    cache.root.mkdir(parents=True)
    (cache.root / emulator.MEMORY_FILE).write_bytes(content)
    assert emulator.find(cache).cpu == "max,rdrand=off,rdseed=off,erms=off"


def test_a_qemu_that_cannot_be_asked_is_told_with_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "refuses-tcg")
    with pytest.raises(HostError, match=r"QEMU 7\.2\.22 .*: invalid accelerator tcg; .*--qemu"):
        emulator.find(cache)
    assert not (cache.root / emulator.MEMORY_FILE).exists()


def test_the_program_named_is_used_with_what_lies_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    program = tmp_path / "usr" / "bin" / X86_64.qemu_program
    share = tmp_path / "usr" / "share" / "qemu"
    modules = tmp_path / "usr" / "lib" / X86_64.debian / "qemu"
    for folder in (program.parent, share, modules):
        folder.mkdir(parents=True)
    (tmp_path / "bin" / X86_64.qemu_program).rename(program)
    monkeypatch.setenv(emulator.CHOICE, str(program))
    found = emulator.find(cache)
    assert found.argv == (str(program), "-L", str(share))
    assert found.env == {"QEMU_MODULE_DIR": str(modules)}


def test_a_path_without_a_program_is_the_users_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> None:
    monkeypatch.setenv(emulator.CHOICE, str(tmp_path / "qemu"))
    with pytest.raises(UserError, match="which is not a program; give the path"):
        emulator.find(cache)


def test_firmware_is_part_of_the_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    before = emulator.find(cache).firmware_digest
    assert emulator.find(cache).firmware_digest == before
    (tmp_path / "firmware" / "pvh.bin").write_bytes(b"another")
    assert emulator.find(cache).firmware_digest != before


def test_no_firmware_is_the_hosts_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU_FIRMWARE", str(tmp_path / "nowhere"))
    with pytest.raises(HostError, match="finds no firmware"):
        emulator.find(cache)


def test_absent_qemu_is_the_hosts_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="qemu-system-x86_64 is not installed"):
        emulator.find(cache)


@pytest.mark.parametrize(
    ("version", "several"),
    [
        ("7.2.22 (Debian 1:7.2+dfsg-7)", False),
        ("8.2.2", False),
        ("10.0.2 (Debian 1:10.0.2+ds-2~bpo12+1)", True),
        ("11.0.0", True),
        ("v-unknown", False),
    ],
)
def test_which_qemu_repeats_several_cpus(version: str, *, several: bool) -> None:
    assert emulator.repeats_several_cpus(version) is several


def test_several_cpus_are_refused_with_the_way_to_a_newer_qemu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> None:
    fake_guest.install(monkeypatch, tmp_path, "good")
    release = tmp_path / "os-release"
    release.write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    monkeypatch.setattr(emulator, "_OS_RELEASE", release)
    found = emulator.find(cache)

    emulator.require_cpus(found, 1)
    with pytest.raises(UserError, match="--cpus 9 is more than 8"):
        emulator.require_cpus(found, 9)
    with pytest.raises(UserError) as error:
        emulator.require_cpus(found, 2)

    told = str(error.value)
    assert "2 CPUs needs QEMU 10 or later" in told
    assert "7.2.22" in told
    assert "export BUDDYLAB_QEMU=bookworm-backports" in told
